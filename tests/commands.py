"""``countersign`` as a user runs it, but in this process: a Python for each costs seconds."""

import io
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest
import structlog

from cli.__main__ import main
from cli.output import console

WIDTH = 80
"""Of the tables, as where no terminal says otherwise."""


@dataclass(frozen=True)
class Ended:
    """What a command said, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


def own_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command with these settings and no others."""
    return {k: v for k, v in os.environ.items() if not k.startswith("COUNTERSIGN_")} | {**settings}


def countersign(*arguments: str, settings: Mapping[str, str]) -> Ended:
    """One command with these variables ``COUNTERSIGN_*`` and no others."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    logging = structlog.get_config()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(os, "environ", own_environment(settings))
        patch.setattr(sys, "argv", ["countersign", *arguments])
        patch.setattr(console, "width", WIDTH)
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        finally:
            structlog.configure(**logging)
    return Ended(status, out.getvalue(), err.getvalue())
