"""Extraction in a child process that has limits, no network and a short life.

A parser bug that a hostile document exploits then costs one child, not the service. The child
is a fresh interpreter (``-I``: no user site, no environment, no current folder) that puts this
project's own root first on its path, so that it runs the very code of its parent, installed or
not. It restricts itself before it reads the first byte of the document: setting limits between
fork and exec would not be safe in a parent with threads.
"""

import contextlib
import ctypes
import json
import logging
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from app.errors import DocumentRefused
from ingestion.formats.document import Doubt, Extracted, Heading, Page
from ingestion.formats.extract import extract
from ingestion.formats.limits import MAX_DOCUMENT_BYTES, JailLimits
from ingestion.formats.registry import format_of

PROJECT_ROOT = Path(__file__).resolve().parents[2]
# 20 million characters of at most four bytes, and room for the page map.
MAX_OUTPUT_BYTES = 96_000_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JailRun:
    """A child that ended by itself; ``status`` is negative when a signal ended it."""

    status: int
    output: bytes
    network_off: bool


def extract_jailed(data_path: Path, name: str, limits: JailLimits | None = None) -> Extracted:
    """``extract`` of the file at ``data_path`` in a child process; raises ``DocumentRefused``.

    The limits are those of the format that the name says, unless ``limits`` gives others.
    Reasons of its own: ``timeout`` (``wall_s`` is over) and ``crashed`` (the child died, mostly
    because it reached its CPU or memory limit).
    """
    if limits is None:
        format = format_of(name)
        limits = format.limits if format else JailLimits()
    # The name travels as ASCII JSON: an argument cannot hold every character a name can.
    run = run_jailed("jail.child_main(*sys.argv[3:])", [json.dumps(name)], data_path, limits)
    if run.status != 0:
        raise _crashed(f"the reader ended with status {run.status}")
    if not run.network_off:
        logger.warning("extraction ran without network isolation on this system")
    return _parsed(run.output)


def child_main(name: str) -> None:
    """In the child: reads the document from stdin, writes the reply as JSON to stdout."""
    data = sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
    try:
        found = extract(data, json.loads(name))
        until = found.valid_until.isoformat() if found.valid_until else None
        reply: dict[str, Any] = {**vars(found), "valid_until": until}
        for name in ("pages", "headings", "doubts"):
            reply[name] = [tuple(vars(one).values()) for one in reply[name]]
    except DocumentRefused as refusal:
        reply = {"reason": refusal.reason, "message": refusal.message}
    sys.stdout.buffer.write(json.dumps(reply, ensure_ascii=False).encode("utf-8"))


def _parsed(output: bytes) -> Extracted:
    # A parser that was taken over could say anything: believe only what has the right form.
    try:
        reply = json.loads(output)
        if "reason" in reply:
            raise DocumentRefused(str(reply["reason"]), str(reply["message"]))
        text = str(reply["text"])
        until = date.fromisoformat(reply["valid_until"]) if reply.get("valid_until") else None
        found = Extracted(
            str(reply["title"]),
            text,
            str(reply["media_type"]),
            tuple(Page(int(n), int(start), int(end)) for n, start, end in reply["pages"]),
            until,
            tuple(Heading(int(at), str(said), int(start)) for at, said, start in reply["headings"]),
            tuple(Doubt(int(start), int(end), str(why)) for start, end, why in reply["doubts"]),
            tuple(str(name) for name in reply["left_out"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _crashed("the reader's reply is not usable") from error
    edges = [edge for page in found.pages for edge in (page.start, page.end)]
    starts = [heading.start for heading in found.headings]
    doubts = [edge for doubt in found.doubts for edge in (doubt.start, doubt.end)]
    for offsets in ([0, *edges, len(text)], [0, *starts, len(text)], [0, *doubts, len(text)]):
        if offsets != sorted(offsets):
            raise _crashed("the reader's page map is not usable")
    return found


def _crashed(why: str) -> DocumentRefused:
    return DocumentRefused(
        "crashed",
        f"The document could not be read within its limits ({why}); save it again, or split it.",
    )


def run_jailed(program: str, arguments: list[str], stdin: Path, limits: JailLimits) -> JailRun:
    """Runs a line of Python in a restricted child; ``stdin`` is the file it reads.

    The program sees ``sys``, the module ``jail`` and its arguments from ``sys.argv[3]`` on.
    Raises ``DocumentRefused``: ``timeout``, or ``too_large`` when it writes too much.
    """
    confine = "import sys; sys.path.insert(0, sys.argv[1]); from ingestion.formats import jail; "
    confine += "jail.confine(sys.argv[2])\n"
    settings = json.dumps([limits.cpu_s, limits.memory_bytes])
    interpreter = [sys.executable, "-I", "-B", "-X", "utf8", "-c"]
    with stdin.open("rb") as source:
        child = subprocess.Popen(
            [*interpreter, confine + program, str(PROJECT_ROOT), settings, *arguments],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
    try:
        output = _read_until(child, time.monotonic() + limits.wall_s)
    finally:
        # Also after a proper end: nothing the child may have started outlives it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout:
            child.stdout.close()
    network, _, body = output.partition(b"\n")
    return JailRun(child.returncode, body, network == b"network off")


def _read_until(child: subprocess.Popen[bytes], ends: float) -> bytes:
    """All the child writes; raises ``DocumentRefused`` when it is late or writes too much."""
    assert child.stdout is not None
    chunks: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, ends - time.monotonic())):
            data = os.read(child.stdout.fileno(), 1 << 20)
            if not data:
                return b"".join(chunks) if _ended(child, ends) else _late()
            chunks.append(data)
            size += len(data)
            if size > MAX_OUTPUT_BYTES:
                raise DocumentRefused("too_large", "The text is too long; split the document.")
    return _late()


def _ended(child: subprocess.Popen[bytes], ends: float) -> bool:
    try:
        child.wait(max(0.0, ends - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _late() -> bytes:
    raise DocumentRefused(
        "timeout", "Reading the document took too long; save it again, or split it."
    )


# --- In the child ---------------------------------------------------------------------------

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


def confine(settings: str) -> None:
    """In the child, before anything else: limits, no network; says on stdout what was reached."""
    cpu_s, memory_bytes = json.loads(settings)
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_FSIZE", 0)
    _limit("RLIMIT_NOFILE", 64)
    _limit("RLIMIT_CPU", cpu_s)
    _limit("RLIMIT_AS", memory_bytes)
    state = "off" if _leave_network() else "on"
    # After unshare, which may count against it. Not effective for root.
    _limit("RLIMIT_NPROC", 0)
    sys.stdout.buffer.write(f"network {state}\n".encode())
    sys.stdout.buffer.flush()


def _limit(name: str, value: int) -> None:
    kind = getattr(resource, name, None)
    if kind is None:
        return
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (ValueError, OSError):
        # macOS knows RLIMIT_AS but refuses to set it; the other limits still hold there.
        if sys.platform == "linux":
            raise


def _leave_network() -> bool:
    """Moves this process into an empty network namespace; False where that is not allowed."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return any(libc.unshare(flags) == 0 for flags in (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET))
