"""What a call takes, on a machine that may be slow and have other work to do."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

SLOWEST = 60.0
"""Seconds until a test no longer waits for what ought to come: much more than it ever takes."""


@contextmanager
def cpu_within(seconds: float) -> Iterator[None]:
    """Fail when the block takes more CPU time of this thread: what other threads and other
    processes do meanwhile counts for nothing."""
    began = time.thread_time()
    yield
    spent = time.thread_time() - began
    if spent > seconds:
        pytest.fail(f"it took {spent:.2f} s of CPU time, and may take {seconds:g} s")


def cpu_of(act: Callable[[], object]) -> float:
    """Seconds of CPU time of this thread that ``act`` takes."""
    began = time.thread_time()
    act()
    return time.thread_time() - began


def assert_linear(act: Callable[[int], object], size: int) -> None:
    """Fail when ``act(size)`` takes much more than eight times what an eighth of it takes: three
    times as much, where the square would be eight times. The best of three tries counts."""
    part = whole = math.inf
    for _ in range(3):
        part = min(part, cpu_of(lambda: act(size // 8)))
        whole = min(whole, cpu_of(lambda: act(size)))
        if whole <= 3 * 8 * part + 0.1:
            return
    pytest.fail(f"{size} took {whole:.2f} s of CPU time, an eighth of it {part:.3f} s")


def wait_until(true: Callable[[], object], what: str = "it did not become true") -> None:
    """Return when it is true."""
    ends = time.monotonic() + SLOWEST
    while not true():
        if time.monotonic() > ends:
            pytest.fail(what)
        time.sleep(0.005)
