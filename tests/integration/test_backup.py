"""A backup holds everything, comes back whole on either database, and never half."""

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.access.principals import LOCAL
from app.answering.answerer import Ask
from app.backup import MANIFEST, back_up, restore
from app.corpus.corpus import Corpus
from app.db import Database
from app.errors import BackupRefused, CountersignError, DependencyFailed, StorageFull
from app.proof.checkpoints import Checkpoints
from app.proof.verify import verify_audit
from app.records.tables import AuditRow, RecordRow
from app.settings import Settings
from app.wiring import build_services, open_database, open_services
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files
from tests.children import begin, ended

QUESTION = "How much is the cancellation fee?"


def backed_up(folder: Path, database_url: str) -> Path:
    """The archive of a service with a document and two answers."""
    settings = Settings(data_dir=folder / "data", database_url=database_url, gate_mode="off")
    documents = folder / "documents"
    documents.mkdir()
    (documents / "fees.txt").write_text("Fees\n\nThe cancellation fee is £25.\n", "utf-8")
    services = open_services(settings)
    try:
        pipeline_for(services).ingest(find_files([documents]), "main")
        services.answerer.answer(LOCAL, Ask(QUESTION))
        services.answerer.answer(LOCAL, Ask("What is the capital of Peru?"))
        checkpoints = Checkpoints(services.database, settings)
        checkpoints.make()
        back_up(services.database, settings, folder / "backup.zip")
    finally:
        services.close()
    return folder / "backup.zip"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive from SQLite."""
    return backed_up(tmp_path_factory.mktemp("backup"), "")


def counts(database: Database) -> tuple[int, int]:
    with database.reading() as session:
        return tuple(  # type: ignore[return-value]
            session.scalar(select(func.count()).select_from(table)) or 0
            for table in (RecordRow, AuditRow)
        )


def test_it_comes_back_whole_into_sqlite(database_url: str, tmp_path: Path) -> None:
    archive = backed_up(tmp_path, database_url)
    settings = Settings(data_dir=tmp_path / "new", gate_mode="off")
    database = Database(settings.database)
    manifest = restore(database, settings, archive)
    assert counts(database) == (manifest.rows["records"], manifest.rows["audit_log"])
    assert manifest.rows["records"] == 2
    report = verify_audit(database, Checkpoints(database, settings).kept())
    assert (report.problems, report.checkpoints) == ([], 1)
    (key,) = (tmp_path / "new" / "audit_keys").glob("*.pem")
    assert key.stat().st_mode & 0o777 == 0o600
    database.close()
    services = build_services(settings)
    try:
        again = services.answerer.answer(LOCAL, Ask(QUESTION))
        assert "£25" in str(again)
    finally:
        services.close()


def test_it_comes_back_whole_into_postgresql(
    database_url: str, tmp_path: Path, empty_postgres: str
) -> None:
    archive = backed_up(tmp_path, database_url)
    settings = Settings(data_dir=tmp_path / "new", database_url=empty_postgres)
    database = Database(settings.database)
    manifest = restore(database, settings, archive)
    assert counts(database) == (manifest.rows["records"], manifest.rows["audit_log"])
    with pytest.raises(BackupRefused, match="not empty"):
        restore(database, settings, archive)
    database.close()


def changed(archive: Path, folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy in ``folder`` of the archive, whose members ``change`` has changed."""
    with zipfile.ZipFile(archive) as source:
        members = {name: source.read(name) for name in source.namelist()}
    change(members)
    copy = folder / "changed.zip"
    with zipfile.ZipFile(copy, "w") as target:
        for name, content in members.items():
            target.writestr(name, content)
    return copy


def flip(members: dict[str, bytes]) -> None:
    members["tables/records.jsonl"] = members["tables/records.jsonl"].replace(b"fee", b"fee!", 1)


def drop(members: dict[str, bytes]) -> None:
    del members["tables/releases.jsonl"]


def stranger(members: dict[str, bytes]) -> None:
    members["data/extra.txt"] = b"not listed"


