"""How soon a thread that has slept is run beside others that compute."""

import ctypes
import os
import platform
import threading

SHORT_NS = 200_000
"""The turn of a thread that wants to be run soon; the kernel takes 0.1 to 100 ms."""
ALONE = 1
"""Threads and processes that it begins do not inherit it (``SCHED_FLAG_RESET_ON_FORK``)."""
SET_ATTRIBUTES = {"x86_64": 314, "aarch64": 274}
"""The number of the kernel's call ``sched_setattr``."""


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
        ("least", ctypes.c_uint32),
        ("most", ctypes.c_uint32),
    )


def take_short_turns() -> bool:
    """The calling thread is run as soon as it wakes, before threads that take longer turns, for as
    much of the processor as before; whether the system does that (Linux from 6.12 on).

    Else a thread that computes may keep it waiting until the next tick of the clock: up to 4 ms for
    each time that it wakes.
    """
    number = SET_ATTRIBUTES.get(platform.machine())
    if platform.system() != "Linux" or number is None:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    size = ctypes.sizeof(_Attributes)
    wanted = _Attributes(size=size, flags=ALONE, nice=nice, runtime=SHORT_NS)
    call = ctypes.CDLL(None, use_errno=True).syscall
    return bool(call(number, 0, ctypes.byref(wanted), 0) == 0)
