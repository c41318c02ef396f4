"""Who gets in: a permit and the deadline are taken when a request arrives, before any thread.

At most ``running`` answers are worked on, each on a thread of its own that nothing else uses, and
at most ``waiting`` wait for one; whoever comes after that is told at once, and so is whoever would
wait longer than an answer may take. A request that ends while it waits (its caller hung up, or its
time is over) is never begun.
"""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from statistics import median
from typing import TypeVar

from prometheus_client import Gauge

from app.deadline import Deadline
from app.errors import DeadlineExceeded, NotReady, Overloaded
from app.tracing import in_context

Result = TypeVar("Result")
HEADROOM = 0.8
"""Share of the deadline that a wait may be expected to take; an answer is seldom just as long."""
REMEMBERED, FEWEST = 32, 4
"""Answers whose pace is remembered, and how many say something."""


def start_threads(pool: ThreadPoolExecutor, count: int) -> None:
    """Start the pool's ``count`` threads now: in a burst each start would hold the event loop."""
    all_run = threading.Barrier(count)
    for _ in range(count):
        pool.submit(all_run.wait)


class Permit:
    """One request's place, and its deadline, which counts from its arrival."""

    def __init__(self, places: "AnswerPlaces", deadline: Deadline) -> None:
        self.deadline, self._places = deadline, places
        self._begun = self._ended = False

    def close(self) -> None:
        """The request is over; work that was begun keeps its place until it ends itself."""
        if not self._begun:
            self.end()

    def end(self) -> None:
        """Give the place back; a second time does nothing."""
        if not self._ended:
            self._ended = True
            self._places.leave()

    async def run(self, work: Callable[[Deadline], Result]) -> Result:
        """``work(deadline)`` on a thread of the places; the permit ends with it.

        Raises what ``work`` does, and ``DeadlineExceeded`` when it is late. When the waiting task
        is cancelled, the deadline is: the work ends at its next step, or is never begun.
        """
        self._begun = True
        return await self._places.run(self, work)


class Pace:
    """How soon one answer follows another while ``running`` are worked on: who waits, waits for
    that. What happens while fewer are worked on says nothing of it."""

    def __init__(self, running: int) -> None:
        self._running = running
        self._spent: deque[float] = deque(maxlen=REMEMBERED)
        self._since: float | None = None

    def note(self, taken: int, now: float, *, answered: bool = False) -> None:
        """``taken`` places are taken since ``now``, or one of them was ``answered`` then."""
        if answered and self._since is not None:
            self._spent.append(now - self._since)
            self._since = now
        if taken < self._running:
            self._since = None
        elif self._since is None:
            self._since = now

    def expected(self, taken: int) -> float:
        """Seconds until who comes now is answered: all before them, and their own; 0: unknown."""
        if taken < self._running or len(self._spent) < FEWEST:
            return 0.0
        return (taken + 1) * median(self._spent)


class AnswerPlaces:
    """The places for answers of one process.

    ``deadline_s`` is how long an answer may take, in seconds; ``gauge`` shows how many run.
    """

    def __init__(self, running: int, waiting: int, deadline_s: float, gauge: Gauge) -> None:
        self._running, self._threads = running, ThreadPoolExecutor(running, "answer")
        self._most, self._deadline_s, self._gauge = running + waiting, deadline_s, gauge
        self._lock, self._pace = threading.Lock(), Pace(running)
        self._taken = 0
        self._closed = False

    @property
    def taken(self) -> int:
        """How many run or wait."""
        return self._taken

    def warm_up(self) -> None:
        """Start the threads."""
        start_threads(self._threads, self._running)

    def enter(self) -> Permit:
        """A permit; raises ``Overloaded`` at once when all are taken, or when an answer would be
        late."""
        with self._lock:
            self._refuse()
            self._taken += 1
            self._pace.note(self._taken, time.monotonic())
        return Permit(self, Deadline(self._deadline_s))

    def look(self) -> None:
        """Raises as ``enter`` would now; takes no place."""
        with self._lock:
            self._refuse()

    def _refuse(self) -> None:
        if self._closed:
            raise _closing()
        expected = self._pace.expected(self._taken)
        if self._taken >= self._most or expected > HEADROOM * self._deadline_s:
            raise _overloaded(expected)

    def leave(self) -> None:
        """One permit fewer."""
        with self._lock:
            self._taken -= 1
            self._pace.note(self._taken, time.monotonic())

    async def run(self, permit: Permit, work: Callable[[Deadline], Result]) -> Result:
        """As ``Permit.run``."""
        deadline = permit.deadline
        try:
            job = self._threads.submit(in_context(self._work), work, deadline)
        except RuntimeError:  # they were closed since the permit was given
            permit.end()
            raise _closing() from None
        # A job that never began ends here too; one that began keeps its place until it is over.
        job.add_done_callback(lambda _job: permit.end())
        try:
            return await self._result(job, deadline)
        except (asyncio.CancelledError, TimeoutError) as error:
            deadline.cancel()
            job.cancel()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise DeadlineExceeded from None

    def close(self) -> None:
        """Let nobody in any more; what runs ends by itself."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _result(self, job: "Future[Result]", deadline: Deadline) -> Result:
        waiting = asyncio.wrap_future(job)
        # Whoever waits for it may be gone, and nobody else would look at its error.
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
        done, _ = await asyncio.wait([waiting], timeout=deadline.remaining())
        if job.cancelled():  # by ``close``: it was never begun
            raise _closing()
        if not done or deadline.passed:
            raise TimeoutError
        return waiting.result()

    def _work(self, work: Callable[[Deadline], Result], deadline: Deadline) -> Result:
        deadline.remaining()
        with self._gauge.track_inprogress():
            result = work(deadline)
        with self._lock:
            self._pace.note(self._taken, time.monotonic(), answered=True)
        return result


def _closing() -> NotReady:
    return NotReady("The service is shutting down.")


def _overloaded(expected: float) -> Overloaded:
    """With the seconds after which those who are before may be answered."""
    error = Overloaded()
    error.retry_after_s = max(error.retry_after_s or 0, math.ceil(expected))
    return error
