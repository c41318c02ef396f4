"""A process that puts walls around itself and becomes one program: what it reads and writes are
pipes, and it can start nothing else."""

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from ingestion.formats.confine import confine_program, confine_server, die_with
from ingestion.formats.limits import JailLimits

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OMP_THREAD_LIMIT": "1"}


def become() -> NoReturn:
    """The arguments of this process: its parent's id, its limits as JSON, the program and what
    that is given. The first line that it writes names the walls."""
    parent, limits, program, *arguments = sys.argv[2:]
    die_with(int(parent))
    walls = confine_server() | confine_program(JailLimits(**json.loads(limits)), Path(program))
    os.write(1, " ".join(sorted(walls)).encode() + b"\n")
    os.execve(program, [program, *arguments], ENVIRONMENT)
