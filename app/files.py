"""Files: JSON lines read row by row, the SHA-256 of a file, files linked and made durable, and who
may read what this process makes."""

import fcntl
import gzip
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from app.errors import from_os_error


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield each line of ``path`` as a dict; blank lines are skipped.

    Raises ``ValueError`` naming the line when a line is not a JSON object.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _parse(line, path, number)


def _parse(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name}:{number}: not JSON ({error.msg})") from error
    if not isinstance(row, dict):
        raise ValueError(f"{path.name}:{number}: expected an object, found {type(row).__name__}")
    return row


def replace_text(path: Path, parts: Iterable[str]) -> int:
    """Write these parts beside ``path``, then let them take its place: a run that fails leaves the
    older file. Returns how many they were; raises ``StorageFull`` or another coded error."""
    # A pipe has no place that could be taken, and that of a link, as /dev/stdout, is not ours.
    own = not path.is_symlink() and (path.is_file() or not path.exists())
    target = path.with_name(f"{path.name}.partial") if own else path
    written = 0
    try:
        with target.open("w", encoding="utf-8") as stream:
            for part in parts:
                stream.write(part)
                written += 1
        if target != path:
            target.replace(path)
    except OSError as error:
        raise from_os_error(error, path) from error
    finally:
        if target != path:
            target.unlink(missing_ok=True)
    return written


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def all_below(folder: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """Every file and folder below this one, in no order; what goes meanwhile is left out, and so
    is what lies in a folder that may not be looked into, unless ``on_error`` raises for it."""
    for within, folders, files in os.walk(folder, onerror=on_error):
        yield from (Path(within, name) for name in (*folders, *files))


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under another name; a copy, where the disk has no links."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def to_disk(paths: Iterable[Path]) -> None:
    """These files, and the names in these folders, survive a loss of power from now on."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_dead(folder: Path, pattern: str) -> None:
    """Remove the files whose names fit and that no process holds a lock on: who began them was
    killed, and what is in them is nobody else's business."""
    for part in folder.glob(pattern):
        try:
            with part.open("r+b") as stream:  # a lock over NFS must be of one who may write
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
        except OSError:  # somebody writes it, or it is another user's
            continue


GROUP, OTHERS = 0o070, 0o007


def keep_private(folder: Path) -> None:
    """What this process makes from now on is its user's alone: questions and answers are in it.

    A group may read it too where somebody chose so: by a umask that shuts out all others but not
    the group, or by a ``folder`` whose mode does, or passes its group on to what is made in it.
    """
    given = os.umask(GROUP | OTHERS)
    if given & OTHERS == OTHERS or _is_the_groups(folder):
        os.umask(given | OTHERS)


def close_to_others(paths: Iterable[Path]) -> None:
    """Of these files and folders, as far as they are there and ours: others may not read them any
    more, and the group only where its folder is the group's on purpose."""
    for path in paths:
        try:
            mode = stat.S_IMODE(path.lstat().st_mode)
            if mode & OTHERS and not path.is_symlink():
                path.chmod(mode & ~(OTHERS if _is_the_groups(path.parent) else GROUP | OTHERS))
        except (FileNotFoundError, PermissionError):  # of another user: theirs to say
            continue


def _is_the_groups(folder: Path) -> bool:
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        return False
    return bool(mode & GROUP) and (not mode & OTHERS or bool(mode & stat.S_ISGID))
