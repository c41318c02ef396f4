"""The walls around a process that reads a document: limits, no network, no files, few system calls.

A wall that a system does not have is left out, and said to be missing; the limits hold everywhere.
"""

import ctypes
import os
import resource
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

from ingestion.formats.limits import JailLimits
from ingestion.formats.system_calls import library, prctl, prepare_filter, refuse_calls

NETWORK, FILES, CALLS = "network", "files", "calls"
"""The walls that a system may not have."""
CODE = ("app", "guardrails", "ingestion")
SHARED = ("/lib", "/lib64", "/usr/lib", "/usr/local/lib", "/usr/share", "/usr/local/share")
"""What every user of a machine may read, and libraries do: fonts, time zones, shared objects."""
LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/etc/ld.so.cache")
"""What the kernel and the linker read to start a program."""
MOST_OPEN, MOST_OPEN_IN_CHILD = 1024, 64
"""Open files of the process that forks, and of a child."""

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
EXECUTE, READ_FILE, READ_DIR = 1 << 0, 1 << 2, 1 << 3
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights over files each version of Landlock knows; later ones as many as the last."""


class _Handled(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("ports", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def confine_server() -> frozenset[str]:
    """What every child inherits: no core files, nothing written, no network; the walls that hold.

    Called once, before the first fork, by a process that reads no document itself.
    """
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_FSIZE", 0)
    _limit("RLIMIT_NOFILE", MOST_OPEN)
    prepare_filter()
    return frozenset([NETWORK] if _leave_network() else [])


def confine_child(limits: JailLimits, readable: int) -> frozenset[str]:
    """In a child, before the first byte of its document; returns the walls it added.

    ``readable`` is from ``readable_files``.
    """
    return _confine(limits, readable)


def confine_program(limits: JailLimits, program: Path) -> frozenset[str]:
    """In a process that becomes ``program`` next, and can become no other one afterwards."""
    shared = [(Path(one), READ_FILE | READ_DIR) for one in SHARED]
    started = [(Path(one), READ_FILE | EXECUTE) for one in (program, *LOADERS)]
    return _confine(limits, _ruleset([*shared, *started]), but=("execve",))


def _confine(limits: JailLimits, readable: int, but: tuple[str, ...] = ()) -> frozenset[str]:
    _limit("RLIMIT_NOFILE", MOST_OPEN_IN_CHILD)
    _limit("RLIMIT_CPU", limits.cpu_s)
    _limit("RLIMIT_AS", limits.memory_bytes)
    _limit("RLIMIT_NPROC", 0)  # not effective for root, whom the refused calls stop
    if sys.platform != "linux":
        return frozenset()
    walls = set()
    if prctl()(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        if readable >= 0 and library().syscall(LANDLOCK_RESTRICT, readable, 0) == 0:
            walls.add(FILES)
        if refuse_calls(but=but):
            walls.add(CALLS)
    return frozenset(walls)


def die_with(parent: int) -> None:
    """This process ends when its parent does, also when that is killed."""
    if sys.platform == "linux":
        prctl()(PR_SET_PDEATHSIG, 9, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def readable_files(root: Path) -> int:
    """A Landlock ruleset that leaves code and shared libraries readable, and nothing writable.

    ``root`` holds this project's code. -1 where the system has no Landlock.
    """
    return _ruleset([(folder, READ_FILE | READ_DIR) for folder in _readable(root)])


def _ruleset(rules: Sequence[tuple[Path, int]]) -> int:
    if sys.platform != "linux":
        return -1
    version = _system_call(LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return -1
    files = (1 << RIGHTS[min(version, max(RIGHTS))]) - 1
    # Ports: none to bind or connect; scopes: no abstract socket and no signal to the outside.
    handled = _Handled(files, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _system_call(LANDLOCK_CREATE, ctypes.byref(handled), size, 0)
    for path, rights in rules if ruleset >= 0 else ():
        if path.exists():
            _allow(ruleset, path, rights)
    return ruleset


def _readable(root: Path) -> Iterable[Path]:
    code = [root / package for package in CODE]
    installed = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    # Only what belongs to the interpreter: a checkout on the path may hold data as well.
    interpreter = (sys.prefix, sys.base_prefix)
    on_path = [Path(one) for one in sys.path if one and Path(one) != root]
    installed += [one for one in on_path if any(one.is_relative_to(p) for p in interpreter)]
    return [path for path in (*code, *installed, *map(Path, SHARED)) if path.is_dir()]


def _allow(ruleset: int, path: Path, rights: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = _Beneath(rights, handle)
    _system_call(LANDLOCK_ADD, ruleset, 1, ctypes.byref(rule), 0)
    os.close(handle)


def _limit(name: str, value: int) -> None:
    kind = getattr(resource, name, None)
    if kind is None:
        return
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (ValueError, OSError):
        # macOS knows RLIMIT_AS but refuses to set it; the other limits still hold there.
        if sys.platform == "linux":
            raise


def _leave_network() -> bool:
    """Moves this process into an empty network namespace; False where that is not allowed."""
    if sys.platform != "linux":
        return False
    unshare = library().unshare
    return any(unshare(flags) == 0 for flags in (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET))


def _system_call(number: int, *arguments: object) -> int:
    call = library().syscall
    call.restype = ctypes.c_long
    return int(call(number, *arguments))
