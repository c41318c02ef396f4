"""Asking a slow server a second time, so that one slow replica does not make an answer late.

After Dean and Barroso, "The Tail at Scale" (2013): a call that takes longer than nearly all did
lately is sent again; the first reply counts, and the other call is given up.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import numpy as np

Result = TypeVar("Result")
REMEMBERED, LEAST = 200, 20
"""Waiting times that are looked at, and from how many on a call is sent again."""


class Hedge:
    """Which calls are sent twice: those slower than all but ``share`` of the last, and at most
    that share of all calls, so that a server that is slow as a whole is not asked for more.

    One may be used by several threads with event loops of their own.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._share, self._clock = share, clock
        self._lock = threading.Lock()
        self._waited: deque[float] = deque(maxlen=REMEMBERED)
        self.calls = self.sent_again = 0

    async def run(self, send: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """What ``send`` returns, or the error of its first call where none returned."""
        began = self._clock()
        patience = self._begin()
        calls = [asyncio.create_task(send())]
        try:
            done, _ = await asyncio.wait(calls, timeout=patience)
            if not done and self._may_send_again():
                calls.append(asyncio.create_task(send()))
            result = await _first(calls)
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        with self._lock:
            self._waited.append(self._clock() - began)
        return result

    def _begin(self) -> float | None:
        """Count a call; how long it may take before it is sent again, None: as long as it does."""
        with self._lock:
            self.calls += 1
            if len(self._waited) < LEAST:
                return None
            return float(np.quantile(self._waited, 1 - self._share))

    def _may_send_again(self) -> bool:
        with self._lock:
            if self.sent_again + 1 > self._share * self.calls:
                return False
            self.sent_again += 1
            return True


async def _first(calls: list[asyncio.Task[Result]]) -> Result:
    """What the first call that succeeds returns; where none does, the error of the first."""
    waiting = set(calls)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for call in done:
            if call.exception() is None:
                return call.result()
    return calls[0].result()
