"""A point in time that every step of one request inherits, and the word that nobody waits."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.errors import CallerGone, DeadlineExceeded


class _Wait:
    """Whether somebody still waits for one request; safe to use from any thread."""

    def __init__(self) -> None:
        self.over = False
        self._lock = threading.Lock()
        self._told: list[Callable[[], object]] = []

    def end(self) -> None:
        with self._lock:
            told, self._told, self.over = self._told, [], True
        for tell in told:
            tell()

    def tell(self, callback: Callable[[], object]) -> None:
        with self._lock:
            if not self.over:
                self._told.append(callback)
                return
        callback()

    def forget(self, callback: Callable[[], object]) -> None:
        with self._lock:
            if callback in self._told:
                self._told.remove(callback)


class Deadline:
    """Counts down ``seconds`` on the monotonic clock; ``cancel`` ends it early for everybody."""

    def __init__(self, seconds: float, wait: _Wait | None = None) -> None:
        self._ends = time.monotonic() + seconds
        self._wait = wait or _Wait()

    def remaining(self, needed: float = 0.0) -> float:
        """Seconds left; raises ``DeadlineExceeded`` when they are not more than are ``needed``,
        and ``CallerGone``."""
        if self._wait.over:
            raise CallerGone
        left = self._ends - time.monotonic()
        if left <= needed:
            raise DeadlineExceeded
        return left

    @property
    def passed(self) -> bool:
        """Whether ``remaining`` would raise."""
        return self._wait.over or time.monotonic() >= self._ends

    def part(self, share: float) -> "Deadline":
        """A deadline after ``share`` of the time left, which is cancelled with this one."""
        return Deadline(self.remaining() * share, self._wait)

    def cancel(self) -> None:
        """Nobody waits any more: from now on each step of the request raises ``CallerGone``."""
        self._wait.end()

    @contextmanager
    def on_cancel(self, callback: Callable[[], object]) -> Iterator[None]:
        """Within the block ``cancel`` calls ``callback``, at once if it came before."""
        self._wait.tell(callback)
        try:
            yield
        finally:
            self._wait.forget(callback)
