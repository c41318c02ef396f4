"""Event streams that wait for a reviewer: one look at the database for all of them.

A stream costs an event in memory and no thread. While there are streams, one task of the process
looks for new links of the audit chain, in one query for all, and wakes the streams whose answer
one of them names; now and then it asks, also for all at once, whose credentials still hold.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

import structlog

Result = TypeVar("Result")
LOOK_EVERY_S = 0.4
RECHECK_EVERY_S = 5.0
log = structlog.get_logger()


class News(Protocol):
    """What the watch reads; each call is one short read of the database."""

    def newest(self) -> int:
        """The number of the newest change."""

    def since(self, number: int) -> tuple[int, Collection[str]]:
        """The newest number, and the ids of answers that changed after ``number``."""

    def ended(self, credentials: Collection[str]) -> Collection[str]:
        """Those credentials that hold no more."""


class Stream:
    """One open stream; whoever waits in it looks at answer and credential again when it wakes."""

    def __init__(self, credential: str) -> None:
        self.credential = credential
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Wait until the answer may have changed, or the credential may have ended."""
        await self._changed.wait()
        self._changed.clear()

    def wake(self) -> None:
        """Let ``change`` return."""
        self._changed.set()


class Watch:
    """All open streams of one process. Use it from one event loop at a time.

    ``run`` runs short work on the watch's own threads: neither answers nor routes wait for it.
    """

    def __init__(
        self,
        news: News,
        every_s: float = LOOK_EVERY_S,
        recheck_s: float = RECHECK_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._news, self._every_s, self._recheck_s, self._clock = news, every_s, recheck_s, clock
        self._streams: dict[str, set[Stream]] = defaultdict(set)
        self._threads = ThreadPoolExecutor(2, "watch")
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.seen: int | None = None
        """The newest change that streams were told of; None while nobody looks."""

    def __len__(self) -> int:
        return sum(map(len, self._streams.values()))

    @contextmanager
    def follow(self, answer_id: str, credential: str, seen: int | None) -> Iterator[Stream]:
        """A stream that is woken by each change of the answer after ``seen``.

        ``seen`` is that of the watch from before the answer was read, so that none is missed.
        """
        stream = Stream(credential)
        if seen is None or seen != self.seen:
            stream.wake()
        self._streams[answer_id].add(stream)
        self._start()
        try:
            yield stream
        finally:
            self._streams[answer_id].discard(stream)
            if not self._streams[answer_id]:
                del self._streams[answer_id]

    async def run(self, work: Callable[[], Result]) -> Result:
        """Short work, such as reading one answer, on a thread of the watch."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Stop looking."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._look_on())

    async def _look_on(self) -> None:
        self.seen = None
        recheck_at = self._clock() + self._recheck_s
        while self._streams and not self._closed:
            try:
                await self._look()
                if self._clock() >= recheck_at:
                    await self._recheck()
                    recheck_at = self._clock() + self._recheck_s
            except Exception as error:  # noqa: BLE001 - the worker loop: streams must not hang
                log.warning("streams_not_looked_at", error=type(error).__name__)
            await asyncio.sleep(self._every_s)
        self.seen = None

    async def _look(self) -> None:
        seen = self.seen
        if seen is None:
            # Links from before the first look may be of answers that are watched by now.
            self.seen = await self.run(self._news.newest)
            self._wake(self._streams)
        else:
            newest, changed = await self.run(lambda: self._news.since(seen))
            self._wake(changed)
            self.seen = newest

    async def _recheck(self) -> None:
        streams = [stream for some in self._streams.values() for stream in some]
        credentials = {stream.credential for stream in streams}
        ended = await self.run(lambda: self._news.ended(credentials))
        for stream in streams:
            if stream.credential in ended:
                stream.wake()

    def _wake(self, answer_ids: Collection[str]) -> None:
        for answer_id in list(answer_ids):
            for stream in self._streams.get(answer_id, ()):
                stream.wake()
