"""``backup`` and ``restore``: everything a service holds, as one archive."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from app.backup import Manifest, back_up, restore
from app.settings import Settings
from app.wiring import connect_database, open_database
from cli.output import Json, console, print_json


def write_backup(
    out: Annotated[Path, typer.Argument(help="The archive to write, a ZIP file.")],
    as_json: Json = False,
) -> None:
    """Write database, index versions, uploads and keys into one archive; the service may go on."""
    signal.signal(signal.SIGTERM, _end)
    settings = Settings()
    database = open_database(settings)
    try:
        manifest = back_up(database, settings, out)
    finally:
        database.close()
    _report(manifest, f"written to {out}", as_json)


def restore_backup(
    archive: Annotated[Path, typer.Argument(help="An archive of `countersign backup`.")],
    as_json: Json = False,
) -> None:
    """Restore an archive into an empty database and data folder, and verify its audit chain."""
    signal.signal(signal.SIGTERM, _end)
    settings = Settings()
    database = connect_database(settings)
    try:
        manifest = restore(database, settings, archive)
    finally:
        database.close()
    _report(manifest, f"restored into {settings.data_dir}", as_json)


def _end(number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does: what was begun is taken away again."""
    sys.exit(128 + number)


def _report(manifest: Manifest, what: str, as_json: bool) -> None:
    if as_json:
        counts = {"tables": manifest.rows, "files": len(manifest.members) - len(manifest.rows)}
        print_json({"revision": manifest.revision, "created_at": manifest.created_at, **counts})
        return
    rows = sum(manifest.rows.values())
    files = len(manifest.members) - len(manifest.rows)
    console.print(f"{rows} rows and {files} files {what}", markup=False, highlight=False)
