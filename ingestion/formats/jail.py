"""Extraction in a child process that has limits, no network and a short life.

A parser bug that a hostile document exploits then costs one child, not the service. The child is
a fork of a server process (``fork_server``) that holds nothing of the service: it is a fresh
interpreter (``-I``: no user site, no environment, no current folder) that puts this project's own
root first on its path, so that it runs the very code of the service, installed or not. The child
restricts itself before it reads the first byte of the document.
"""

import atexit
import logging
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from app.errors import DocumentRefused
from ingestion.formats import fork_server
from ingestion.formats.confine import CALLS, FILES, NETWORK
from ingestion.formats.document import Extracted
from ingestion.formats.fork_server import BEGUN, STATUS, Job, packed
from ingestion.formats.limits import JailLimits
from ingestion.formats.registry import EVERY, format_of
from ingestion.formats.reply import crashed, parsed

# 20 million characters of at most four bytes, and room for the page map.
MAX_OUTPUT_BYTES = 96_000_000
START_S = 60.0
"""For a server to start and import the readers."""
END_S = 10.0
"""For a killed child to be gone."""
TRIES = 3
"""A server that ends takes the children of other documents with it."""
READ = "ingestion.formats.reply:read_document"
PROGRAM = (
    "import os, sys; os.register_at_fork = lambda **_: None; sys.path.insert(0, sys.argv[1]); "
    "from ingestion.formats import fork_server; fork_server.serve()"
)
"""What modules would have done after each fork mends locks of other threads, of which the server
has none, and would take a tenth of what a child costs."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JailRun:
    """A child that ended by itself; ``status`` is negative when a signal ended it.

    ``walls`` are those that held, of ``network``, ``files`` and ``calls``: some systems miss some.
    """

    status: int
    output: bytes
    walls: frozenset[str]


def ended(status: int, output: bytes) -> JailRun:
    """What a child came to, whose first line names the walls around it."""
    walls, _, body = output.partition(b"\n")
    names = frozenset(walls.decode("ascii", "replace").split())
    return JailRun(status, body, names & {NETWORK, FILES, CALLS})


class _ServerGone(Exception):
    """The server ended before the child did: no fault of the document."""


def extract_jailed(data_path: Path, name: str, limits: JailLimits | None = None) -> Extracted:
    """``extract`` of the file at ``data_path`` in a child process; raises ``DocumentRefused``.

    The limits are those of the format that the name says, unless ``limits`` gives others.
    Reasons of its own: ``timeout`` (``wall_s`` is over) and ``crashed`` (the child died, mostly
    because it reached its CPU or memory limit).
    """
    format = format_of(name)
    if limits is None:
        limits = format.limits if format else JailLimits()
    imports = format.imports if format else EVERY
    run = run_jailed(READ, [name], data_path, limits, imports)
    if run.status != 0:
        raise crashed(f"the reader ended with status {run.status}")
    warn_once(run.walls)
    return parsed(run.output)


def run_jailed(
    entry: str,
    arguments: Sequence[str],
    stdin: Path,
    limits: JailLimits,
    imports: Sequence[str] = (),
) -> JailRun:
    """Runs ``entry``, a ``module:function``, in a restricted child; ``stdin`` is the file it reads.

    Raises ``DocumentRefused``: ``timeout``, or ``too_large`` when it writes too much.
    """
    job = Job(entry, imports, limits)
    told = packed(arguments)
    for _ in range(TRIES):
        with suppress(_ServerGone), stdin.open("rb") as source, closing(_Run()) as run:
            return run.finish(job, told, source.fileno())
    raise crashed("the process that starts readers ends again and again")


class _Run:
    """One child: the pipe that it writes to, and the line on which its end is told."""

    def __init__(self) -> None:
        self._output, self._writes = os.pipe()
        self._line, self._theirs = socket.socketpair()
        self._server: _Server | None = None

    def finish(self, job: Job, told: bytes, source: int) -> JailRun:
        """What became of it; raises ``DocumentRefused`` or ``_ServerGone``."""
        self._server = SERVERS.current()
        self._send(job, told, source)
        if self._hear(len(BEGUN), time.monotonic() + START_S) is None:
            self._server.end()
        ends = time.monotonic() + job.limits.wall_s
        output = read_until(self._output, ends)
        status = self._hear(STATUS.size, ends)
        if status is None:
            _late()
        return ended(STATUS.unpack(status)[0], output)

    def close(self) -> None:
        """The child is gone afterwards, whatever it did; so is a server that does not answer."""
        os.close(self._output)
        if self._theirs.fileno() >= 0:
            self._closed_theirs()
        with self._line, suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)
            self._line.settimeout(END_S)
            while self._line.recv(64):
                pass
            return
        if self._server is not None:
            self._server.end()

    def _send(self, job: Job, told: bytes, source: int) -> None:
        assert self._server is not None
        arguments, writes = os.pipe()
        try:
            os.write(writes, told)
            os.close(writes)
            handles = [source, self._writes, arguments, self._theirs.fileno()]
            self._server.send(job.packed(), handles)
        finally:
            os.close(arguments)
            self._closed_theirs()

    def _closed_theirs(self) -> None:
        os.close(self._writes)
        self._theirs.close()

    def _hear(self, size: int, ends: float) -> bytes | None:
        """What the server says, None when it says nothing in time; raises ``_ServerGone``."""
        self._line.settimeout(max(0.001, ends - time.monotonic()))
        try:
            heard = self._line.recv(size)
        except TimeoutError:
            return None
        except ConnectionError:
            heard = b""
        if len(heard) < size:
            raise _ServerGone
        return heard


def read_until(handle: int, ends: float) -> bytes:
    """All that is written to a pipe; raises ``DocumentRefused`` when it is late or too much."""
    chunks: list[bytes] = []
    size = 0
    ready = select.poll()
    ready.register(handle, select.POLLIN)
    while ready.poll(max(0.0, 1000 * (ends - time.monotonic()))):
        data = os.read(handle, 1 << 20)
        if not data:
            return b"".join(chunks)
        chunks.append(data)
        size += len(data)
        if size > MAX_OUTPUT_BYTES:
            raise DocumentRefused("too_large", "The text is too long; split the document.")
    return _late()


def _late() -> NoReturn:
    raise DocumentRefused(
        "timeout", "Reading the document took too long; save it again, or split it."
    )


class _Server:
    """A fork server that runs, and the socket to it."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self._sending = threading.Lock()
        self.alive = True
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-X", "utf8", "-c", PROGRAM, str(fork_server.ROOT)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )

    def send(self, message: bytes, handles: Sequence[int]) -> None:
        """Raises ``_ServerGone``."""
        try:
            with self._sending:
                sent = socket.send_fds(self._control, [message], handles)
                self._control.sendall(message[sent:])
        except OSError as error:
            # It takes no more, and may still serve what it took.
            self.alive = False
            self._control.close()
            raise _ServerGone from error

    def end(self) -> None:
        """End the process and its children; another one takes its place."""
        self.alive = False
        self._control.close()
        self.process.kill()
        self.process.wait()


class _Servers:
    """The one server of this process; started when it is needed, replaced when it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._owner = 0

    def current(self) -> _Server:
        """A server that was alive a moment ago; a forked process never shares its parent's."""
        with self._lock:
            server, pid = self._server, os.getpid()
            if server is None or self._owner != pid:
                server = self._server = _Server()
            elif not server.alive or server.process.poll() is not None:
                server.end()
                server = self._server = _Server()
            self._owner = pid
            return server

    def close(self) -> None:
        """At the end of this process."""
        with self._lock:
            if self._server is not None and self._owner == os.getpid():
                self._server.end()


SERVERS = _Servers()
atexit.register(SERVERS.close)
_missing: set[str] = set()


def warn_once(walls: frozenset[str]) -> None:
    """Say which walls a child was without."""
    if missing := {NETWORK, FILES, CALLS} - walls - _missing:
        _missing.update(missing)
        logger.warning("extraction runs without isolation of: %s", ", ".join(sorted(missing)))
