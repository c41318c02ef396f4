"""Where documents are read and embedded: in this process, in others of this machine, or on Ray.

An executor only prepares. Whoever asks it has claimed the document and stores it, in the same
transactions wherever it was prepared.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import Protocol

from app.answering.policies import Policies
from app.backends import build_embedder, build_passage_embedder, build_screens
from app.inference.device import cpu_threads, use_threads
from app.settings import Settings
from ingestion.stages import Document, Named, Stages, Why
from ingestion.suspects import Suspects

TRIES = 3
"""A process that ends takes with it what the others of its pool are at."""


class Executor(Protocol):
    """Prepares documents; any thread may ask."""

    @property
    def places(self) -> int:
        """How many runs of documents keep it busy."""

    def prepare_all(self, files: Sequence[Named]) -> Iterator[list[Document | Why]]:
        """As ``Stages.prepare_all``."""

    def close(self) -> None:
        """End what it started."""


class Inline:
    """In the thread that asks, with the models of this process; made when they are first needed."""

    places = 1

    def __init__(self, make: Callable[[], Stages]) -> None:
        self._make = make
        self._stages: Stages | None = None

    def prepare_all(self, files: Sequence[Named]) -> Iterator[list[Document | Why]]:
        """As ``Stages.prepare_all``."""
        if self._stages is None:
            self._stages = self._make()
        return self._stages.prepare_all(files)

    def close(self) -> None:
        """Nothing was started."""


class Processes:
    """In processes of this machine, each with models of its own."""

    def __init__(self, settings: Settings) -> None:
        count = settings.ingest_workers or cpu_threads()
        self._settings, self.places = settings, count
        self._threads = max(1, cpu_threads() // count)
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def prepare_all(self, files: Sequence[Named]) -> Iterator[list[Document | Why]]:
        """As ``Stages.prepare_all``, as one group; raises ``BrokenExecutor`` when processes end
        again and again."""
        for _ in range(TRIES - 1):
            pool = self._running()
            try:
                yield pool.submit(_prepare_all, files).result()
                return
            except BrokenExecutor:
                self._give_up(pool)
        yield self._running().submit(_prepare_all, files).result()

    def close(self) -> None:
        """Wait for the processes to end."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _running(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self.places, get_context("spawn"), _begin, (self._settings, self._threads)
                )
            return self._pool

    def _give_up(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is broken:
                self._pool = None
        broken.shutdown(wait=False)


class Places:
    """Runs calls side by side, at most so many; with one place, in the calling thread.

    Leaving the block waits for all, and raises what the first of them raised.
    """

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, "ingest") if count > 1 else None
        self._free = threading.Semaphore(count)
        self._failed: list[BaseException] = []

    def __enter__(self) -> "Places":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        if self._threads is not None:
            self._threads.shutdown()
        if kind is None and self._failed:
            raise self._failed[0]

    def wait(self) -> None:
        """Until a place is free; raises what a call has raised."""
        with self._free:
            if self._failed:
                raise self._failed[0]

    def run(self, call: Callable[[], object]) -> None:
        """Call it at the next place that is free."""
        if self._threads is None:
            call()
            return
        self._free.acquire()
        self._threads.submit(call).add_done_callback(self._ended)

    def _ended(self, done: "Future[object]") -> None:
        if (error := done.exception()) is not None:
            self._failed.append(error)
        self._free.release()


def stages_of(settings: Settings) -> Stages:
    """The stages in a process that has nothing but the settings."""
    from app.inference.embedder import shared_tokenizer

    embedder = build_embedder(settings)
    policy = Policies(settings.policy_file).current().policy
    suspects = Suspects(build_screens(settings, embedder), policy)
    tokens, languages = settings.passage_tokens, settings.ocr_languages
    passages = build_passage_embedder(settings, embedder)
    return Stages(passages, shared_tokenizer(), suspects, tokens, languages)


_stages: Stages | None = None


def _begin(settings: Settings, threads: int) -> None:
    """In a new process."""
    global _stages
    use_threads(threads)
    _stages = stages_of(settings)


def _prepare_all(files: Sequence[Named]) -> list[Document | Why]:
    stages = _stages
    assert stages is not None
    return [one for group in stages.prepare_all(files) for one in group]
