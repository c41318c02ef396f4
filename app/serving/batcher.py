"""Micro-batching: calls that arrive together share one run of a model, not their fate.

The queue is bounded and says Overloaded; a caller waits no longer than its deadline; whoever
hung up is dropped before it is computed; and when a run of several fails, each is run once more
alone, so that one bad request fails alone.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from app.deadline import Deadline
from app.errors import DeadlineExceeded, DependencyFailed, NotReady, Overloaded
from app.tracing import batch_spans

NEWEST, LONGEST_GAP_S = 0.2, 1.0
"""What the newest gap between two calls counts in their average, and the longest that does."""
Item = TypeVar("Item")
Result = TypeVar("Result")
ItemIn = TypeVar("ItemIn", contravariant=True)
ResultOut = TypeVar("ResultOut", covariant=True)


class Runs(Protocol[ItemIn, ResultOut]):
    """How callers reach a model: one item in, its own result out."""

    @property
    def alive(self) -> bool:
        """False when nothing would ever be run again."""

    def submit(self, item: ItemIn, deadline: Deadline) -> ResultOut:
        """The item's result; raises ``Overloaded``, ``DeadlineExceeded``, ``CallerGone``, or what
        the model raised for this item."""

    def close(self) -> None:
        """Finish what is queued, then stop."""


@dataclass(frozen=True)
class _Job(Generic[Item, Result]):
    item: Item
    deadline: Deadline
    future: "Future[Result]"
    size: int
    caller: Context

    @property
    def wanted(self) -> bool:
        return not (self.future.cancelled() or self.deadline.passed)


class Batcher(Generic[Item, Result]):
    """Runs ``run(items)`` on one worker thread; ``run`` returns one result per item, in order.

    A run has at most ``max_items`` items, and at most ``max_size`` by ``size``, such as tokens;
    an item that is larger than that runs alone. A run waits ``max_wait_s`` for company only while
    calls come so fast that some may be expected; meanwhile the others wait for the run itself.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        max_items: int = 16,
        max_wait_s: float = 0.002,
        capacity: int = 64,
        size: Callable[[Item], int] = lambda _item: 1,
        max_size: float = float("inf"),
        name: str = "batcher",
    ) -> None:
        self._run, self._max_items, self._max_wait = run, max_items, max_wait_s
        self._size, self._max_size, self._capacity = size, max_size, capacity
        self._jobs: deque[_Job[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._gap, self._came = 0.0, float("inf")
        self._worker = threading.Thread(target=self._work, name=name, daemon=True)
        self._worker.start()

    @property
    def alive(self) -> bool:
        """Whether the worker thread runs."""
        return self._worker.is_alive()

    def submit(self, item: Item, deadline: Deadline) -> Result:
        """As ``Runs.submit``."""
        deadline.remaining()
        job = _Job[Item, Result](item, deadline, Future(), self._size(item), copy_context())
        self._enqueue(job)
        with deadline.on_cancel(job.future.cancel):
            try:
                return job.future.result(timeout=deadline.remaining())
            except (FutureTimeout, CancelledError):
                job.future.cancel()
                deadline.remaining()  # says which of the two it is
                raise DeadlineExceeded from None

    def depth(self) -> int:
        """How many calls wait."""
        with self._changed:
            return sum(job.wanted for job in self._jobs)

    def close(self) -> None:
        """Finish what is queued, then stop the worker."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._worker.join(timeout=10)

    def _enqueue(self, job: _Job[Item, Result]) -> None:
        with self._changed:
            if self._closed or not self._worker.is_alive():
                raise NotReady("The service is shutting down, or a worker of it has stopped.")
            if len(self._jobs) >= self._capacity:
                # Whoever hung up or is late must not keep a place from others.
                self._jobs = deque(job for job in self._jobs if job.wanted)
            if len(self._jobs) >= self._capacity:
                raise Overloaded
            self._jobs.append(job)
            self._note_arrival(time.monotonic())
            self._changed.notify_all()

    def _note_arrival(self, now: float) -> None:
        """Keep the time between calls, on average of the newest."""
        since = min(max(now - self._came, 0.0), LONGEST_GAP_S)
        self._gap, self._came = self._gap + NEWEST * (since - self._gap), now

    def _work(self) -> None:
        while jobs := self._gather():
            self._run_jobs(jobs)

    def _gather(self) -> list[_Job[Item, Result]]:
        """The next jobs, oldest first; none when the batcher is closed and has nothing to do."""
        with self._changed:
            jobs: list[_Job[Item, Result]] = []
            while not self._take_into(jobs) and not self._closed:
                self._changed.wait()
            wait = self._max_wait if self._gap <= self._max_wait else 0.0
            ends = time.monotonic() + wait
            while not self._closed and self._room(jobs) and (left := ends - time.monotonic()) > 0:
                self._changed.wait(left)
                self._take_into(jobs)
            return jobs

    def _take_into(self, jobs: list[_Job[Item, Result]]) -> bool:
        """Move waiting jobs that fit into ``jobs``; whether there are any in it now."""
        while self._jobs and (not jobs or self._fits(jobs, self._jobs[0])):
            job = self._jobs.popleft()
            if job.wanted:
                jobs.append(job)
        return bool(jobs)

    def _room(self, jobs: list[_Job[Item, Result]]) -> bool:
        return bool(jobs) and not self._jobs and len(jobs) < self._max_items

    def _fits(self, jobs: list[_Job[Item, Result]], job: _Job[Item, Result]) -> bool:
        size = sum(taken.size for taken in jobs) + job.size
        return not job.wanted or (len(jobs) < self._max_items and size <= self._max_size)

    def _run_jobs(self, jobs: Sequence[_Job[Item, Result]]) -> None:
        """Run jobs together, or each alone where that fails."""
        wanted = [job for job in jobs if job.wanted]
        if not wanted:
            return
        try:
            with batch_spans(self._worker.name, [job.caller for job in wanted]):
                results = list(self._run([job.item for job in wanted]))
            pairs = list(zip(wanted, results, strict=True))
        except BaseException as error:  # noqa: BLE001 - the worker loop: callers must never hang
            self._failed(wanted, error)
            return
        for job, result in pairs:
            _settle(job, result)

    def _failed(self, jobs: Sequence[_Job[Item, Result]], error: BaseException) -> None:
        if len(jobs) == 1:
            _fail(jobs[0], error)
            return
        for job in jobs:
            self._run_jobs([job])


def _settle(job: _Job[Item, Result], result: Result) -> None:
    # False when the caller has given up meanwhile.
    if job.future.set_running_or_notify_cancel():
        job.future.set_result(result)


def _fail(job: _Job[Item, Result], error: BaseException) -> None:
    if job.future.set_running_or_notify_cancel():
        job.future.set_exception(coded(error))


def coded(error: BaseException) -> Exception:
    """What the caller gets: what would end a thread is an error of the request only."""
    if isinstance(error, Exception):
        return error
    failed = DependencyFailed("A model stopped in the middle of its work.")
    failed.__cause__ = error
    return failed


class Concurrent(Generic[Item, Result]):
    """Runs each item by itself on its caller's thread, at most ``most`` at once.

    For a model server: it makes its own batches, and to wait for others here would only cost time.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Result]], most: int) -> None:
        self._run, self._places = run, threading.BoundedSemaphore(most)
        self._closed = False

    @property
    def alive(self) -> bool:
        """Always: it has no thread of its own."""
        return True

    def submit(self, item: Item, deadline: Deadline) -> Result:
        """As ``Runs.submit``; the model watches the deadline itself."""
        if self._closed:
            raise NotReady("The service is shutting down.")
        if not self._places.acquire(timeout=deadline.remaining()):
            raise DeadlineExceeded
        try:
            deadline.remaining()
            (result,) = self._run([item])
        except BaseException as error:
            if isinstance(error, Exception):
                raise
            raise coded(error) from error  # SystemExit would end the caller's thread
        finally:
            self._places.release()
        return result

    def close(self) -> None:
        """Refuse what comes; what runs ends by itself."""
        self._closed = True
