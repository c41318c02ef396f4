"""Micro-batching: calls that arrive together share one run of a model.

The queue is bounded and says Overloaded; a caller waits no longer than its deadline; whoever
hung up is dropped; and when a run fails, its callers get the error instead of waiting for ever.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.deadline import Deadline
from app.errors import DeadlineExceeded, NotReady, Overloaded

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class _Job(Generic[Item, Result]):
    item: Item
    future: "Future[Result]"


class Batcher(Generic[Item, Result]):
    """Runs ``run(items)`` on one worker thread; ``run`` returns one result per item, in order."""

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        max_items: int = 16,
        max_wait_s: float = 0.002,
        capacity: int = 64,
    ) -> None:
        self._run, self._max_items, self._max_wait = run, max_items, max_wait_s
        self._jobs: queue.Queue[_Job[Item, Result] | None] = queue.Queue(capacity)
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._worker.start()

    def submit(self, item: Item, deadline: Deadline) -> Result:
        """The item's result; raises ``Overloaded``, ``DeadlineExceeded`` or what the run raised."""
        if self._closed:
            raise NotReady("The service is shutting down.")
        job = _Job[Item, Result](item, Future())
        try:
            self._jobs.put_nowait(job)
        except queue.Full as error:
            raise Overloaded from error
        try:
            return job.future.result(timeout=deadline.remaining())
        except FutureTimeout as error:
            job.future.cancel()
            raise DeadlineExceeded from error

    def depth(self) -> int:
        """How many calls wait."""
        return self._jobs.qsize()

    def close(self) -> None:
        """Finish what is queued, then stop the worker."""
        self._closed = True
        self._jobs.put(None)
        self._worker.join(timeout=10)

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            self._run_jobs([first, *self._gather()])

    def _gather(self) -> list[_Job[Item, Result]]:
        jobs: list[_Job[Item, Result]] = []
        ends = time.monotonic() + self._max_wait
        while len(jobs) < self._max_items - 1:
            try:
                job = self._jobs.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs

    def _run_jobs(self, jobs: list[_Job[Item, Result]]) -> None:
        wanted = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        if not wanted:
            return
        try:
            results = self._run([job.item for job in wanted])
            for job, result in zip(wanted, results, strict=True):
                job.future.set_result(result)
        except Exception as error:  # noqa: BLE001 - the worker loop: callers must never hang
            for job in wanted:
                if not job.future.done():
                    job.future.set_exception(error)
