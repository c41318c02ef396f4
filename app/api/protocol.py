"""HTTP on the wire: a connection whose request does not come in time is closed."""

import asyncio
import math
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 32_768
"""Of one request, besides its body: its address and headers, and what stands between the parts of a
body and after it."""


class Corked:
    """A transport that sends together what is written in one turn of the event loop.

    Head and body of a response are written one after the other, and each call of the system lets
    another thread take the interpreter, which the loop then waits for. For the same reason what is
    complete is sent before the turn ends: the next one begins by asking the system what is new.
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
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def close(self) -> None:
        """As the transport's, when what was written is sent."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Send what was written; nothing more comes in this turn."""
        held, self._held = b"".join(self._held), []
        if held:
            self._transport.write(held)


class OneVersion:
    """llhttp's parser for a server that stays with its protocol, whatever a client proposes.

    The parser stops below the head of a request that asks for another one, and takes its body for
    bytes of that: clients that would rather speak HTTP/2 (those of Java, ``curl --http2``) would
    be answered as if they had sent none. So the head is read a second time, without the wish.
    """

    def __init__(self, protocol: "TimedProtocol") -> None:
        self._protocol = protocol
        self._begin()

    def feed_data(self, data: bytes) -> None:
        """As the parser's; raises ``HttpParserError``, and never ``HttpParserUpgrade``."""
        while data:
            try:
                self._parser.feed_data(data)
                return
            except HttpParserUpgrade as asked:
                head = self._protocol.head_without_upgrade()
                data = data[asked.args[0] :]
                self._begin()
                self._parser.feed_data(head)

    def _begin(self) -> None:
        self._parser = parser = HttpRequestParser(self._protocol)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.get_method, self.get_http_version = parser.get_method, parser.get_http_version
        self.should_upgrade, self.should_keep_alive = (
            parser.should_upgrade,
            parser.should_keep_alive,
        )


IDLE_S, CROWDED_IDLE_S = 75, 5
"""Seconds that a connection may wait for another request: longer than clients and proxies keep
theirs (5 to 60), so that these close first, for a request that meets a closing connection is lost;
less where more than half of all connections are taken."""


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol over llhttp, with limits on what a head may hold and how long it may take.

    The parser itself takes heads and trailers of any size, any number of hosts, and codings that
    nobody here decodes.
    """

    header_timeout_s: float
    _corked: Corked
    _late: asyncio.TimerHandle | None = None
    _waits_for = ""
    _in_body = False
    _head_bytes = _bytes_since = 0

    def connection_made(self, transport: Any) -> None:
        """As uvicorn's, with a time for the first head."""
        self.parser = cast("HttpRequestParser", OneVersion(self))
        self._corked = Corked(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", self._corked))
        self._watch()

    def data_received(self, data: bytes) -> None:
        """As uvicorn's; refuses what has no end and is no body."""
        self._bytes_since += len(data)
        super().data_received(data)
        if self._bytes_since > MAX_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("Too much besides a body.")
        self._watch()

    def on_message_begin(self) -> None:
        """As uvicorn's."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """As uvicorn's; raises ``HttpParserError`` when they are too large."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEADER_BYTES:
            raise HttpParserError("The headers are too large.")
        if not self._in_body:  # a trailer is no header of this request, and none of the next
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """As uvicorn's; raises ``HttpParserError`` for what ``_check_head`` refuses."""
        self._check_head()
        if self.parser.should_upgrade():  # it is read again
            if self.parser.get_method() == b"CONNECT":
                raise HttpParserError("This is no proxy.")
            return
        self._in_body, self._bytes_since = True, 0
        super().on_headers_complete()

    def _check_head(self) -> None:
        """Raises ``HttpParserError`` for what the parser lets through."""
        if self._head_bytes + len(self.url) > MAX_HEADER_BYTES:
            raise HttpParserError("The head is too large.")
        version, values = self.parser.get_http_version(), dict(self.headers)
        hosts = sum(name == b"host" for name, _ in self.headers)
        if version not in ("1.0", "1.1") or hosts > 1 or (not hosts and version == "1.1"):
            raise HttpParserError("A request of HTTP/1.1 names one host.")
        if values.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            raise HttpParserError("A body comes as it is, or in chunks.")

    def head_without_upgrade(self) -> bytes:
        """The head of the request that was read last, but for its wish for another protocol."""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def on_body(self, body: bytes) -> None:
        """As uvicorn's."""
        self._bytes_since = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """As uvicorn's."""
        if self.parser.should_upgrade():
            return
        self._in_body, self._bytes_since = False, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's; what was written is sent, and the connection may wait for a request."""
        self._corked.flush()
        crowded = 2 * len(self.connections) > (self.limit_concurrency or math.inf)
        self.timeout_keep_alive = CROWDED_IDLE_S if crowded else IDLE_S
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's."""
        self._wait_for("")
        super().connection_lost(exc)

    def _watch(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        idle = self.cycle is not None and not self._bytes_since
        if self._in_body and not answering:  # of a request that was answered already
            self._wait_for("rest")
        else:
            self._wait_for("" if answering or idle else "head")

    def _wait_for(self, what: str) -> None:
        """More bytes of the same do not give it more time."""
        if what == self._waits_for:
            return
        self._waits_for = what
        if self._late is not None:
            self._late.cancel()
        close = self.transport.close
        self._late = self.loop.call_later(self.header_timeout_s, close) if what else None


def timed_protocol(header_timeout_s: float) -> type[TimedProtocol]:
    """The protocol with so many seconds for the head of a request."""
    return type("Timed", (TimedProtocol,), {"header_timeout_s": header_timeout_s})