def escape(members: dict[str, bytes]) -> None:
    manifest = json.loads(members[MANIFEST])
    content = members["data/../outside.txt"] = b""
    manifest["members"]["data/../outside.txt"] = (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    members[MANIFEST] = json.dumps(manifest).encode() + content


def of_a_later_release(members: dict[str, bytes]) -> None:
    manifest = json.loads(members[MANIFEST])
    members[MANIFEST] = json.dumps({**manifest, "version": "9.1.0", "seals": {}}).encode()


def unknown_schema(members: dict[str, bytes]) -> None:
    manifest = json.loads(members[MANIFEST]) | {"revision": "9999"}
    members[MANIFEST] = json.dumps(manifest).encode()


@pytest.mark.parametrize("change", [flip, drop, stranger, escape, unknown_schema])
def test_a_damaged_archive_leaves_nothing_behind(
    archive: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None]
) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    database = Database(settings.database)
    with pytest.raises(BackupRefused):
        restore(database, settings, changed(archive, tmp_path, change))
    restore(database, settings, archive)  # the place is as empty as before
    database.close()


def test_an_archive_of_a_later_release_says_which_one_wrote_it(
    archive: Path, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    database = Database(settings.database)
    with pytest.raises(BackupRefused, match=r"version 9\.1\.0 wrote"):
        restore(database, settings, changed(archive, tmp_path, of_a_later_release))
    database.close()


def central(archive: bytes, name: str, at: int, value: int) -> bytes:
    """With ``value`` as a byte of what the directory at the end says of a member."""
    entry = archive.rindex(name.encode()) - 46 + at
    return archive[:entry] + bytes([value]) + archive[entry + 1 :]


def within(archive: bytes, name: str) -> bytes:
    """With the compressed bytes of a member overwritten."""
    start = archive.index(name.encode()) + len(name) + 40
    return archive[:start] + bytes(64) + archive[start + 64 :]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: whole[: len(whole) // 2], id="its end is missing"),
        pytest.param(lambda whole: within(whole, "tables/records.jsonl"), id="zeros in a table"),
        pytest.param(lambda whole: within(whole, MANIFEST), id="zeros in the manifest"),
        pytest.param(lambda whole: central(whole, MANIFEST, 6, 173), id="a later version of ZIP"),
        pytest.param(lambda whole: central(whole, MANIFEST, 8, 1), id="a password"),
        pytest.param(lambda whole: central(whole, MANIFEST, 10, 99), id="another compression"),
        pytest.param(lambda whole: central(whole, MANIFEST, 44, 255), id="another place"),
        pytest.param(lambda whole: b"\0" * len(whole), id="nothing but zeros"),
    ],
)
def test_bytes_that_were_damaged_are_refused_by_name(
    archive: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    copy = tmp_path / "damaged.zip"
    copy.write_bytes(damage(archive.read_bytes()))
    settings = Settings(data_dir=tmp_path / "new")
    database = Database(settings.database)
    with pytest.raises(BackupRefused, match=r"damaged\.zip"):
        restore(database, settings, copy)
    database.close()


def test_no_backup_is_read_by_others_or_holds_an_earlier_one(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    database = open_database(settings)
    for number in range(3):
        for end in (".part", ".countersign-part"):  # of an earlier release, and of this one
            left = settings.data_dir / f"{number}.zip.left{end}"
            left.write_bytes(b"ended by a loss of power")
        out = settings.data_dir / f"{number}.zip"
        manifest = back_up(database, settings, out)
        assert out.stat().st_mode & 0o777 == 0o600
        assert [name for name in manifest.members if name.startswith("data/")] == []
    database.close()
    names = {path.name for path in settings.data_dir.iterdir()}
    assert {name for name in names if name.endswith(".zip")} == {"0.zip", "1.zip", "2.zip"}


def test_a_backup_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    database = open_database(settings)
    (settings.data_dir / "noise").write_bytes(random.Random(7).randbytes(200_000))
    place = tmp_path / "small"
    place.mkdir()

    def with_little_room() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        with pytest.raises(StorageFull):
            back_up(Database(settings.database), settings, place / "backup.zip")
        return 0

    database.close()
    assert ended(begin(with_little_room)) == 0
    assert list(place.iterdir()) == []


def looked_into(monkeypatch: pytest.MonkeyPatch, folder: Path, happens: Callable[[], None]) -> None:
    """``happens`` at the moment when somebody looks into ``folder``."""
    scandir = os.scandir

    def scanned(path: Any = ".") -> Any:
        if str(path) == str(folder):
            happens()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scanned)


def test_a_folder_that_is_deleted_meanwhile_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    database = open_database(settings)
    (settings.data_dir / "uploads").mkdir(exist_ok=True)
    (settings.data_dir / "uploads" / "kept.txt").write_text("kept", "utf-8")
    old = settings.data_dir / "indexes" / "old"
    old.mkdir(parents=True)
    looked_into(monkeypatch, old, old.rmdir)
    manifest = back_up(database, settings, tmp_path / "backup.zip")
    database.close()
    assert not old.exists() and "data/uploads/kept.txt" in manifest.members


def test_a_folder_that_cannot_be_read_is_not_left_out_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    database = open_database(settings)
    secret = settings.data_dir / "uploads"
    secret.mkdir(exist_ok=True)
    (secret / "mine.txt").write_text("mine", "utf-8")

    def refuse() -> None:
        raise PermissionError(13, "Permission denied", str(secret))

    looked_into(monkeypatch, secret, refuse)
    with pytest.raises(CountersignError, match="uploads"):
        back_up(database, settings, tmp_path / "backup.zip")
    database.close()
    assert not (tmp_path / "backup.zip").exists()


def test_what_a_killed_backup_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    database = open_database(settings)
    (settings.data_dir / "noise").write_bytes(random.Random(7).randbytes(20_000_000))
    place = tmp_path / "backups"
    place.mkdir()
    (place / "film.part").write_bytes(b"another program's")

    def back_up_slowly() -> int:
        back_up(Database(settings.database), settings, place / "monday.zip")
        return 0

    child = begin(back_up_slowly)
    while not (parts := list(place.glob("monday.zip.*"))) or not parts[0].stat().st_size:
        time.sleep(0.001)
    os.kill(child, signal.SIGSTOP)
    back_up(database, settings, place / "tuesday.zip")
    assert parts[0].exists()  # who writes it lives
    os.kill(child, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
    assert parts[0].exists() and not (place / "monday.zip").exists()
    back_up(database, settings, place / "wednesday.zip")
    database.close()
    names = {path.name for path in place.iterdir()}
    assert names == {"film.part", "tuesday.zip", "wednesday.zip"}


def killed_at(number: int, archive: Path, settings: Settings) -> int:
    """How a restore ends that is killed before (odd numbers) or after a commit (even ones)."""

    def restore_and_die() -> int:
        database = Database(settings.database)
        commit, points = database.engine.dialect.do_commit, [0]

        def point() -> None:
            points[0] += 1
            if points[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)

        def commits(connection: Any) -> None:
            point()
            commit(connection)
            point()

        database.engine.dialect.do_commit = commits  # type: ignore[method-assign, assignment]
        restore(database, settings, archive)
        return 0

    return ended(begin(restore_and_die))


def test_a_restore_that_was_killed_is_taken_for_no_service(archive: Path, tmp_path: Path) -> None:
    """Its tables and files may be there by then, and the rows not."""
    for number in range(1, 99):
        settings = Settings(data_dir=tmp_path / str(number))
        if killed_at(number, archive, settings) == 0:
            break
        for use in (open_services, lambda one: restore(Database(one.database), one, archive)):
            with pytest.raises(BackupRefused, match="did not end"):
                use(settings)
        shutil.rmtree(settings.data_dir)
    assert number > 4, "it was killed at each of its commits"
    database = open_database(settings)
    assert verify_audit(database).problems == [] and counts(database)[0] == 2
    database.close()


def test_a_backup_that_is_told_to_end_leaves_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    open_database(settings).close()
    (settings.data_dir / "noise").write_bytes(random.Random(7).randbytes(20_000_000))
    place = tmp_path / "backups"
    place.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-m", "countersign", "backup", str(place / "monday.zip")],
        env={**os.environ, "COUNTERSIGN_DATA_DIR": str(settings.data_dir)},
    )
    while not list(place.iterdir()):
        assert child.poll() is None
        time.sleep(0.001)
    child.terminate()
    assert child.wait(30) == 128 + signal.SIGTERM
    assert list(place.iterdir()) == []


def test_a_backup_that_is_told_to_end_while_its_file_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    place = tmp_path / "backups"
    place.mkdir()
    make = os.open

    def make_and_end(path: Any, *options: Any, **more: Any) -> int:
        handle = make(path, *options, **more)
        if str(path).startswith(str(place)):
            os.close(handle)
            raise SystemExit(128 + signal.SIGTERM)
        return handle

    database = open_database(settings)
    monkeypatch.setattr(os, "open", make_and_end)
    with pytest.raises(SystemExit):
        back_up(database, settings, place / "monday.zip")
    monkeypatch.undo()
    database.close()
    assert list(place.iterdir()) == []


def test_a_chain_that_was_changed_before_the_backup_is_refused(
    archive: Path, tmp_path: Path
) -> None:
    def forge(members: dict[str, bytes]) -> None:
        name = "tables/audit_log.jsonl"
        members[name] = members[name].replace(b"document_ready", b"document_eaten", 1)
        manifest = json.loads(members[MANIFEST])
        manifest["members"][name] = hashlib.sha256(members[name]).hexdigest()
        members[MANIFEST] = json.dumps(manifest).encode()

    settings = Settings(data_dir=tmp_path / "new")
    database = Database(settings.database)
    with pytest.raises(BackupRefused, match="audit chain"):
        restore(database, settings, changed(archive, tmp_path, forge))
    database.close()


def test_an_archive_is_never_written_over(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    out = tmp_path / "there.zip"
    out.write_bytes(b"precious")
    database = open_database(settings)
    with pytest.raises(BackupRefused):
        back_up(database, settings, out)
    database.close()
    assert out.read_bytes() == b"precious"


def test_a_database_file_that_is_damaged_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    open_database(settings).close()
    file = settings.data_dir / "countersign.db"
    whole = file.read_bytes()
    rubbish = random.Random(7).randbytes(len(whole))
    for damaged in (rubbish, whole[:4096] + rubbish[4096:]):
        for log in settings.data_dir.glob("countersign.db-*"):
            log.unlink()
        file.write_bytes(damaged)
        with pytest.raises(DependencyFailed, match="restore a backup"):
            open_database(settings).close()


def test_a_disk_without_any_room_is_full_and_not_a_database_that_is_away(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    open_database(settings).close()

    def without_room() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
        with pytest.raises(StorageFull):
            open_database(settings).close()
        return 0

    assert ended(begin(without_room)) == 0


def test_a_database_that_cannot_be_opened_is_no_crash(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    closed = Database(f"sqlite:///{tmp_path}")  # a folder
    for act in (restore, back_up):
        with pytest.raises(DependencyFailed, match="rights of its file"):
            act(closed, settings, tmp_path / "backup.zip")
    assert list(tmp_path.iterdir()) == []


def test_files_that_index_versions_share_are_kept_once(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    database = open_database(settings)
    one, other = settings.index_dir / "a" / "vectors.faiss", settings.index_dir / "b" / "0.faiss"
    for path in (one, other):
        path.parent.mkdir(parents=True)
    one.write_bytes(b"x" * 1000)
    other.hardlink_to(one)
    manifest = back_up(database, settings, tmp_path / "backup.zip")
    database.close()
    assert manifest.links == {"data/index/b/0.faiss": "data/index/a/vectors.faiss"}
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        assert [name for name in archive.namelist() if "faiss" in name] == [
            "data/index/a/vectors.faiss"
        ]
    there = Settings(data_dir=tmp_path / "there")
    empty = Database(there.database)
    restore(empty, there, tmp_path / "backup.zip")
    empty.close()
    found = [there.index_dir / "a" / "vectors.faiss", there.index_dir / "b" / "0.faiss"]
    assert found[0].samefile(found[1]) and found[1].read_bytes() == b"x" * 1000


def test_only_files_of_the_data_folder_are_looked_for_in_the_new_one(tmp_path: Path) -> None:
    settings, there = Settings(data_dir=tmp_path / "data"), Settings(data_dir=tmp_path / "there")
    database = open_database(settings)
    beside, upload = tmp_path / "data-of-others" / "a.txt", settings.upload_dir / "b.txt"
    for file in (beside, upload):
        Corpus(database).documents.add("main", str(file), str(file), "0" * 64)
    back_up(database, settings, tmp_path / "backup.zip")
    database.close()
    restored = Database(there.database)
    restore(restored, there, tmp_path / "backup.zip")
    assert Corpus(restored).documents.files() == {str(beside), str(there.upload_dir / "b.txt")}
    restored.close()


def test_a_folder_that_goes_while_all_are_listed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    database = open_database(settings)
    old, kept = settings.index_dir / "old", settings.index_dir / "kept"
    for version in (old, kept):
        version.mkdir(parents=True)
        (version / "a.txt").write_text("text")
    listed = os.scandir

    def too_late(folder: Any) -> Any:
        if str(folder) == str(old):
            shutil.rmtree(old)  # as a service beside does with versions that are not kept
        return listed(folder)

    monkeypatch.setattr(os, "scandir", too_late)
    manifest = back_up(database, settings, tmp_path / "backup.zip")
    database.close()
    assert [name for name in manifest.members if "data/index" in name] == ["data/index/kept/a.txt"]
    old.mkdir()
    assert find_files([settings.index_dir]) == [kept / "a.txt"]
