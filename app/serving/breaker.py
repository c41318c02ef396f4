"""A circuit breaker: what fails again and again is left alone for a while, so that nobody waits."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from app.deadline import Deadline
from app.errors import CallerGone, DeadlineExceeded, DependencyFailed
from app.serving.batcher import Runs

Item = TypeVar("Item")
Result = TypeVar("Result")
FAILURES, REST_S = 5, 30.0
"""Failures in a row after which it rests, and for how long."""
log = structlog.get_logger()


class Breaker(Generic[Item, Result]):
    """The way to a model server that may be down.

    After ``failures`` in a row each call fails at once for ``rest_s`` seconds; then one call tries
    it, and whatever becomes of that one holds for the others. A late answer is a failure too; a
    call that nobody waited for to its end says nothing.
    """

    def __init__(
        self,
        inner: Runs[Item, Result],
        failures: int = FAILURES,
        rest_s: float = REST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner, self._most, self._rest_s, self._clock = inner, failures, rest_s, clock
        self._lock = threading.Lock()
        self._failures, self._rests_until, self._trying = 0, 0.0, False

    @property
    def alive(self) -> bool:
        """Whether what it leads to is."""
        return self._inner.alive

    def submit(self, item: Item, deadline: Deadline) -> Result:
        """As ``Runs.submit``; raises ``DependencyFailed`` at once while it rests."""
        tries = self._enter()
        failed: bool | None = True
        try:
            result = self._inner.submit(item, deadline)
            failed = False
        except (DependencyFailed, DeadlineExceeded):
            raise
        except CallerGone:
            failed = None
            raise
        except Exception:
            failed = False  # the caller's own matter: it asked for what cannot be
            raise
        finally:
            self._note(failed, tries)
        return result

    def close(self) -> None:
        """As ``Runs.close``."""
        self._inner.close()

    def _enter(self) -> bool:
        """Whether this call is the one that tries whether it works again."""
        with self._lock:
            if self._failures < self._most:
                return False
            left = self._rests_until - self._clock()
            if left > 0 or self._trying:
                raise DependencyFailed(
                    f"The generator failed {self._failures} times in a row; it is tried again in "
                    f"{max(left, 1):.0f} s."
                )
            self._trying = True
            return True

    def _note(self, failed: bool | None, tries: bool) -> None:
        """``failed`` is None where nobody knows."""
        with self._lock:
            if tries:
                self._trying = False
            if failed is None:
                return
            if not failed:
                self._failures = 0
                return
            self._failures += 1
            if self._failures >= self._most:
                if tries or self._failures == self._most:
                    log.warning("generator_rests", failures=self._failures, seconds=self._rest_s)
                self._rests_until = self._clock() + self._rest_s
