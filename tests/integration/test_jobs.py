"""Ingestion jobs: progress, reasons, fair order, cancel, retry; files that moved or are gone."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import column, func, not_, select, table, update

from app.corpus.jobs import KEPT_DAYS, JobDetails
from app.corpus.tables import DocumentRow, JobItemRow, JobRow
from app.db import Database, now
from app.errors import Invalid, NotFound
from app.files import sha256_file
from app.proof.erasure import Eraser
from app.wiring import build_services
from ingestion.pipeline import Report
from ingestion.sources import find_files, find_folders
from ingestion.worker import worker
from tests.integration.test_ingestion import CANCEL, CLAIMS, OFFICE, Library


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Library:
    return Library(database, tmp_path)


def job_of(library: Library, report: Report) -> JobDetails:
    assert report.job_id is not None
    return library.corpus.jobs.get(report.job_id)


def give(library: Library, *names: str, job_id: str | None = None) -> str:
    """Register files that exist as one job; returns its id."""
    job_id = job_id or library.corpus.jobs.create("main", "olga")
    for name in names:
        file = library.write(name, f"{name} is about theft.\n")
        library.corpus.documents.add(
            "main", str(file), str(file), sha256_file(file), job_id=job_id, size=20
        )
    return job_id


def states(library: Library, job_id: str) -> dict[str, str]:
    return {Path(i.source).name: i.state for i in library.corpus.jobs.get(job_id).items}


def work_off(library: Library, most: int = 100) -> list[str]:
    """Ingest what waits, at most so many; returns the names in the order they were taken."""
    taken: list[str] = []
    while len(taken) < most and (document := library.corpus.documents.claim()) is not None:
        library.pipeline.process(document)
        taken.append(Path(document.source).name)
    return taken


# Progress and reasons


def test_a_job_tells_what_became_of_each_file(library: Library) -> None:
    library.write("office.txt", OFFICE)
    library.ingest()
    library.write("claims.txt", CLAIMS)
    library.write("broken.txt", b"\x00\x01\x02")
    files = [*find_files([library.folder]), library.folder / "vanished.txt"]
    report = library.pipeline.ingest(files, "main", by="olga")
    details = job_of(library, report)
    job = details.job
    assert (job.state, job.by, job.collection, job.items) == ("failed", "olga", "main", 4)
    assert (job.ready, job.unchanged, job.failed, job.pending, job.passages) == (1, 1, 2, 0, 1)
    codes = {Path(item.source).name: (item.state, item.error_code) for item in details.items}
    assert codes == {
        "broken.txt": ("failed", "not_text"),
        "claims.txt": ("ready", None),
        "office.txt": ("unchanged", None),
        "vanished.txt": ("failed", "unreadable"),
    }
    assert (report.ingested, report.unchanged, len(report.failures)) == (1, 1, 2)
    assert job.first == details.items[0].source and job.first.endswith("broken.txt")
    (ready,) = library.corpus.jobs.get(job.job_id, state="ready").items
    assert ready.source.endswith("claims.txt")
    assert len(library.corpus.jobs.get(job.job_id, state="failed").items) == 2
    page = library.corpus.jobs.page(["main"], limit=1)
    assert (page.total, page.jobs) == (2, [job])
    assert library.corpus.jobs.page(["board"]).total == 0


def test_progress_counts_what_is_stored(library: Library) -> None:
    job_id = give(library, "a.txt", "b.txt", "c.txt")
    for done in range(4):
        job = library.corpus.jobs.view(job_id)
        assert (job.pending, job.ready, job.passages) == (3 - done, done, done)
        assert job.state == ("done" if done == 3 else "running")
        work_off(library, 1)


def test_a_job_waits_unless_somebody_is_at_one_of_its_documents(library: Library) -> None:
    jobs, documents = library.corpus.jobs, library.corpus.documents
    killed, living = give(library, "a.txt", "b.txt"), give(library, "c.txt", "d.txt")
    waits = {job.job_id: job.waits for job in jobs.page(["main"]).jobs}
    assert waits == {killed: True, living: True}
    ids = {job: [i.document_id or "" for i in jobs.get(job).items] for job in waits}
    assert library.killed_worker().documents.claim(only=ids[killed]) is not None
    held = documents.claim(only=ids[living])
    assert held is not None
    assert [jobs.view(job).state for job in (killed, living)] == ["running", "running"]
    assert [jobs.view(job).waits for job in (killed, living)] == [True, False]
    library.pipeline.process(held)
    assert jobs.view(living).waits, "its other document"
    work_off(library)
    assert [jobs.view(job).waits for job in (killed, living)] == [False, False]


def test_an_item_keeps_what_became_of_it(library: Library) -> None:
    first = give(library, "a.txt", "b.txt", "c.txt", "d.txt")
    work_off(library, 2)
    library.write("a.txt", CLAIMS)
    for name in ("a.txt", "c.txt"):  # another job takes up one that is ready, and one that waits
        file = library.folder / name
        library.corpus.documents.add("main", str(file), str(file), sha256_file(file))
    ids = {Path(i.source).name: i.document_id for i in library.corpus.jobs.get(first).items}
    for name in ("b.txt", "d.txt"):
        library.corpus.documents.delete(ids[name] or "")
    expected = {"a.txt": "ready", "b.txt": "ready", "c.txt": "replaced", "d.txt": "replaced"}
    assert states(library, first) == expected
    work_off(library)
    assert states(library, first) == expected
    assert library.corpus.jobs.view(first).state == "done"


def test_an_erased_document_leaves_no_name_in_jobs(library: Library) -> None:
    job_id = give(library, "salaries-of-ann.txt")
    work_off(library)
    (item,) = library.corpus.jobs.get(job_id).items
    eraser = Eraser(library.database, library.settings, library.corpus)
    eraser.document(item.document_id or "", "olga")
    with library.database.reading() as session:
        assert "salaries" not in "".join(session.scalars(select(JobItemRow.source)))


def test_old_jobs_are_forgotten_unless_something_waits(library: Library) -> None:
    done = give(library, "a.txt")
    work_off(library)
    waiting = give(library, "b.txt")
    with library.database.transaction() as session:
        long_ago = now() - timedelta(days=KEPT_DAYS + 1)
        session.execute(update(JobRow).values(created_at=long_ago))
    fresh = give(library, "c.txt")
    library.pipeline.tidy()
    assert not library.corpus.jobs.exists(done)
    assert library.corpus.jobs.exists(waiting) and library.corpus.jobs.exists(fresh)
    with pytest.raises(NotFound):
        library.corpus.jobs.get(done)


# Order, and other workers


def test_a_small_job_is_not_held_up_by_a_large_one_nor_the_other_way(library: Library) -> None:
    give(library, *(f"large-{number}.txt" for number in range(6)))
    assert work_off(library, 2) == ["large-0.txt", "large-1.txt"]
    give(library, "small-0.txt", "small-1.txt")
    give(library, "other-0.txt")
    assert work_off(library, 5) == [
        "large-2.txt",
        "small-0.txt",
        "other-0.txt",
        "large-3.txt",
        "small-1.txt",
    ]
    for number in range(3):  # a stream of single files takes turns with it
        give(library, f"one-{number}.txt")
        assert f"large-{number + 4}.txt" in work_off(library, 2) or number == 2


def test_a_large_file_is_left_to_those_who_take_large_ones(library: Library) -> None:
    file = library.write("large.txt", CLAIMS * 500)
    small = library.write("small.txt", OFFICE)
    for path in (file, small):
        size = path.stat().st_size
        library.corpus.documents.add("main", str(path), str(path), sha256_file(path), size=size)
    claimed = library.corpus.documents.claim(largest=1000)
    assert claimed is not None and claimed.source.endswith("small.txt")
    assert library.corpus.documents.claim(largest=1000) is None
    assert library.corpus.documents.claim() is not None


def test_a_small_upload_is_found_while_a_large_one_is_read(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = library.write("large.txt", "The archive is long. " * 20_000)
    give_up_waiting = time.monotonic() + 120
    prepare, looked = library.embedder.embed, threading.Event()

    def slowly(texts: list[str]) -> object:
        if any("archive" in text for text in texts):
            looked.wait(240)
        return prepare(texts)

    library.shelf.store("claims.txt", CLAIMS)
    library.shelf.index()
    monkeypatch.setattr(library.embedder, "embed", slowly)
    for path in (large, library.write("office.txt", OFFICE)):
        size = path.stat().st_size
        library.corpus.documents.add("main", str(path), str(path), sha256_file(path), size=size)
    services = replace(
        build_services(library.settings), embedder=library.embedder, screens=library.screens
    )
    try:
        with worker(services):
            while not library.found("Tarnbridge") or OFFICE.strip() not in library.found("office"):
                assert time.monotonic() < give_up_waiting
                time.sleep(0.05)
            assert library.document("large.txt").state == "pending"
            looked.set()
    finally:
        looked.set()
        services.close()


def test_a_command_beside_a_service_reports_what_both_ingested(library: Library) -> None:
    for number in range(12):
        library.write(f"d{number}.txt", f"Theft rule number {number}.")
    library.write("broken.txt", b"\x00\x01\x02")
    services = replace(
        build_services(library.settings), embedder=library.embedder, screens=library.screens
    )
    try:
        with worker(services), ThreadPoolExecutor(1) as pool:
            report = pool.submit(library.ingest).result(timeout=120)
    finally:
        services.close()
    assert (report.ingested, report.passages, len(report.failures)) == (12, 12, 1)
    assert report.index_version is not None
    assert len(library.found("theft rule number")) == 10
    assert job_of(library, report).job.ready == 12
    assert not library.corpus.versions.unindexed()


def test_an_address_may_end_in_a_long_query(library: Library) -> None:
    address = f"https://pages.example/page?{'q' * 900}"
    added = library.corpus.documents.add("main", address, "page.html", "0" * 64)
    assert library.corpus.documents.get(added.document_id).source == address


# Cancelled, and tried again


def test_what_waits_of_a_cancelled_job_is_not_read(library: Library) -> None:
    job_id = give(library, "a.txt", "b.txt", "c.txt")
    work_off(library, 1)
    being_read = library.corpus.documents.claim()
    assert being_read is not None
    job = library.corpus.jobs.cancel(job_id)
    assert (job.state, job.ready, job.cancelled, job.pending) == ("cancelled", 1, 2, 0)
    library.pipeline.process(being_read)
    assert states(library, job_id) == {"a.txt": "ready", "b.txt": "cancelled", "c.txt": "cancelled"}
    assert library.corpus.documents.claim() is None
    assert sum(library.passages().values()) == 1
    report = library.pipeline.retry([job_id])
    assert (report.ingested, report.failures) == (2, [])
    assert library.corpus.jobs.view(job_id).state == "done"


def test_what_a_cancelled_job_is_given_later_is_not_read(library: Library) -> None:
    job_id = give(library, "a.txt")
    library.corpus.jobs.cancel(job_id)  # while a command still registers a large folder
    give(library, "b.txt", job_id=job_id)
    assert work_off(library) == []
    assert states(library, job_id) == {"a.txt": "cancelled", "b.txt": "cancelled"}
    assert library.pipeline.retry([job_id]).ingested == 2


def test_a_cancelled_change_leaves_the_earlier_revision(library: Library) -> None:
    library.write("claims.txt", CLAIMS)
    library.ingest()
    file = library.write("claims.txt", CANCEL)
    added = library.corpus.documents.add("main", str(file), str(file), sha256_file(file))
    job_id = library.corpus.documents.get(added.document_id).job_id
    assert job_id is not None
    library.corpus.jobs.cancel(job_id)
    assert library.found("theft police") == [CLAIMS.strip()]
    assert library.pipeline.retry([job_id]).ingested == 1
    assert library.found("theft refund") == [CANCEL.strip()]


def test_a_job_is_tried_again_alone(library: Library) -> None:
    bad = library.write("a.txt", b"\x00")
    first = library.pipeline.ingest([bad], "main")
    second = library.pipeline.ingest([library.write("b.txt", b"\x01\x00")], "main")
    library.write("a.txt", CLAIMS)
    assert first.job_id is not None and second.job_id is not None
    again = library.pipeline.retry([first.job_id])
    assert [failure.code for failure in again.failures] == ["changed"]
    assert library.corpus.jobs.view(second.job_id).failed == 1
    with pytest.raises(NotFound):
        library.corpus.jobs.cancel("0" * 32)


def test_a_job_is_tried_again_where_the_same_file_may_be_ingested(library: Library) -> None:
    job_id = give(library, "a.txt", "b.txt", "c.txt")
    documents, jobs = library.corpus.documents, library.corpus.jobs
    for code in ("empty", "crashed", "corrupt"):
        claimed = documents.claim()
        assert claimed is not None
        documents.fail(claimed, code, f"It is {code}.")
        assert documents.get(claimed.id).retryable is (code == "crashed")
    job = jobs.view(job_id)
    assert (job.failed, job.retryable, job.items) == (3, 1, 3)
    assert len(jobs.retry(job_id, lasting=False)) == 1
    told = {item.error_message for item in jobs.get(job_id).items}
    assert told == {"It is empty.", None, "It is corrupt."}  # the others still say why
    assert jobs.view(job_id).retryable == 0  # it is pending
    jobs.cancel(job_id)
    assert jobs.view(job_id).retryable == 1
    assert len(jobs.retry(job_id)) == 3  # by name, on the command line


# Collections that are new, files that moved or are gone


def test_a_mistyped_collection_is_not_created(library: Library) -> None:
    add = library.corpus.documents.add
    with pytest.raises(NotFound, match="no collection 'mian'"):
        add("mian", "a.txt", "/nowhere/a.txt", "0" * 64, create=False)
    assert library.corpus.documents.collections() == {}
    assert library.corpus.jobs.collections() == []
    add("main", "a.txt", "/nowhere/a.txt", "0" * 64, create=False)  # it is always there
    add("board", "a.txt", "/nowhere/a.txt", "0" * 64)
    add("board", "b.txt", "/nowhere/b.txt", "0" * 64, create=False)
    assert library.corpus.documents.collections() == {"board": 2, "main": 1}


def test_documents_whose_file_is_gone_are_pruned(library: Library) -> None:
    below = library.folder / "rules"
    below.mkdir()
    for path, text in ((below / "claims.txt", CLAIMS), (below / "office.txt", OFFICE)):
        path.write_text(text, "utf-8")
    outside = library.write("cancel.txt", CANCEL)
    library.ingest()
    library.pipeline.ingest(find_files([below]), "board")
    (below / "claims.txt").unlink()
    outside.unlink()
    assert library.pipeline.ingest(find_files([below]), "main").removed == 0
    report = library.pipeline.ingest(find_files([below]), "main", prune=find_folders([below]))
    assert (report.removed, report.unchanged) == (1, 1)
    assert library.corpus.documents.collections() == {"board": 2, "main": 2}
    assert CLAIMS.strip() not in library.found("theft police head office refund")
    assert CANCEL.strip() in library.found("refund cancel")  # not below the folder


def test_a_folder_that_is_not_there_prunes_nothing(library: Library, tmp_path: Path) -> None:
    file = library.write("claims.txt", CLAIMS)
    with pytest.raises(Invalid, match="name one"):
        find_folders([file])
    file.unlink()
    with pytest.raises(Invalid, match="holds no documents"):
        find_folders([library.folder])


def test_a_moved_file_is_the_same_document(library: Library) -> None:
    file = library.write("claims.txt", f"# Claims\n\n{CLAIMS}")
    library.write("office.txt", OFFICE)
    library.ingest()
    document, version = library.document("claims.txt"), library.live()
    (library.folder / "2026").mkdir()
    file.rename(library.folder / "2026" / "claims.txt")
    report = library.pipeline.ingest(
        find_files([library.folder]), "main", prune=find_folders([library.folder])
    )
    assert (report.moved, report.removed, report.ingested, report.unchanged) == (1, 0, 0, 2)
    moved = library.document("2026/claims.txt")
    assert (moved.id, moved.revision) == (document.id, 1)
    assert library.live() == version
    assert library.corpus.documents.collections() == {"main": 2}


def test_a_file_whose_name_is_its_title_is_read_again_under_the_new_one(library: Library) -> None:
    file = library.write("claims.txt", CLAIMS)
    library.ingest()
    document = library.document("claims.txt")
    file.rename(library.folder / "theft.txt")
    report = library.ingest()
    assert (report.moved, report.ingested) == (1, 1)
    moved = library.document("theft.txt")
    assert (moved.id, moved.revision, moved.title) == (document.id, 2, "theft")


def test_a_file_whose_ending_changes_is_read_again_in_its_new_format(library: Library) -> None:
    file = library.write("claims.txt", f"# Claims\n\n{CLAIMS}")
    library.ingest()
    before = library.document("claims.txt")
    file.rename(library.folder / "claims.md")
    report = library.ingest()
    assert (report.moved, report.ingested) == (1, 1)
    moved = library.document("claims.md")
    assert (before.media_type, moved.media_type) == ("text/plain", "text/markdown")
    assert moved.id == before.id


def test_a_copy_is_another_document(library: Library) -> None:
    library.write("claims.txt", CLAIMS)
    library.ingest()
    library.write("copy.txt", CLAIMS)
    report = library.ingest()
    assert (report.moved, report.ingested) == (0, 1)
    # A place that a deleted document had is free for one that moves there.
    library.corpus.documents.delete(library.document("copy.txt").id)
    (library.folder / "claims.txt").rename(library.folder / "copy.txt")
    assert library.ingest().moved == 1
    assert library.corpus.documents.collections() == {"main": 1}
    assert [d.title for d in library.corpus.documents.page(["main"]).documents] == ["copy"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("alone", [True, False], ids=["of a job", "of all"])
def test_retries_lock_documents_in_the_order_of_those_who_save_them(
    library: Library, alone: bool
) -> None:
    """Else two of them, or one and a folder that is ingested again, wait for each other."""
    job_id = give(library, *(f"{number}.txt" for number in range(5)))
    library.corpus.jobs.cancel(job_id)
    with library.database.transaction() as session:
        rows = sorted(session.scalars(select(DocumentRow)), key=lambda row: row.id)
        for turn, row in enumerate(reversed(rows)):  # the first one last, in its turn and on disk
            row.turn = turn
            session.flush()
    jobs, documents = library.corpus.jobs, library.corpus.documents
    with ThreadPoolExecutor(1) as pool:
        with library.database.transaction() as session:
            first, *others = (
                select(DocumentRow.id).where(DocumentRow.id == row.id) for row in rows
            )
            session.execute(first.with_for_update())
            retry = pool.submit(jobs.retry, job_id) if alone else pool.submit(documents.retry, [])
            locks = table("pg_locks", column("granted"))
            waiting = select(func.count()).select_from(locks).where(not_(locks.c.granted))
            while not session.scalar(waiting):
                time.sleep(0.05)
            for query in others:
                session.execute(query.with_for_update(nowait=True))
        assert retry.result(60) == [row.id for row in reversed(rows)]
