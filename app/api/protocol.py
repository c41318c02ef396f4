"""HTTP on the wire: a connection whose request does not come in time is closed."""

import asyncio
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEADER_BYTES = 32_768


class Corked:
    """A transport that sends together what is written in one turn of the event loop.

    Head and body of a response are written one after the other, and each call of the system lets
    another thread take the interpreter, which the loop then waits for.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """As the transport's, at the end of this turn."""
        if not data:
            return
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)

    def close(self) -> None:
        """As the transport's, when what was written is sent."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        held, self._held = b"".join(self._held), []
        if held:
            self._transport.write(held)


def timed_protocol(header_timeout_s: float) -> type[asyncio.Protocol]:
    """uvicorn's protocol over h11, with a limit on how long the head of a request may take."""

    class TimedProtocol(H11Protocol):
        _late: asyncio.TimerHandle | None = None
        _waits_for = ""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(cast("asyncio.Transport", Corked(transport, self.loop)))
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._wait_for("")
            super().connection_lost(exc)

        def _watch(self) -> None:
            theirs = self.conn.their_state
            if theirs is h11.IDLE:
                self._wait_for("head")
            elif theirs is h11.SEND_BODY and self.conn.our_state is h11.DONE:
                self._wait_for("rest")  # of a body whose request was answered already
            else:
                self._wait_for("")

        def _wait_for(self, what: str) -> None:
            """More bytes of the same do not give it more time."""
            if what == self._waits_for:
                return
            self._waits_for = what
            if self._late is not None:
                self._late.cancel()
            close = self.transport.close
            self._late = self.loop.call_later(header_timeout_s, close) if what else None

    return TimedProtocol
