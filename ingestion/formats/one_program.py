"""A program of the machine behind the walls of a reader: over pipes, without files."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

from ingestion.formats.fork_server import ROOT
from ingestion.formats.jail import JailRun, ended, read_until
from ingestion.formats.limits import JailLimits

PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from ingestion.formats.become import become; "
    "become()"
)
END_S = 1.0
"""For a program that has closed its output to end."""


def run_program(
    program: str, arguments: Sequence[str], given: bytes, limits: JailLimits
) -> JailRun:
    """What the program at this path makes of ``given``; it can start no other.

    Raises ``DocumentRefused``: ``timeout``, or ``too_large`` when it writes too much.
    """
    python = [sys.executable, "-I", "-B", "-X", "utf8", "-c", PROGRAM, str(ROOT), str(os.getpid())]
    process = subprocess.Popen(
        [*python, json.dumps(asdict(limits)), program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )
    assert process.stdout is not None
    feeding = threading.Thread(target=_feed, args=(process, given), daemon=True)
    feeding.start()
    try:
        output = read_until(process.stdout.fileno(), time.monotonic() + limits.wall_s)
    finally:
        status = _end(process)
        feeding.join()
        process.stdout.close()
    return ended(status, output)


def _feed(process: "subprocess.Popen[bytes]", given: bytes) -> None:
    assert process.stdin is not None
    with suppress(OSError), process.stdin:
        process.stdin.write(given)


def _end(process: "subprocess.Popen[bytes]") -> int:
    """It has closed its output, is late, or wrote too much: nothing more is wanted of it."""
    try:
        return process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
