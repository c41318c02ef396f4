"""What a parser that was taken over might do in the jail; each is the entry of a jailed child."""

import ctypes
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ingestion.formats.reply import read_document

HELD: list[str] = []


REHEARSED: list[int] = []


def rehearse() -> None:
    REHEARSED.append(os.getpid())


def tell_rehearsals() -> None:
    print([os.getppid()] == REHEARSED)


def sleep() -> None:
    time.sleep(60)


def nap(seconds: str) -> None:
    time.sleep(float(seconds))
    print(os.getppid(), sys.stdin.buffer.read().decode())


def close_and_stay() -> None:
    os.close(1)
    time.sleep(60)


def spin() -> None:
    while True:
        pass


def take_memory() -> None:
    try:
        bytearray(2 * 1024**3)
    except MemoryError:
        sys.exit(7)


def flood() -> None:
    while True:
        print("x" * 9999)


def write_file(path: str) -> None:
    with Path(path).open("w") as handle:
        handle.write("x")


def read_file(path: str) -> None:
    print(Path(path).read_text())


def tell_environment() -> None:
    print(dict(os.environ), Path.cwd())


def connect(port: str) -> None:
    socket.create_connection(("127.0.0.1", int(port)), 3)


def reach_out(server: str) -> None:
    """Says which of the ways out are open: none should be."""
    ways: dict[str, Callable[[], object]] = {
        "fork": os.fork,
        "exec": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),
        "kill": lambda: os.kill(int(server), signal.SIGTERM),
        "socket": socket.socketpair,
        "chmod": lambda: Path(sys.executable).chmod(0o777),
        "ptrace": lambda: _called(101 if os.uname().machine == "x86_64" else 117, 16, int(server)),
        "limits": lambda: resource.setrlimit(resource.RLIMIT_CPU, (9, 9)),
    }
    for name, way in ways.items():
        with suppress(PermissionError, ValueError):
            way()
            print(name)


def _called(number: int, *arguments: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(number, *arguments) != 0:
        raise OSError(ctypes.get_errno(), "refused")


def remember() -> None:
    """Keeps the document where a later child would find it, if memory came back."""
    HELD.append(sys.stdin.read())
    print(len(HELD))


def tell_handles() -> None:
    for handle in range(3, 1024):
        with suppress(OSError):
            os.fstat(handle)
            print(handle)


def tell_modules(name: str) -> None:
    """Reads the document, and says which modules that took beyond what was there."""
    before, output = set(sys.modules), os.dup(1)
    read_document(name)
    sys.stdout.flush()
    late = " ".join(sorted(set(sys.modules) - before))
    os.write(
        output,
        "\n".join(["", late, *(name for name, found in sys.modules.items() if found)]).encode(),
    )


def make_thread() -> None:
    done = threading.Event()
    threading.Thread(target=done.set).start()
    sys.exit(0 if done.wait(5) else 1)


def corrupt_memory() -> None:
    ctypes.string_at(1)
