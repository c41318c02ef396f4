"""What a figure was measured on, and what a process has used of it; needs Linux."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, Any]:
    """The processor, the cores that this process may use, and the load average of a minute."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    cores = len(os.sched_getaffinity(0))
    return {
        "processor": next(names, "unknown"),
        "cores": cores,
        "load_average": round(os.getloadavg()[0], 2),
    }


def took_ms(run: Callable[[], object]) -> float:
    """Milliseconds, by the clock, that a call takes."""
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1000


def cpu_seconds(process: int) -> float:
    """CPU seconds of a process and its threads so far, user and system."""
    # The name of the program may hold blanks and brackets; what follows it does not.
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(process: int, which: str = "VmRSS") -> float:
    """Megabytes that a process holds; ``VmHWM`` is the most it ever did."""
    return round(_status(process, which) / 1024, 1)


def threads(process: int) -> int:
    """How many threads a process has."""
    return _status(process, "Threads")


def descriptors(process: int) -> int:
    """How many files and sockets a process has open."""
    return sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())


def _status(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
