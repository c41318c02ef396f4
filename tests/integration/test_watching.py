"""Watch mode: what changes is ingested once it is whole, and what goes is pruned."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.db import Database
from app.errors import Invalid, NotFound
from ingestion.pipeline import Report
from ingestion.watching import Watch, Watched
from tests.integration.test_ingestion import CANCEL, CLAIMS, OFFICE, Library

SETTLE_S = 0.1
PATIENCE_S = 60.0


@pytest.fixture
def library(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Library]:
    shutil.copy(migrated_sqlite, tmp_path / "countersign.db")
    database = Database(f"sqlite:///{tmp_path / 'countersign.db'}")
    yield Library(database, tmp_path)
    database.close()


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def names(files: list[Path]) -> list[str]:
    return [file.name for file in files]


def test_a_file_is_whole_when_it_stayed_the_same(tmp_path: Path) -> None:
    clock = Clock()
    watched = Watched([tmp_path], 2.0, clock)
    (tmp_path / "a.txt").write_text("one")
    assert watched.look() == [] and watched.waits
    clock.now = 1.9
    (tmp_path / "a.txt").write_text("one and two")  # it is still being written
    assert watched.look() == []
    clock.now = 3.8
    assert watched.look() == []
    clock.now = 4.0
    (tmp_path / "b.txt").write_text("new")
    whole = watched.look()
    assert names(whole) == ["a.txt"] and watched.waits_beside(whole)
    watched.taken(whole)
    clock.now = 6.0
    assert names(watched.look()) == ["b.txt"]
    watched.taken(watched.look())
    assert watched.look() == [] and not watched.waits


def test_another_file_of_the_same_size_and_time_is_a_change(tmp_path: Path) -> None:
    file, other = tmp_path / "a.txt", tmp_path / ".a.txt.new"
    file.write_text("old")
    watched = Watched([tmp_path], 0.0)
    watched.taken(watched.look())
    other.write_text("new")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.rename(file)
    assert names(watched.look()) == ["a.txt"]


def test_a_file_that_may_be_read_from_now_on_is_a_change(tmp_path: Path) -> None:
    (file := tmp_path / "a.txt").write_text("a")
    file.chmod(0)
    watched = Watched([tmp_path], settle_s=0)
    watched.taken(watched.look())  # it was refused as unreadable
    assert watched.look() == []
    time.sleep(0.02)  # the system tells times by its ticks
    file.chmod(0o600)
    assert watched.look() == [file]


def test_what_is_gone_stays_so_until_it_is_pruned(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    watched = Watched([tmp_path], 0.0)
    watched.taken(watched.look())
    (tmp_path / "a.txt").unlink()
    assert watched.look() == [] and watched.gone
    assert watched.look() == [] and watched.gone
    watched.pruned()
    assert watched.look() == [] and not watched.gone


@contextmanager
def watching(library: Library, *, prune: bool = True) -> Iterator[list[Report]]:
    """A watch over the library's folder in a thread; yields what it told so far."""
    told: list[Report] = []
    stop = threading.Event()
    watch = Watch(library.pipeline, [library.folder], "main", told.append, prune, settle_s=SETTLE_S)
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join(timeout=PATIENCE_S)
        assert not thread.is_alive()


def wait_until(is_so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def sources(library: Library) -> dict[str, str]:
    """Names and ids of the documents."""
    listed = library.corpus.documents.page(["main"], limit=100).documents
    return {Path(one.source).name: one.document_id for one in listed if one.state == "ready"}


def test_changes_are_found_until_it_stops_and_after_it_starts_again(library: Library) -> None:
    library.write("office.txt", OFFICE)
    with watching(library) as told:
        wait_until(lambda: [OFFICE.strip()] == (told and library.found("office")))
        library.write("claims.txt", CLAIMS)
        wait_until(lambda: "claims.txt" in sources(library))
        before = sources(library)["office.txt"]
        (library.folder / "office.txt").rename(library.folder / "moved.txt")
        wait_until(lambda: {"claims.txt", "moved.txt"} == set(sources(library)))
        # Its title is the name of its file, so that it is read again and not ready meanwhile.
        wait_until(lambda: sources(library).get("moved.txt") == before)
        (library.folder / "claims.txt").unlink()
        wait_until(lambda: {"moved.txt"} == set(sources(library)))
    assert sum(one.ingested for one in told) >= 2 and not any(one.failures for one in told)
    (library.folder / "moved.txt").unlink()  # while nobody watches
    library.write("cancel.txt", CANCEL)
    with watching(library):
        wait_until(lambda: {"cancel.txt"} == set(sources(library)))
        shutil.move(library.folder, library.folder.with_name("aside"))
        library.folder.mkdir()  # as a folder that is not mounted
        time.sleep(4 * SETTLE_S)
    assert set(sources(library)) == {"cancel.txt"}


def test_a_start_that_cannot_be_meant_is_refused(library: Library, tmp_path: Path) -> None:
    stop = threading.Event()
    for paths, error in (([tmp_path / "nowhere"], NotFound), ([library.folder], Invalid)):
        watch = Watch(library.pipeline, paths, "main", lambda _report: None, prune=True)
        with pytest.raises(error):
            watch.run(stop)
