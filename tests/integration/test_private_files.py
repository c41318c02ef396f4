"""Files that hold questions, answers or documents are their user's alone, or a chosen group's."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.access.principals import LOCAL
from app.answering.answerer import Ask
from app.backup import restore
from app.proof.checkpoints import Checkpoints
from app.settings import Settings
from app.wiring import connect_database, open_database, open_services
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files
from tests.integration.test_backup import backed_up

Umask = Callable[[int], None]
OTHERS, GROUP = 0o007, 0o070


@pytest.fixture
def umask() -> Iterator[Umask]:
    """Sets the umask of this process; the one before comes back."""
    before = os.umask(0o022)
    yield lambda mask: (os.umask(mask), None)[1]
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    found = [folder, *folder.rglob("*")]
    return {str(one.relative_to(folder)): one.stat().st_mode & 0o777 for one in found}


def open_to(bits: int, folder: Path) -> list[str]:
    return [name for name, mode in modes(folder).items() if mode & bits]


def used(settings: Settings) -> None:
    """A service that has a document, an answer, a checkpoint and a log that is being written."""
    documents = settings.data_dir.parent / "documents"
    documents.mkdir()
    (documents / "fees.txt").write_text("Fees\n\nThe cancellation fee is £25.\n", "utf-8")
    services = open_services(settings)
    try:
        pipeline_for(services).ingest(find_files([documents]), "main")
        services.answerer.answer(LOCAL, Ask("How much is the cancellation fee?"))
        Checkpoints(services.database, settings).make()
        for end in ("", "-wal", "-shm"):
            assert (settings.data_dir / f"countersign.db{end}").exists()
        assert list(settings.index_dir.rglob("manifest.json"))
        assert open_to(OTHERS, settings.data_dir) == []
    finally:
        services.close()


def test_nobody_else_may_read_what_a_service_writes(tmp_path: Path, umask: Umask) -> None:
    umask(0o022)
    used(Settings(data_dir=tmp_path / "data"))
    assert open_to(GROUP | OTHERS, tmp_path / "data") == []


def test_what_is_restored_is_as_private(tmp_path: Path, umask: Umask) -> None:
    archive = backed_up(tmp_path, "")
    umask(0o022)
    settings = Settings(data_dir=tmp_path / "restored")
    database = connect_database(settings)
    restore(database, settings, archive)
    database.close()
    assert open_to(GROUP | OTHERS, settings.data_dir) == []


def test_a_umask_that_lets_the_group_in_is_kept(tmp_path: Path, umask: Umask) -> None:
    umask(0o027)
    open_database(Settings(data_dir=tmp_path / "data")).close()
    found = modes(tmp_path / "data")
    assert (found["."], found["countersign.db"]) == (0o750, 0o640)


@pytest.mark.parametrize(("folder", "given"), [(0o770, 0o002), (0o750, 0o022), (0o2775, 0o022)])
def test_a_data_folder_of_a_group_stays_the_groups(
    tmp_path: Path, umask: Umask, folder: int, given: int
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(folder)
    umask(given)
    open_database(Settings(data_dir=data)).close()
    assert modes(data)["countersign.db"] == 0o640


def test_what_an_earlier_release_left_open_is_closed(tmp_path: Path, umask: Umask) -> None:
    data = tmp_path / "data"
    umask(0o022)
    open_database(Settings(data_dir=data)).close()
    for name in ("index", "uploads"):
        (data / name).mkdir()
    (data / "notes").mkdir(mode=0o755)
    (data / "countersign.db").chmod(0o644)
    for name in (".", "index", "uploads", "notes"):
        (data / name).chmod(0o755)
    database = open_database(Settings(data_dir=data))
    with database.transaction() as session:
        session.execute(text("CREATE TABLE later (x)"))
        found = modes(data)
    database.close()
    assert {one: found[one] for one in ("index", "uploads")} == {"index": 0o700, "uploads": 0o700}
    ends = ("", "-wal", "-shm")
    assert {found[f"countersign.db{end}"] for end in ends} == {0o600}
    assert found["notes"] == found["."] == 0o755, "a folder that others made is theirs to close"
