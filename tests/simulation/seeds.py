"""Seeds in a process of a pool: each process has a ground of its own."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import structlog

from app.db import Database, migrate
from tests.simulation.run import Verdict, run
from tests.simulation.world import Ground


@contextmanager
def template() -> Iterator[Path]:
    """A folder in memory, where there is one, with a migrated database to copy."""
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="countersign-simulation-", dir=where) as folder:
        database = Database(f"sqlite:///{folder}/template.db")
        migrate(database)
        database.close()
        yield Path(folder)


@cache
def ground(folder: Path) -> Ground:
    """This process's own ground."""
    return Ground(folder / str(os.getpid()), folder / "template.db")


def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def one(task: tuple[Path, int]) -> Verdict:
    folder, seed = task
    quiet()
    return run(seed, ground(folder))
