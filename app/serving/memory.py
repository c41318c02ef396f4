"""How much of what was given back the process keeps from the system."""

import ctypes
import os

MOST_ARENAS = 4
"""Pools that glibc gives threads memory from. Each keeps the most that it ever had, and the indexes
that each change of a document builds are built by another thread each time: with glibc's eight for
each core a service over few documents kept 85 MB more (benchmarks/LOG.md)."""
ARENAS, STATED = -8, "MALLOC_ARENA_MAX"
"""glibc's name for their number (``mallopt``), and the variable that says another one."""


def keep_little() -> bool:
    """Whether the process has few arenas from now on; to be called before it starts threads.

    False where the environment says how many, and where the C library is not glibc.
    """
    if STATED in os.environ:
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(ARENAS, MOST_ARENAS))
    except (AttributeError, OSError, TypeError):  # musl has none; Windows no such library
        return False
