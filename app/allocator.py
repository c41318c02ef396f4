"""How glibc gives memory to this process and takes it back; nothing changes elsewhere."""

import ctypes
import os

MOST_ARENAS = 4
"""Pools that glibc gives threads memory from. Each keeps the most that it ever had, and the indexes
that each change of a document builds are built by another thread each time: with glibc's eight for
each core a service over few documents kept 85 MB more (benchmarks/LOG.md)."""
ARENAS = {"MALLOC_ARENA_MAX": (-8, MOST_ARENAS)}
KEEPING = {"MALLOC_MMAP_THRESHOLD_": (-3, 1 << 25), "MALLOC_TRIM_THRESHOLD_": (-1, (1 << 31) - 1)}
"""The variables by which glibc is told, with the option's number and value (mallopt(3))."""


def use_few_arenas() -> bool:
    """Whether the process has few arenas from now on; to be called before it starts threads."""
    return _tell(ARENAS)


def keep_freed_memory() -> bool:
    """Whether glibc keeps from now on what this process frees, and hands it out again.

    Otherwise each large tensor is new memory, whose pages cost more than some of the sums on it.
    """
    return _tell(KEEPING)


def return_freed_memory() -> None:
    """Give the system back what was freed amid what is in use: of models that were read, prepared
    and dropped again some hundred megabytes (benchmarks/LOG.md). For a moment without hurry.

    What is freed later is kept: else what each answer frees would be asked for again by the next.
    """
    keep_freed_memory()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # musl has none; Windows no such library
        return


def _tell(options: dict[str, tuple[int, int]]) -> bool:
    """False where the environment says how glibc allocates, and where there is no glibc."""
    tuned = "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "")
    if tuned or not options.keys().isdisjoint(os.environ):
        return False
    try:
        library = ctypes.CDLL(None)
        return all(library.mallopt(option, value) for option, value in options.values())
    except (AttributeError, OSError, TypeError):  # musl has none; Windows no such library
        return False
