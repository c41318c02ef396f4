"""On both databases: nothing is lost when a process is killed, a clock jumps, or a disk decays."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import ingestion.stages
from app import db
from app.access.idempotency import Reservation
from app.access.principals import Principal
from app.access.service import Access
from app.access.tables import IdempotencyRow
from app.api.requests import once
from app.corpus.corpus import Corpus
from app.corpus.documents import FIRST_WAIT, GAVE_UP, MAX_ATTEMPTS
from app.corpus.leases import LEASE, LONGEST_WAIT
from app.corpus.tables import DocumentRow
from app.corpus.uploads import UNNAMED_S, Uploads
from app.db import Database, database_time, now
from app.deadline import Deadline
from app.errors import ClaimLost, CountersignError, DependencyFailed, RequestInProgress, TooLarge
from app.files import sha256_file
from app.retrieval.live_index import RETRY_S
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.wiring import build_services
from ingestion.pipeline import Pipeline, Report
from ingestion.worker import worker
from tests.children import begin, ended
from tests.clocks import clock_off, every_clock_off
from tests.conftest import DURABLE
from tests.integration.test_ingestion import CANCEL, CLAIMS, OFFICE, Library, flip
from tests.simulation.world import extract_here
from tests.trails import hold, settings_for
from tests.unit import sample_documents as sample

QUESTION = "theft police head office cancel refund"


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Library:
    return Library(database, tmp_path)


def later(library: Library, by: timedelta) -> Corpus:
    """The corpus as a process has it whose database clock is ahead by that much."""

    def clock(session: Session) -> datetime:
        return database_time(session) + by

    return Corpus(library.database, clock=clock)


def pending(library: Library, name: str, content: str | bytes) -> Path:
    file = library.write(name, content)
    library.corpus.documents.add("main", str(file), str(file), sha256_file(file))
    return file


# Killed processes


def ingest_and_die(library: Library, part: str, method: str, when: str) -> None:
    """Ingest in another process, which is killed before or after it calls that method."""

    def act() -> int:
        corpus = Corpus(Database(library.database.url))
        owner = getattr(corpus, part)
        original = getattr(owner, method)

        def dying(*values: Any, **named: Any) -> None:
            if when == "after":
                original(*values, **named)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(owner, method, dying)
        # Who reads documents has tests of its own, and each process would start one.
        pytest.MonkeyPatch().setattr(ingestion.stages, "extract_jailed", extract_here)
        pipeline = Pipeline(corpus, library.embedder, library.settings, library.suspects)
        pipeline.ingest(list(library.folder.iterdir()), "main")
        return 3

    assert ended(begin(act)) == -signal.SIGKILL


KILLS = [
    ("documents", "add_all", "after"),
    ("documents", "claim_some", "after"),
    ("documents", "save_all", "before"),
    ("documents", "save_all", "after"),
    ("versions", "create", "after"),
    ("versions", "mark_verified", "before"),
    ("versions", "mark_verified", "after"),
    ("versions", "promote", "after"),
    ("versions", "set_aside", "after"),
    ("versions", "forget", "before"),
    ("passages", "purge", "after"),
]


@pytest.mark.parametrize(("part", "method", "when"), KILLS)
def test_a_kill_at_any_commit_loses_nothing_and_leaves_nothing(
    library: Library, part: str, method: str, when: str
) -> None:
    library.write("claims.txt", CLAIMS)
    library.ingest()
    library.write("claims.txt", CANCEL)
    library.write("office.txt", OFFICE)
    library.database.close()
    ingest_and_die(library, part, method, when)
    library.pipeline._corpus = library.corpus = later(library, 2 * LEASE)
    library.pipeline.index._corpus = library.corpus
    library.ingest()
    assert sorted(library.found(QUESTION)) == sorted([CANCEL.strip(), OFFICE.strip()])
    assert not library.corpus.versions.unindexed()
    library.write("office.txt", OFFICE + "Ring the bell.\n")
    library.ingest()  # and one run more, in which old versions go
    states = {version.version_id: version.state for version in library.corpus.versions.all()}
    folders = {path.name for path in library.settings.index_dir.iterdir()}
    assert folders == {name for name, state in states.items() if state != "failed"}
    assert "building" not in states.values()
    assert set(library.passages().values()) == {1}
    assert library.ingest() == Report(unchanged=2)


def test_a_version_that_was_verified_but_never_live_does_not_count_as_done(
    library: Library,
) -> None:
    library.write("claims.txt", CLAIMS)
    ingest_and_die(library, "versions", "mark_verified", "after")
    assert library.version_states() == ["verified"]
    assert library.corpus.versions.live() is None
    report = library.ingest()
    assert (report.unchanged, report.index_version) == (1, library.live())
    assert library.found("theft police") == [CLAIMS.strip()]


def test_a_builder_that_was_given_up_does_not_come_back(library: Library) -> None:
    library.shelf.store("claims.txt", CLAIMS)
    version = library.corpus.versions.create(library.embedder.name)
    library.corpus.versions.give_up_abandoned()
    assert library.version_states() == ["building"]
    later(library, 2 * LEASE).versions.give_up_abandoned()
    assert library.version_states() == ["failed"]
    with pytest.raises(CountersignError) as refused:
        library.corpus.versions.mark_verified(version, [], "0" * 64)
    assert refused.value.code == "conflict"
    library.corpus.versions.renew(version)
    assert library.version_states() == ["failed"]


def test_the_worker_removes_what_a_dead_builder_and_a_dead_upload_left(library: Library) -> None:
    version = later(library, -2 * LEASE).versions.create(library.embedder.name)
    folder = library.settings.index_dir / version
    folder.mkdir(parents=True)
    left = library.settings.upload_dir / "left.md"
    left.parent.mkdir(parents=True)
    left.write_text("left", "utf-8")
    os.utime(left, (0, 0))
    services = replace(build_services(library.settings), screens=library.screens)
    try:
        with worker(services):
            wait_until(lambda: not folder.exists() and not left.exists())
    finally:
        services.close()
    assert library.version_states() == ["failed"]


# Leases and attempts


def test_a_lease_that_is_renewed_holds_and_one_that_is_not_ends_soon(library: Library) -> None:
    pending(library, "claims.txt", CLAIMS)
    claimed = library.corpus.documents.claim()
    assert claimed is not None
    almost, over = later(library, LEASE * 0.7), later(library, LEASE * 1.4)
    assert almost.documents.claim() is None
    almost.documents.renew(claimed)
    assert over.documents.claim() is None
    taken = later(library, LEASE * 2).documents.claim()
    assert taken is not None and (taken.id, taken.attempt) == (claimed.id, 2)
    over.documents.renew(claimed)  # it is no longer the holder
    library.corpus.documents.fail(claimed, "late", "Too late.")
    assert library.document("claims.txt").state == "pending"
    assert timedelta(minutes=1) >= LEASE


@pytest.mark.parametrize("ahead", [timedelta(days=5), timedelta(days=-5)])
def test_a_lease_of_a_clock_that_was_wrong_holds_nothing_up(
    library: Library, ahead: timedelta
) -> None:
    pending(library, "claims.txt", CLAIMS)
    library.shelf.store("office.txt", OFFICE)
    wrong = later(library, ahead)
    assert wrong.documents.claim() is not None
    wrong.versions.create(library.embedder.name)
    assert library.corpus.documents.claim() is not None
    library.corpus.versions.give_up_abandoned()
    assert library.version_states() == ["failed"]


def test_the_database_is_the_one_clock_of_all_hosts(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    if library.database.embedded:
        pytest.skip("SQLite has the clock of its one host")
    pending(library, "claims.txt", CLAIMS)
    with clock_off(monkeypatch, seconds=-20):
        assert library.corpus.documents.claim() is not None
    with clock_off(monkeypatch, seconds=LEASE.total_seconds() + 20):
        assert library.corpus.documents.claim() is None


def test_a_document_that_kills_its_worker_is_tried_last_and_then_given_up(library: Library) -> None:
    pending(library, "deadly.txt", CLAIMS)
    deadly = library.document("deadly.txt").id
    for attempt in range(1, MAX_ATTEMPTS + 1):
        long_ago = (attempt - MAX_ATTEMPTS - 1) * 2 * LEASE
        claimed = later(library, long_ago).documents.claim()
        assert claimed is not None and (claimed.id, claimed.attempt) == (deadly, attempt)
    pending(library, "office.txt", OFFICE)
    first = library.corpus.documents.claim()
    assert first is not None and first.source.endswith("office.txt")
    assert library.corpus.documents.claim() is None
    row = library.document("deadly.txt")
    assert (row.state, row.error_code) == ("failed", GAVE_UP)
    assert row.error_message is not None and "5 attempts" in row.error_message
    report = library.pipeline.retry([deadly])
    assert (report.ingested, report.failures) == (1, [])
    assert library.document("deadly.txt").state == "ready"


@pytest.mark.parametrize("error", [DependencyFailed("The model server is away."), ValueError("x")])
def test_what_may_pass_is_tried_again_after_longer_and_longer_waits(
    library: Library, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_texts: object) -> Any:
        raise error

    monkeypatch.setattr(library.embedder, "embed", away)
    pending(library, "claims.txt", CLAIMS)
    waited = timedelta()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        corpus = later(library, waited)
        library.pipeline._corpus = corpus
        claimed = corpus.documents.claim()
        assert claimed is not None and claimed.attempt == attempt
        library.pipeline.process(claimed)
        code = "dependency_failed" if isinstance(error, CountersignError) else "internal_error"
        assert library.document("claims.txt").error_code in (code, "gave_up")
        wait = min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT)
        assert later(library, waited + wait * 0.9).documents.claim() is None
        waited += wait + timedelta(seconds=5)
    row = library.document("claims.txt")
    assert (row.state, row.error_code) == ("failed", GAVE_UP)
    monkeypatch.undo()
    library.pipeline._corpus = library.corpus
    assert library.pipeline.retry([]).ingested == 1
    assert library.found("theft police") == [CLAIMS.strip()]


def test_whoever_was_held_beside_a_deadly_document_is_tried_without_it(library: Library) -> None:
    for name in ("deadly.txt", "claims.txt", "office.txt"):
        pending(library, name, f"{name}: {CLAIMS}")
    held = library.killed_worker().documents.claim_some(9, 10**6)
    assert [(one.attempt, Path(one.source).name) for one in held] == [
        (1, "deadly.txt"),
        (1, "claims.txt"),
        (1, "office.txt"),
    ]
    again = [library.corpus.documents.claim_some(9, 10**6) for _ in range(4)]
    assert [[one.attempt for one in some] for some in again] == [[2], [2], [2], []]


def test_large_files_are_held_alone(library: Library) -> None:
    for name, size in (("a", 10), ("b", 100), ("c", 10), ("d", 200)):
        library.corpus.documents.add("main", name, f"/nowhere/{name}", "0" * 64, size=size)
    held = [library.corpus.documents.claim_some(9, 100) for _ in range(3)]
    assert [[one.source for one in some] for some in held] == [["a"], ["b"], ["c"]]
    assert [one.source for one in library.corpus.documents.claim_some(9, 100)] == ["d"]


def test_documents_that_are_stored_together_fail_for_themselves(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses the text of one; the others that were to be stored with it are."""
    for number in range(4):
        library.write(f"{number}.txt", f"Rule {number} of the house.\n")
    save, together = library.corpus.documents.save_all, []

    def picky(revisions: Any, embedder: str) -> list[bool]:
        together.append(len(revisions))
        if any("Rule 2" in one.text for made in revisions for one in made.passages):
            raise ValueError("a character that cannot be stored")
        return save(revisions, embedder)

    monkeypatch.setattr(library.corpus.documents, "save_all", picky)
    report = library.ingest()
    assert (report.ingested, [f.code for f in report.failures]) == (3, ["internal_error"])
    assert together == [4, 1, 1, 1, 1]
    assert set(library.passages().values()) == {1}
    row = library.document("2.txt")
    assert (row.state, row.attempts) == ("pending", 1)


