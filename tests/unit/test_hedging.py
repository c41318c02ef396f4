"""A slow call to a model server is sent a second time, seldom, and the first reply counts."""

import asyncio
from itertools import count

import pytest

from app.inference.hedging import LEAST, Hedge


class Server:
    """Replies after the given seconds, call by call, or once it was called again; an error where
    there are none."""

    def __init__(self, *seconds: float | str | None) -> None:
        self._seconds = iter(seconds)
        self.calls = self.given_up = 0
        self._again = asyncio.Event()

    async def send(self) -> int:
        self.calls += 1
        number, seconds = self.calls, next(self._seconds)
        if number > 1:
            self._again.set()
        if seconds is None:
            raise ConnectionError(f"call {number}")
        try:
            if isinstance(seconds, str):
                await self._again.wait()
            else:
                await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return number


def warmed(share: float) -> Hedge:
    """A hedge that has seen quick replies."""
    ticks = count()
    hedge = Hedge(share, clock=lambda: next(ticks) / 1000)
    quick = Server(*[0.0] * LEAST)
    for _ in range(LEAST):
        asyncio.run(hedge.run(quick.send))
    assert (hedge.calls, hedge.sent_again, quick.calls) == (LEAST, 0, LEAST)
    return hedge


def test_a_slow_call_is_sent_again_and_the_first_reply_counts() -> None:
    server = Server(30.0, 0.0)
    assert asyncio.run(warmed(0.1).run(server.send)) == 2
    assert (server.calls, server.given_up) == (2, 1)


def test_the_first_call_still_counts_when_it_replies_first() -> None:
    server = Server("called again", 30.0)
    assert asyncio.run(warmed(0.1).run(server.send)) == 1
    assert server.given_up == 1


def test_a_call_that_fails_leaves_the_other_one() -> None:
    assert asyncio.run(warmed(0.1).run(Server("called again", None).send)) == 1
    with pytest.raises(ConnectionError, match="call 1"):
        asyncio.run(warmed(0.1).run(Server(None).send))


def test_a_server_that_is_slow_as_a_whole_is_not_asked_for_more() -> None:
    hedge = warmed(0.1)
    server = Server(*[0.02] * 60)
    for _ in range(20):
        asyncio.run(hedge.run(server.send))
    assert 1 <= hedge.sent_again <= 0.1 * hedge.calls
    assert server.calls == 20 + hedge.sent_again


def test_nothing_is_sent_again_before_the_usual_time_is_known() -> None:
    hedge, server = Hedge(0.2), Server(0.0, 0.1)
    assert [asyncio.run(hedge.run(server.send)) for _ in range(2)] == [1, 2]
    assert hedge.sent_again == 0
