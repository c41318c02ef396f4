"""A process that has imported the readers and forks one confined child for each document.

It reads no document that is not ours and nothing that a child says: of a child it learns how it
ended. Whoever started it speaks to it over a socket at file descriptor 0; one message is a ``Job``
with four file descriptors: the document, where the child writes, its arguments, and the job's own
line. On that line the server sends one byte when the child runs and its status when it ended, and
ends the child when the other side closes.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import NoReturn

from ingestion.formats.confine import (
    MOST_OPEN,
    confine_child,
    confine_server,
    die_with,
    readable_files,
)
from ingestion.formats.limits import JailLimits

ROOT = Path(__file__).resolve().parents[2]
LENGTH = struct.Struct("!I")
STATUS = struct.Struct("!i")
BEGUN = b"+"
IDLE_S = 300.0
"""Without work for so long it ends: memory is for whoever needs it."""
GARBAGE = 50_000
"""New objects after which a child looks for garbage: most have read their document by then."""
UNWANTED = ("numpy", "pandas", "PIL")
"""What openpyxl imports where it finds it and readers do without: slow, large, with threads."""
TAKEN_OVER = frozenset(
    -number
    for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGSYS)
)
"""How a child ends whose memory somebody corrupted. All children share the server's layout of
memory, so that it is given up: no second document may try what it learnt of it."""


@dataclass(frozen=True)
class Job:
    """What a child runs: ``entry`` is ``module:function``; only the child reads its arguments.

    ``imports`` are the modules that it needs, which the server imports once for all; of a
    ``module:function`` it calls the function, too.
    """

    entry: str
    imports: Sequence[str] = ()
    limits: JailLimits = field(default_factory=JailLimits)

    def packed(self) -> bytes:
        """As it goes over the wire."""
        body = json.dumps(asdict(self)).encode()
        return LENGTH.pack(len(body)) + body


@dataclass(frozen=True)
class Child:
    """A child that runs, and the line that its status goes to."""

    pid: int
    line: socket.socket


def serve() -> None:
    """Serve jobs until the other side of the socket closes; then no child is left."""
    inherited = confine_server()
    for module in UNWANTED:
        sys.modules[module] = None  # type: ignore[assignment]  # as the import system has it
    readable = readable_files(ROOT)
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    server = _Server(socket.socket(fileno=0), woken, readable, inherited)
    try:
        while server.step():
            pass
    finally:
        server.end_all()


class _Server:
    def __init__(
        self, control: socket.socket, woken: int, readable: int, walls: frozenset[str]
    ) -> None:
        self._control, self._woken, self._readable = control, woken, readable
        self._walls, self._children = walls, dict[int, Child]()
        self._accepts = True
        self._lines = dict[int, Child]()
        self._ready = select.poll()
        self._ready.register(control, select.POLLIN)
        self._ready.register(woken, select.POLLIN)

    def step(self) -> bool:
        """Wait for something and do it; False when there is nothing more to serve."""
        ready = self._ready.poll(1000 * IDLE_S)
        for handle, _ in ready:
            if handle == self._woken:
                os.read(handle, 4096)
            elif handle in self._lines:
                self._hear(handle)
            elif self._accepts:
                self._take()
        self._reap()
        return bool(self._children) or (self._accepts and bool(ready))

    def end_all(self) -> None:
        """End every child that still runs."""
        for pid in self._children:
            _kill(pid)

    def _take(self) -> None:
        head, handles, _, _ = socket.recv_fds(self._control, LENGTH.size, 4)
        if not head:
            self._close()
            return
        job = _job(self._control.recv(LENGTH.unpack(head)[0], socket.MSG_WAITALL))
        for name in job.imports:
            _prepare(name)
        self._start(job, *handles)

    def _start(self, job: Job, source: int, output: int, arguments: int, line: int) -> None:
        # Each page that a child writes to is copied for it, which costs more than most of what it
        # then does there: whatever can be, is done before.
        run = _entry(job.entry)
        gc.freeze()  # what is not collected stays on pages that children share with the server
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_child(server, job.limits, run, source, output, arguments)
        for handle in (source, output, arguments):
            os.close(handle)
        child = Child(pid, socket.socket(fileno=line))
        self._children[pid] = child
        self._lines[line] = child
        self._ready.register(line, select.POLLIN)
        with suppress(OSError):
            child.line.send(BEGUN)

    def _hear(self, line: int) -> None:
        """The other side never speaks on a line: it closes it when nobody waits any more."""
        self._ready.unregister(line)
        _kill(self._lines.pop(line).pid)

    def _reap(self) -> None:
        while self._children:
            pid, ended = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # what it may have started
            child, status = self._children.pop(pid), os.waitstatus_to_exitcode(ended)
            if self._lines.pop(child.line.fileno(), None) is not None:
                self._ready.unregister(child.line)
            with suppress(OSError):
                child.line.send(STATUS.pack(status))
            child.line.close()
            if status in TAKEN_OVER:
                self._close()

    def _close(self) -> None:
        """Take no more jobs; those that were sent already go to the next server."""
        if self._accepts:
            self._accepts = False
            self._ready.unregister(self._control)
            self._control.close()

    def _become_child(
        self,
        server: int,
        limits: JailLimits,
        run: Callable[..., object],
        source: int,
        output: int,
        arguments: int,
    ) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)  # of the handler the rest may stay: it does nothing
            os.setsid()
            die_with(server)
            os.dup2(source, 0)
            os.dup2(output, 1)
            gc.set_threshold(GARBAGE)
            told = unpacked(_all_of(arguments))
            walls = self._walls | confine_child(limits, self._readable)
            os.closerange(3, MOST_OPEN)
            os.write(1, " ".join(walls).encode() + b"\n")
            run(*told)
            sys.stdout.flush()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        finally:
            os._exit(status)


ENDS = "\0"
"""Each argument, of which none can hold it."""


def packed(arguments: Sequence[str]) -> bytes:
    """The arguments of a child as it reads them, any text among them: JSON would do, but what reads
    it is spread over fifty pages of memory, each of them copied for the child."""
    told = "".join(one.replace(ENDS, "") + ENDS for one in arguments)
    return told.encode("utf-8", "surrogatepass")


def unpacked(told: bytes) -> list[str]:
    """The arguments that were ``packed``."""
    return told.decode("utf-8", "surrogatepass").split(ENDS)[:-1]


@lru_cache(maxsize=64)
def _job(packed: bytes) -> Job:
    request = json.loads(packed)
    return Job(**{**request, "limits": JailLimits(**request["limits"])})


def _all_of(handle: int) -> bytes:
    parts = []
    while part := os.read(handle, 1 << 16):
        parts.append(part)
    return b"".join(parts)


@cache
def _prepare(name: str) -> None:
    """What children find done, of which each would do its own."""
    if ":" in name:
        _entry(name)()
    else:
        importlib.import_module(name)


@cache
def _entry(name: str) -> Callable[..., object]:
    module, _, function = name.partition(":")
    entry: Callable[..., object] = getattr(importlib.import_module(module), function)
    return entry


def _kill(pid: int) -> None:
    """A child and what it started; it may not have a group of its own yet."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
