"""The doors: who has not signed in costs next to nothing, and slow clients do not stay."""

import asyncio
import contextlib
import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from limits import RateLimitItemPerMinute

from app.access import quotas
from app.api.edge import MAX_SIGN_IN_BYTES, METHODS, Limits
from app.api.protocol import MAX_HEADER_BYTES, timed_protocol
from app.errors import CountersignError
from app.main import create_app
from app.settings import Settings
from app.wiring import build_services
from tests.servers import free_port, listening
from tests.site import Site, raw, site_over

TIMEOUT_S, LONG_S = 2, 60
"""Of headers and bodies: where slow clients are closed, and where what is refused at once is."""
FORM = {"Content-Type": "multipart/form-data; boundary=x", "Transfer-Encoding": "chunked"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Site]:
    """A service without a document: no model is asked here."""
    folder = tmp_path_factory.mktemp("doors")
    shutil.copy(migrated_sqlite, folder / "countersign.db")
    settings = Settings(
        database_url=f"sqlite:///{folder / 'countersign.db'}",
        data_dir=folder / "data",
        model_threads=1,
    )
    yield from site_over(build_services(settings))


def upload_without_end(read: list[int]) -> Iterator[bytes]:
    yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'
    while True:
        read.append(1)
        yield b"a" * 65_536


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer cs_wrong"}, 401),
        ({"Cookie": "countersign_session=wrong"}, 401),
        ({"Authorization": "Bearer ann"}, 403),
    ],
)
def test_no_byte_of_a_body_is_read_of_who_may_not(
    site: Site, headers: dict[str, str], status: int
) -> None:
    if headers.get("Authorization") == "Bearer ann":  # signed in, and no operator
        headers = {"Authorization": f"Bearer {site.keys['ann']}"}
    read: list[int] = []
    body = upload_without_end(read)
    found, answered = raw(site.app, "POST", "/v1/documents", {**FORM, **headers}, body)
    assert found == status, answered
    assert read == []


def test_the_one_body_before_sign_in_is_small(site: Site) -> None:
    read: list[int] = []
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    status, answered = raw(site.app, "POST", "/v1/session", headers, upload_without_end(read))
    assert (status, json.loads(answered)["code"]) == (413, "too_large")
    assert len(read) * 65_536 <= MAX_SIGN_IN_BYTES + 65_536


def test_invented_methods_make_no_series(site: Site) -> None:
    for n in range(50):
        site.client.request(f"INVENTED{n}", "/v1/answers")
    text = site.client.get("/metrics").text
    methods = {part.split('"')[0] for part in text.split('method="')[1:]}
    assert methods <= METHODS | {"other"} and "other" in methods


def test_sign_ins_of_one_address_are_limited_and_others_go_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "TRIES_OF_AN_ADDRESS", RateLimitItemPerMinute(3))

    def attempt(name: str, address: str) -> int:
        body = json.dumps({"username": name, "password": "wrong"}).encode()
        headers = {"Content-Type": "application/json"}
        return raw_from(site, "POST", "/v1/session", headers, body, {"client": (address, 1)})

    assert [attempt(f"person {n}", "192.0.2.7") for n in range(4)] == [401, 401, 401, 429]
    assert attempt("person 1", "192.0.2.8") == 401


def raw_from(
    site: Site, method: str, path: str, headers: dict[str, str], body: bytes, more: dict[str, Any]
) -> int:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await site.app({**scope, **more}, receive, send)

    return raw(app, method, path, headers, iter([body]))[0]  # type: ignore[arg-type]


# Slow clients


def test_a_body_that_comes_too_slowly_is_refused() -> None:
    """A steady client is given time for a large body; one that dribbles is not."""
    told: list[Any] = []

    async def reads_everything(_scope: Any, receive: Any, _send: Any) -> None:
        while (message := await receive())["more_body"]:
            told.append(message)

    async def serve(timeout_s: float, piece: bytes, pause: float, pieces: int) -> str:
        settings, sent = Settings(body_timeout_s=timeout_s), 0

        async def receive() -> dict[str, Any]:
            nonlocal sent
            await asyncio.sleep(pause)
            sent += 1
            return {"type": "http.request", "body": piece, "more_body": sent < pieces}

        async def send(_message: Any) -> None: ...

        scope = {"type": "http", "path": "/v1/ask", "query_string": b"", "headers": []}
        try:
            await Limits(reads_everything, settings)(scope, receive, send)
        except CountersignError as error:
            return error.code
        return "read"

    assert asyncio.run(serve(0.3, b"a", 0.1, 100)) == "request_timeout"
    assert asyncio.run(serve(1.5, b"a" * 4096, 0.2, 10)) == "read"


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[tuple[str, int]]:
    """The same service behind a real socket, for clients that are refused at once."""
    with behind_a_socket(site, LONG_S) as found:
        yield found


@pytest.fixture(scope="module")
def hasty(site: Site) -> Iterator[tuple[str, int]]:
    """The same with little patience for slow clients."""
    with behind_a_socket(site, TIMEOUT_S) as found:
        yield found


@contextlib.contextmanager
def behind_a_socket(site: Site, timeout_s: float) -> Iterator[tuple[str, int]]:
    limits = {"header_timeout_s": timeout_s, "body_timeout_s": timeout_s}
    app = create_app(site.services.settings.model_copy(update=limits))
    app.state.services = site.services
    port = free_port()
    protocol = timed_protocol(timeout_s)
    config = uvicorn.Config(
        app, port=port, http=protocol, lifespan="off", log_level="error", timeout_keep_alive=LONG_S
    )
    with listening(config):
        yield "127.0.0.1", port