def test_one_document_that_crashes_does_not_keep_the_others_out(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.write("claims.txt", CLAIMS)
    library.write("office.txt", OFFICE)
    embed = library.embedder.embed

    def picky(texts: Any) -> Any:
        if any("theft" in text for text in texts):
            raise MemoryError
        return embed(texts)

    monkeypatch.setattr(library.embedder, "embed", picky)
    report = library.ingest()
    assert (report.ingested, [f.code for f in report.failures]) == (1, ["internal_error"])
    assert library.document("claims.txt").state == "pending"
    monkeypatch.undo()
    assert library.ingest().ingested == 1


# Clocks

JUMPS = [{"days": -5.0}, {"days": 5.0}, {"seconds": -20.0}, {"seconds": 20.0}]


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_jumps_leaves_nothing_out(
    library: Library, jump: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    library.shelf.store("claims.txt", CLAIMS)
    first = library.shelf.index()
    with clock_off(monkeypatch, **jump):
        library.shelf.store("office.txt", OFFICE)
        assert library.corpus.versions.unindexed()
    assert library.corpus.versions.unindexed()
    with clock_off(monkeypatch, **jump):
        second = library.shelf.index()
    assert library.live() == second
    assert not library.corpus.versions.unindexed()
    assert len(library.found(QUESTION)) == 2
    library.shelf.store("cancel.txt", CANCEL)
    third = library.shelf.index()
    assert (library.live(), len(library.found(QUESTION))) == (third, 3)
    assert [v.version_id for v in library.corpus.versions.all()][:2] == [third, second]
    assert library.corpus.versions.rollback() == second
    assert first not in [v.version_id for v in library.corpus.versions.all()]


@pytest.mark.parametrize("jump", JUMPS)
def test_a_deletion_acts_whatever_the_clock_says(
    library: Library, jump: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    library.shelf.store("claims.txt", CLAIMS)
    library.shelf.store("office.txt", OFFICE)
    with clock_off(monkeypatch, **{name: -by for name, by in jump.items()}):
        library.shelf.index()
    live = library.corpus.versions.live()
    assert live is not None
    with clock_off(monkeypatch, **jump):
        deleted = library.shelf.ids["claims.txt"]
        library.corpus.documents.delete(deleted)
    assert library.corpus.documents.deleted_since(live.number) == [deleted]
    assert library.found(QUESTION) == [OFFICE.strip()]


@pytest.mark.parametrize("jump", JUMPS)
def test_a_host_with_another_clock_builds_beside_and_nothing_is_left_out(
    library: Library, jump: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document is saved by a host with another clock, while this one builds."""
    library.shelf.store("claims.txt", CLAIMS)
    indexable = library.corpus.passages.indexable

    def interrupted(embedder: str) -> Any:
        found = list(indexable(embedder))
        with clock_off(monkeypatch, **jump):
            library.shelf.store("office.txt", OFFICE)
        return found

    library.corpus.passages.indexable = interrupted  # type: ignore[method-assign]
    library.shelf.index()
    library.corpus.passages.indexable = indexable  # type: ignore[method-assign]
    assert library.corpus.versions.unindexed()
    library.shelf.index()
    assert len(library.found(QUESTION)) == 2


ANN = Principal("ann", frozenset({"asker"}))
RITA, ROB = (Principal(name, frozenset({"reviewer"})) for name in ("rita", "rob"))


def test_a_claim_of_a_clock_that_was_ahead_holds_nobody_up(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(database.url, tmp_path)
    task_id, _ = hold(database, settings)
    desk = ReviewDesk(database, settings)
    with every_clock_off(monkeypatch, seconds=3600):
        seen = desk.claim(RITA, task_id)
    taken = desk.claim(ROB, task_id)
    assert taken.fence == seen.fence + 1
    for seconds in (20, -20):
        off = every_clock_off(monkeypatch, seconds=seconds)
        with off, pytest.raises(ClaimLost):
            desk.claim(RITA, task_id)


def test_a_request_that_died_under_a_clock_that_was_ahead_gives_its_key_back(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = Access(database, settings_for(database.url, tmp_path)).requests
    with every_clock_off(monkeypatch, days=5):
        assert isinstance(requests.begin(ANN, "key", "body"), Reservation)
    assert isinstance(requests.begin(ANN, "key", "body"), Reservation)
    with pytest.raises(RequestInProgress):
        requests.begin(ANN, "key", "body")


def test_a_request_that_is_killed_after_its_commit_does_not_run_again(
    database: Database, tmp_path: Path
) -> None:
    settings = settings_for(database.url, tmp_path)
    task_id, _ = hold(database, settings)
    desk = ReviewDesk(database, settings)
    seen = desk.claim(RITA, task_id)
    body = {"fence": seen.fence}
    database.close()
    child = os.fork()
    if child == 0:
        own = Database(database.url)

        def decide_and_die() -> str:
            decision = Decision("approve", seen.content_sha256, seen.fence)
            ReviewDesk(own, settings).decide(RITA, task_id, decision)
            os.kill(os.getpid(), signal.SIGKILL)
            return "never"

        once(Access(own, settings), RITA, "key", body, decide_and_die, str)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with database.transaction() as session:
        session.execute(update(IdempotencyRow).values(created_at=now() - timedelta(hours=1)))
    again = once(Access(database, settings), RITA, "key", body, lambda: "ran again", str)
    assert again == task_id


# A disk that decays


def damage(library: Library, how: str) -> None:
    folder = library.settings.index_dir / library.live()
    if how == "vectors":
        flip(folder / "vectors.faiss")
    elif how == "gone":
        (folder / "manifest.json").unlink()
    else:
        (folder / "lexical" / ".managed.json").write_text("not JSON", "utf-8")


@pytest.mark.parametrize("how", ["vectors", "gone", "dot file"])
def test_the_last_good_version_answers_for_a_damaged_one_and_says_so(
    library: Library, how: str
) -> None:
    library.shelf.store("claims.txt", CLAIMS)
    library.shelf.store("office.txt", OFFICE)
    library.shelf.index()
    library.shelf.store("cancel.txt", CANCEL)
    library.shelf.index()
    library.corpus.documents.delete(library.shelf.ids["claims.txt"])
    damage(library, how)
    retriever = library.new_retriever()
    found = retriever.retrieve(QUESTION, ["main"], 10, Deadline(30))
    assert [hit.passage.text for hit in found.hits] == [OFFICE]
    assert library.live() in retriever.problem and found.version_id in retriever.problem
    assert found.version_id != library.live()
    library.shelf.index()
    again = retriever.retrieve(QUESTION, ["main"], 10, Deadline(30)).hits
    assert sorted(hit.passage.text for hit in again) == [OFFICE, CANCEL]
    assert retriever.problem == ""


def test_a_damaged_version_is_tried_again_now_and_then(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.shelf.store("claims.txt", CLAIMS)
    library.shelf.index()
    library.shelf.store("office.txt", OFFICE)
    library.shelf.index()
    folder = library.settings.index_dir / library.live()
    folder.rename(folder.with_name("unmounted"))
    retriever = library.new_retriever()
    assert retriever.live_passages() == 1
    folder.with_name("unmounted").rename(folder)
    assert (retriever.live_passages(), bool(retriever.problem)) == (1, True)
    soon = time.monotonic() + RETRY_S
    monkeypatch.setattr("app.retrieval.live_index.time.monotonic", lambda: soon)
    assert (retriever.live_passages(), retriever.problem) == (2, "")


@pytest.mark.parametrize("how", ["vectors", "dot file"])
def test_without_a_good_version_it_is_a_coded_error_and_the_worker_builds_one(
    library: Library, how: str
) -> None:
    library.shelf.store("claims.txt", CLAIMS)
    broken = library.shelf.index()
    damage(library, how)
    retriever = library.new_retriever()
    with pytest.raises(DependencyFailed) as caught:
        retriever.live_passages()
    assert caught.value.code == "dependency_failed" and retriever.problem
    services = replace(
        build_services(library.settings),
        embedder=library.embedder,
        screens=library.screens,
        retriever=retriever,
    )
    try:
        with worker(services):
            wait_until(lambda: library.live() != broken)
            wait_until(lambda: not retriever.problem)
    finally:
        services.close()
    assert library.found("theft police") == [CLAIMS.strip()]
    assert len(library.corpus.versions.all()) == 2


def wait_until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 120
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_every_file_of_an_index_reaches_the_disk_before_it_can_go_live(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[tuple[int, int]] = set()
    real = os.fsync

    def watched(handle: int) -> None:
        found = os.fstat(handle)
        synced.add((found.st_dev, found.st_ino))
        real(handle)

    monkeypatch.setattr(os, "fsync", watched)
    verified = library.corpus.versions.mark_verified
    missing: list[Path] = []

    def checked(version_id: str, *more: Any) -> None:
        folder = library.settings.index_dir / version_id
        for path in (*folder.rglob("*"), folder, folder.parent):
            if path.name.endswith(".lock"):  # of the reader that verified the version
                continue
            found = path.stat()
            if (found.st_dev, found.st_ino) not in synced:
                missing.append(path)
        verified(version_id, *more)

    monkeypatch.setattr(library.corpus.versions, "mark_verified", checked)
    library.shelf.store("claims.txt", CLAIMS)
    library.shelf.index()
    assert missing == [] and len(synced) > 5


def test_a_commit_on_sqlite_reaches_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "PRAGMAS", DURABLE)
    database = Database(f"sqlite:///{tmp_path / 'durable.db'}")
    with database.engine.connect() as connection:
        (level,) = connection.exec_driver_sql("PRAGMA synchronous").one()
    database.close()
    assert level == 2  # FULL


# Uploads


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads", 100)


def kept(folder: Path) -> list[str]:
    return sorted(path.read_text() for path in (folder / "uploads").iterdir())


def test_each_upload_has_a_file_of_its_own(uploads: Uploads, tmp_path: Path) -> None:
    source = tmp_path / "same.md"
    source.write_text("same")
    stored = []
    for _ in range(2):
        with source.open("rb") as content:
            stored.append(uploads.store(content, "same.md"))
    assert stored[0].sha256 == stored[1].sha256 == sha256_file(source)
    uploads.remove(stored[0].path)
    uploads.remove(source)  # not one of the uploads
    uploads.remove("")
    assert kept(tmp_path) == ["same"] and source.exists()
    assert stored[1].path.suffix == ".md"


def test_an_upload_that_is_too_large_leaves_nothing(uploads: Uploads, tmp_path: Path) -> None:
    source = tmp_path / "large.md"
    source.write_text("x" * 101)
    with source.open("rb") as content, pytest.raises(TooLarge):
        uploads.store(content, "large.md")
    assert kept(tmp_path) == []


def test_what_a_crash_left_is_swept_once_it_is_old(uploads: Uploads, tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    assert uploads.sweep(set()) == 0
    folder.mkdir()
    for name in ("named", "left", "young"):
        (folder / name).write_text(name)
        age = 0 if name == "young" else UNNAMED_S + 10
        then = (folder / name).stat().st_mtime - age
        os.utime(folder / name, (then, then))
    assert uploads.sweep({str(folder / "named")}) == 1
    assert kept(tmp_path) == ["named", "young"]
    # The data folder has another path since the upload was stored.
    assert uploads.sweep({"/srv/before/uploads/named"}) == 0


@pytest.mark.parametrize(("content", "stays"), [(b"%PDF-1.7 nothing", False), (CLAIMS, True)])
def test_the_file_of_a_refused_upload_goes(
    library: Library, content: str | bytes, stays: bool
) -> None:
    library.folder = library.settings.upload_dir.resolve()
    library.folder.mkdir(parents=True)
    name = "fine.txt" if stays else "broken.pdf"
    file = pending(library, name, content)
    claimed = library.corpus.documents.claim()
    assert claimed is not None
    library.pipeline.process(claimed)
    assert file.exists() == stays


def test_an_upload_that_comes_again_while_it_is_read_does_not_fail(library: Library) -> None:
    folder = library.settings.upload_dir.resolve()
    folder.mkdir(parents=True)
    claimed = []
    for name in ("first.txt", "again.txt"):
        (folder / name).write_text(CLAIMS)
        file, digest = str(folder / name), sha256_file(folder / name)
        library.corpus.documents.add("main", "claims.txt", file, digest)
        claimed.append(library.corpus.documents.claim())
    (folder / "first.txt").unlink()  # as of every file that is replaced
    for document in claimed:
        assert document is not None
        library.pipeline.process(document)
    assert library.document("claims.txt").state == "ready"


def test_what_replaces_an_upload_is_read_in_its_own_format(library: Library) -> None:
    folder = library.settings.upload_dir.resolve()
    folder.mkdir(parents=True)
    for name, content, kind in (
        ("0f.md", f"# Claims\n\n{CLAIMS}", "text/markdown"),
        ("1f.csv", "Item,Fee\nDog,3\nCat,4\n", "text/csv"),
        ("2f", "Item,Fee\nDog,5\nCat,6\n", "text/markdown"),
    ):
        (folder / name).write_text(content)
        library.corpus.documents.add(
            "main", "claims.md", str(folder / name), sha256_file(folder / name)
        )
        claimed = library.corpus.documents.claim()
        assert claimed is not None
        library.pipeline.process(claimed)
        shown = library.document("claims.md")
        assert (shown.state, shown.media_type) == ("ready", kind)
        assert shown.title.casefold() == "claims"


def test_the_file_of_a_refused_document_that_is_no_upload_stays(library: Library) -> None:
    file = library.write("broken.pdf", sample.pdf([["A page."]])[:40])
    assert [failure.code for failure in library.ingest().failures] == ["corrupt"]
    assert file.exists()


# A database that goes away


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("fault", ["SELECT pg_terminate_backend(pg_backend_pid())", "SELECT 1/0"])
def test_who_goes_on_after_the_database_has_failed_is_told_so_and_stores_nothing(
    library: Library, fault: str
) -> None:
    """As the gate does, which takes any failure for its own."""
    with pytest.raises(DependencyFailed), library.database.transaction() as session:
        with suppress(DBAPIError):
            session.execute(text(fault))
        session.add(IdempotencyRow(principal="ann", key="k", request_sha256="", created_at=now()))
    with library.database.reading() as session:
        assert session.get(IdempotencyRow, ("ann", "k")) is None


# Counts, and what a search reads


def test_the_counts_of_collections_are_those_of_the_documents(library: Library) -> None:
    for number, collection in enumerate(("main", "main", "board", "main")):
        library.shelf.store(f"{number}.txt", CLAIMS, collection=collection)
    library.corpus.documents.delete(library.shelf.ids["1.txt"])
    library.corpus.documents.delete(library.shelf.ids["2.txt"])
    library.shelf.store("1.txt", OFFICE)
    library.shelf.store("0.txt", OFFICE)
    library.corpus.documents.delete(library.shelf.ids["3.txt"])
    with pytest.raises(CountersignError):
        library.corpus.documents.delete(library.shelf.ids["3.txt"])
    with library.database.reading() as session:
        rows = session.execute(
            select(DocumentRow.collection, func.count())
            .where(DocumentRow.state != "deleted")
            .group_by(DocumentRow.collection)
        )
        counted = {row[0]: row[1] for row in rows}
    assert library.corpus.documents.collections() == counted == {"main": 2}
    assert library.corpus.documents.page(["main", "board"]).total == 2


def test_two_uploads_of_one_name_at_once_are_one_document(library: Library) -> None:
    def add(number: int) -> str:
        return library.corpus.documents.add("main", "a.txt", f"/n/{number}", "0" * 64).document_id

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(add, range(8)))) == 1
    assert library.corpus.documents.collections() == {"main": 1}


def test_a_question_reads_no_embedding_and_counts_no_documents(library: Library) -> None:
    library.shelf.store("claims.txt", CLAIMS)
    library.shelf.index()
    said: list[str] = []

    def listen(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        said.append(statement)

    event.listen(library.database.engine, "before_cursor_execute", listen)
    library.corpus.documents.collections()
    assert library.found("theft police") == [CLAIMS.strip()]
    assert said and "FROM documents" not in said[0]
    assert not any("embedding" in statement for statement in said)