def closed_after(connection: socket.socket, dribble: bytes = b"") -> tuple[float, bytes]:
    """Seconds until the server hangs up while one byte is sent now and then; what it said."""
    began, said = time.monotonic(), b""
    connection.settimeout(0.2)
    while time.monotonic() - began < 2 * LONG_S:
        with contextlib.suppress(OSError):
            if dribble:
                connection.sendall(dribble)
        try:
            piece = connection.recv(4096)
        except TimeoutError:
            continue
        except OSError:
            piece = b""
        said += piece
        if not piece:
            return time.monotonic() - began, said
    raise AssertionError("the server never hung up")


@pytest.mark.parametrize("opening", [b"", b"GET /healthz HTTP/1.1\r\nX: "])
def test_half_open_heads_are_closed(hasty: tuple[str, int], opening: bytes) -> None:
    with socket.create_connection(hasty) as connection:
        connection.sendall(opening)
        seconds, _ = closed_after(connection, b"a" if opening else b"")
    assert seconds < LONG_S / 2


def test_a_second_head_on_the_same_connection_has_no_more_time(hasty: tuple[str, int]) -> None:
    with socket.create_connection(hasty) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200 OK" in connection.recv(4096)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        seconds, _ = closed_after(connection, b"a")
    assert seconds < LONG_S / 2


def test_a_connection_may_wait_longer_for_its_next_request(hasty: tuple[str, int]) -> None:
    """Than for the rest of a head: a client that reuses it must not meet a closing one."""
    with socket.create_connection(hasty) as connection:
        for _ in range(2):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200 OK" in connection.recv(4096)
            time.sleep(1.5 * TIMEOUT_S)


HOST = b"Host: a\r\n"
POST = b"POST /v1/session HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\naaaaa",
        POST + b"Content-Length: +4\r\n\r\naaaa",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        CHUNKED + b"+1\r\na\r\n0\r\n\r\n",
        CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
        CHUNKED + b"11111111111111111111\r\na\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n",
        b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(address: tuple[str, int], sent: bytes) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(sent)
        seconds, said = closed_after(connection)
    assert said.startswith(b"HTTP/1.1 400 ") and said.count(b"HTTP/1.1") == 1
    assert seconds < LONG_S / 2


@pytest.mark.parametrize(
    ("sent", "then"),
    [
        (b"GET /" + b"a" * MAX_HEADER_BYTES + b" HTTP/1.1\r\n" + HOST + b"\r\n", b""),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: aaaaaaaa\r\n" * 4000 + b"\r\n", b""),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: ", b"a" * 1024),
        (CHUNKED + b"1\r\na\r\n0\r\nX: ", b"a" * 1024),
        (CHUNKED + b"1\r\na\r\n0\r\n" + b"X: aaaaaaaa\r\n" * 4000, b""),
        (CHUNKED + b"1;a=", b"a" * 1024),
    ],
)
def test_nobody_sends_without_end_besides_a_body(
    address: tuple[str, int], sent: bytes, then: bytes
) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(sent)
        time.sleep(0.02)  # what follows comes by itself
        with contextlib.suppress(OSError):
            for _ in range(2 * MAX_HEADER_BYTES // len(then) if then else 0):
                connection.sendall(then)
        seconds, said = closed_after(connection)
    assert seconds < LONG_S / 2 and b" 200 " not in said


def test_a_trailer_is_no_header_of_its_request_nor_of_the_next(address: tuple[str, int]) -> None:
    get = b"GET /v1/collections HTTP/1.1\r\n" + HOST
    key = b"Authorization: Bearer cs_wrong\r\n"
    trailed = get + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + key + b"\r\n"
    for first, known in ((get + key + b"\r\n", b"not known"), (trailed, b"Sign in")):
        with socket.create_connection(address) as connection:
            connection.sendall(first + get + b"Connection: close\r\n\r\n")
            _, said = closed_after(connection)
        answers = said.split(b"HTTP/1.1")[1:]
        assert [known in answers[0], b"Sign in" in answers[1], len(answers)] == [True, True, 2]


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
SOCKET = b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"


@pytest.mark.parametrize("wish", [H2C, SOCKET])
@pytest.mark.parametrize("sent_by", [1, 7, 100_000])
def test_a_wish_for_another_protocol_loses_no_body_and_no_later_request(
    address: tuple[str, int], wish: bytes, sent_by: int
) -> None:
    body = b'{"username": 7, "password": "wrong"}'
    head = POST + wish + b"Content-Type: application/json\r\n"
    plain = head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    chunks = b"1\r\n{\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body) - 1, body[1:])
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    probe = b"GET /healthz HTTP/1.1\r\n" + HOST + wish + b"\r\n"
    last = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    sent = plain + probe + chunked + last
    with socket.create_connection(address) as connection:
        for at in range(0, len(sent), sent_by):
            connection.sendall(sent[at : at + sent_by])
        _, said = closed_after(connection)
    answers = said.split(b"HTTP/1.1 ")[1:]
    assert [one[:3] for one in answers] == [b"422", b"200", b"422", b"200"]
    assert all(b"username: it must be a text" in one for one in answers[::2])


def test_a_request_that_was_refused_early_leaves_its_connection_in_order(
    address: tuple[str, int],
) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"POST /v1/ask HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n")
        assert b" 401 " in connection.recv(4096)
        connection.sendall(b'GET /{"a"' + b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        assert b" 200 " in connection.recv(4096)


def test_a_slow_body_gets_a_coded_answer(hasty: tuple[str, int]) -> None:
    with socket.create_connection(hasty) as connection:
        head = "POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode())
        _, said = closed_after(connection, b" ")
    assert b"408" in said and b"request_timeout" in said
