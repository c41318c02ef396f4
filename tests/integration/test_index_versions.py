"""Index versions that extend others: what they find is what a fresh build finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event, select, update

import app.retrieval.passage_index
import ingestion.build_process
import ingestion.indexing
import ingestion.stages
from app.corpus.passages import IndexedPassage
from app.corpus.tables import IndexPassagesRow, IndexVersionRow, PassageRow
from app.corpus.versions import IndexVersion
from app.db import Database
from app.deadline import Deadline
from app.errors import Conflict, DependencyFailed
from app.files import sha256_file
from app.gate.coverage import _live_texts
from app.ports import Vectors
from app.retrieval.entries import Entry
from app.retrieval.passage_index import (
    FUSION_DEPTH,
    MANIFEST,
    FileKey,
    PassageIndex,
    extend_index,
    write_index,
)
from app.retrieval.segment import RankedPositions
from app.retrieval.vector import Mask
from ingestion.build_process import build_apart
from ingestion.formats.extract import extract
from tests.conftest import on_sqlite
from tests.handbook import Handbook
from tests.integration.test_ingestion import CLAIMS, OFFICE, Library, flip

NEAR = 1e-3
"""Scores of BM25 this near count as equal: tantivy keeps the lengths of removed passages in the
average until it merges files."""


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Library:
    made = Library(database, tmp_path)
    made.pipeline.index.rebuilt_below = 0
    return made


@dataclass
class Stocked:
    """A library of many small documents, so that a few changes are few."""

    library: Library
    ids: dict[str, str]

    def store(self, source: str, *texts: str, collection: str = "main") -> None:
        self.library.shelf.store(source, *texts, collection=collection)

    def update(self) -> IndexVersion:
        self.library.pipeline.index.update()
        live = self.library.corpus.versions.live()
        assert live is not None
        return live

    def delete(self, source: str) -> None:
        self.library.corpus.documents.delete(self.ids[source])

    def folder(self, version_id: str) -> Path:
        return self.library.settings.index_dir / version_id

    def states(self) -> dict[str, str]:
        return {v.version_id: v.state for v in self.library.corpus.versions.all()}

    def rows(self) -> set[str]:
        with self.library.database.reading() as session:
            return set(session.scalars(select(IndexVersionRow.id)))


@pytest.fixture
def stocked(library: Library) -> Stocked:
    for number in range(12):
        library.shelf.store(f"rule-{number}.txt", f"Rule {number} asks for form {number + 40}.")
    library.shelf.store("claims.txt", CLAIMS)
    library.shelf.store("wages.txt", "The wages of the board are secret.", collection="board")
    library.shelf.index()
    return Stocked(library, library.shelf.ids)


def scored(index: PassageIndex, hits: RankedPositions) -> dict[str, float]:
    return {index.entry(position).passage_id: score for position, score in hits}


def differences(ours: Mapping[str, float], theirs: Mapping[str, float]) -> set[str]:
    """Passages that only one of two rankings has, or with another score; what is as far from the
    last place as scores may differ could be in either."""
    last = max(min(ours.values(), default=0.0), min(theirs.values(), default=0.0))
    full = len(ours) >= FUSION_DEPTH
    return {
        passage
        for passage in ours.keys() | theirs.keys()
        if not (full and max(ours.get(passage, 0), theirs.get(passage, 0)) <= last * (1 + NEAR))
        and abs(ours.get(passage, 0.0) - theirs.get(passage, 0.0)) > NEAR * theirs.get(passage, 0)
    }


def fresh(library: Library, folder: Path) -> PassageIndex:
    """A full build of all that is stored, beside the versions."""
    found: list[IndexedPassage] = list(library.corpus.passages.indexable(library.embedder.name))
    entries = [Entry(p.id, p.document_id, p.collection) for p in found]
    vectors: Vectors = np.stack([p.embedding for p in found])
    write_index(folder, entries, [(p.place, p.text) for p in found], vectors, "test")
    return PassageIndex(folder, "cpu")


# Equal to a fresh build


@on_sqlite
def test_a_handbook_that_changes_is_found_as_by_a_fresh_build(
    library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """800 pages and 5 versions of them: one folds changes in, the others extend."""
    monkeypatch.setattr(
        ingestion.stages, "extract_jailed", lambda path, name: extract(path.read_bytes(), name)
    )
    handbook = Handbook(library.folder)
    handbook.add(800)
    library.ingest()
    extended = 0
    for version in range(5):
        deleted, renamed, edited, added = 3, 2, 4, 3
        gone, moved = handbook.delete(deleted), handbook.move(renamed)
        handbook.edit(edited)
        handbook.add(added)
        listed = library.corpus.documents.page(["main"], limit=10_000).documents
        ids = {document.source: document.document_id for document in listed}
        for path in (*gone, *moved):
            library.corpus.documents.delete(ids[str(path)])
        library.ingest()
        live = library.corpus.versions.live()
        assert live is not None
        extended += live.base_id is not None
        index = PassageIndex(library.settings.index_dir / live.id, "cpu", live.manifest_sha256)
        built = fresh(library, tmp_path / f"fresh-{version}")
        assert index.counts == built.counts and len(index) == live.passages
        same = 0
        for question in handbook.questions(200):
            vector = library.embedder.embed([question])[0]
            pairs = [
                (one.dense(vector, ["main"], FUSION_DEPTH), one.lexical(question, ["main"], 50))
                for one in (index, built)
            ]
            for ours, theirs in zip(*pairs, strict=True):
                assert not differences(scored(index, ours), scored(built, theirs)), question
            same += list(scored(index, pairs[0][1]))[:10] == list(scored(built, pairs[1][1]))[:10]
        assert same >= 190  # the others differ by the order of equal scores
    assert extended == 4


def test_what_is_added_changed_and_deleted_is_found_at_once(stocked: Stocked) -> None:
    library = stocked.library
    base = library.live()
    stocked.store("office.txt", OFFICE)
    stocked.store("claims.txt", "A burglary is reported within 48 hours.")
    stocked.delete("rule-3.txt")
    live = stocked.update()
    assert (live.base_id, live.passages) == (base, 14)
    assert library.found("head office Tarnbridge")[0] == OFFICE.strip()
    assert "A burglary is reported within 48 hours." in library.found("burglary hours")
    everything = library.found("theft police form 43 rule 3")
    assert CLAIMS.strip() not in everything
    assert "Rule 3 asks for form 43." not in everything
    # What was removed and added anew counts once more, in a later segment.
    stocked.store("claims.txt", CLAIMS)
    stocked.store("rule-3.txt", "Rule 3 asks for form 43.")
    assert stocked.update().passages == 15
    assert library.found("theft police")[0] == CLAIMS.strip()
    assert "Rule 3 asks for form 43." in library.found("form 43")
    assert len(library.new_retriever().live_index.current()[0].index.segments) == 3


def test_scope_holds_in_what_was_added(stocked: Stocked) -> None:
    library = stocked.library
    stocked.store("plan.txt", "The secret plan of the board names Tarnbridge.", collection="board")
    stocked.store("office.txt", OFFICE)
    assert stocked.update().base_id is not None
    assert "secret plan" not in " ".join(library.found("secret plan Tarnbridge wages"))
    found = library.retriever.retrieve("secret plan Tarnbridge", ["board"], 20, Deadline(30))
    assert {hit.passage.collection for hit in found.hits} == {"board"}
    assert (len(found.hits), found.searched_passages) == (2, 2)


def test_a_deletion_after_the_version_acts_in_every_segment(stocked: Stocked) -> None:
    stocked.store("office.txt", OFFICE)
    stocked.update()
    stocked.delete("office.txt")
    stocked.delete("claims.txt")
    found = stocked.library.found("theft police head office")
    assert OFFICE.strip() not in found and CLAIMS.strip() not in found and found


def test_words_weigh_what_they_do_without_what_was_removed(stocked: Stocked) -> None:
    library = stocked.library
    for number in range(6):
        stocked.store(f"rule-{number}.txt", f"Rule {number} asks for theft and form {number}.")
    for number in range(3):
        stocked.delete(f"rule-{number}.txt")
    live = stocked.update()
    index = PassageIndex(stocked.folder(live.id), "cpu")
    built = fresh(library, library.settings.data_dir / "fresh")
    for question in ("theft form 5", "rule form", "theft theft police", "nothing of it"):
        ours = scored(index, index.lexical(question, ["main"], 50))
        theirs = scored(built, built.lexical(question, ["main"], 50))
        assert ours.keys() == theirs.keys()
        assert ours == pytest.approx(theirs, rel=0.04)


# Built in a process of its own


def test_a_large_build_of_a_service_takes_a_process_of_its_own(
    stocked: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = stocked.library
    monkeypatch.setattr(ingestion.indexing, "APART_FROM", 10)
    builder, before = library.pipeline.index, library.live()
    builder.apart = partial(build_apart, library.settings, library.embedder.name)
    monkeypatch.setattr(builder, "write", None)  # it is not this process that writes
    stocked.store("office.txt", OFFICE)
    built = builder.build_and_promote()
    assert library.live() == built != before
    assert library.found("head office Tarnbridge")[0] == OFFICE.strip()
    live = library.corpus.versions.live()
    assert live is not None and (live.passages, live.base_id) == (15, None)
    for source in stocked.ids:
        stocked.delete(source)
    with pytest.raises(Conflict, match="nothing to index"):
        builder.build()
    assert stocked.states()[live.id] == "live"
    assert sorted(stocked.states().values()) == ["failed", "live", "retired"]
    assert {path.name for path in library.settings.index_dir.iterdir()} == {before, live.id}


@on_sqlite
def test_only_what_changed_since_the_building_process_checked_it_is_checked_again_and_refused(
    stocked: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, hashed = stocked.library, list[str]()
    monkeypatch.setattr(ingestion.indexing, "APART_FROM", 10)

    def hashing(path: Path) -> str:
        hashed.append(path.name)
        return sha256_file(path)

    def damaged(version_id: str) -> Mapping[FileKey, str]:
        checked = build_apart(library.settings, library.embedder.name, version_id)
        flip(stocked.folder(version_id) / "vectors.faiss")
        return checked

    monkeypatch.setattr(app.retrieval.passage_index, "sha256_file", hashing)
    builder, before = library.pipeline.index, library.live()
    builder.apart = damaged
    with pytest.raises(DependencyFailed, match=r"damaged: vectors\.faiss"):
        builder.build()
    assert hashed == [MANIFEST, "vectors.faiss"]
    assert {path.name for path in library.settings.index_dir.iterdir()} == {before}


@on_sqlite
def test_an_index_tells_that_no_passage_is_of_an_earlier_revision(library: Library) -> None:
    """Every passage was looked at for its document, at the end of each build."""
    passages, engine = library.corpus.passages, library.database.engine
    library.shelf.store("office.txt", OFFICE)
    assert passages.superseded() == set()
    (old,) = (found.id for found in passages.indexable(library.embedder.name))
    library.shelf.store("office.txt", OFFICE + " It closes at five.")
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert passages.superseded() == {old}
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[-1]}", ("",)).all()
    plan = [row[3] for row in rows]
    assert any("ix_passages_document_revision" in step for step in plan), plan
    assert not any(step.startswith("SCAN passages") for step in plan), plan


def test_a_building_process_that_dies_is_an_error(
    library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ingestion.build_process, "PROGRAM", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(DependencyFailed, match="status -9"):
        build_apart(library.settings, "any", "v1")


def test_a_damaged_version_is_mended_once_and_a_failed_build_rests_every_thread(
    stocked: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = stocked.library.pipeline.index
    first = stocked.library.live()
    assert builder.mend(lambda: False) is None
    assert builder.mend(lambda: True) == stocked.library.live() != first
    assert builder.mend(lambda: True) is None, "it did not help, so the next would not either"
    stocked.store("office.txt", OFFICE)
    assert builder.update_if_needed() == stocked.library.live()

    builder._mends_from = 0.0
    stocked.store("more.txt", "A parcel is insured up to 90 euros.")
    with monkeypatch.context() as broken:
        broken.setattr(ingestion.indexing, "write_index", fails)
        with pytest.raises(DependencyFailed):
            builder.mend(lambda: True)
    assert builder.mend(lambda: True) is builder.update_if_needed() is None


def fails(*_: object) -> str:
    raise DependencyFailed("The disk is gone.")


# Versions: shared files, rollback, retention


def test_an_extension_links_what_it_shares_and_reads_it_once(stocked: Stocked) -> None:
    base = stocked.library.live()
    stocked.store("office.txt", OFFICE)
    live = stocked.update()
    shared = stocked.folder(base) / "vectors.faiss"
    assert shared.samefile(stocked.folder(live.id) / "0" / "vectors.faiss")
    before = PassageIndex(stocked.folder(base), "cpu")
    after = PassageIndex(stocked.folder(live.id), "cpu", live.manifest_sha256, before)
    assert after.segments[0] is before.segments[0]
    flip(shared)
    with pytest.raises(DependencyFailed, match="damaged"):
        PassageIndex(stocked.folder(live.id), "cpu", live.manifest_sha256, before)
    # The worker then builds in full, as it does for any damaged version.
    stocked.store("cancel.txt", "You can cancel within 14 days.")
    assert stocked.update().base_id is None


def test_a_version_before_goes_on_finding_what_it_found(stocked: Stocked) -> None:
    library = stocked.library
    first = library.live()
    stocked.store("office.txt", OFFICE)
    second = stocked.update()
    stocked.store("claims.txt", "A burglary is reported within 48 hours.")
    third = stocked.update()
    assert second.base_id == third.base_id == first
    assert library.corpus.versions.rollback() == second.id
    assert OFFICE.strip() in library.found("head office")
    assert CLAIMS.strip() in library.found("theft police")
    # The next document brings back what was set aside, as a full build does.
    stocked.store("more.txt", "A parcel is insured up to 90 euros.")
    assert stocked.update().passages == 16
    assert CLAIMS.strip() not in library.found("theft police")


def test_an_extension_never_goes_live_over_another_version(
    stocked: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody goes back, or erases, while it is built: it is built anew, on what is live."""
    library = stocked.library
    first = library.live()
    stocked.store("office.txt", OFFICE)
    stocked.update()
    other = library.shelf.builder()
    seen: list[str] = []

    def and_meanwhile(*args: object) -> str:
        if not seen:
            seen.append(other.build_and_promote())
        return extend_index(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(ingestion.indexing, "extend_index", and_meanwhile)
    stocked.store("more.txt", "A parcel is insured up to 90 euros.")
    live = stocked.update()
    assert live.base_id == seen[0] != first
    assert {path.name for path in library.settings.index_dir.iterdir()} == {
        name for name, state in stocked.states().items() if state != "failed"
    }


def test_nothing_stays_of_a_version_that_must_go(stocked: Stocked) -> None:
    """As after an erasure: neither the build beneath the live version, nor one just made."""
    library = stocked.library
    base = library.live()
    stocked.store("office.txt", OFFICE)
    live = stocked.update()
    built = library.pipeline.index.build()
    library.shelf.keep = 2
    library.shelf.builder().forget_old()
    assert {path.name for path in library.settings.index_dir.iterdir()} == {built, live.id}
    library.shelf.keep = 0
    library.shelf.builder().forget_old()
    assert {path.name for path in library.settings.index_dir.iterdir()} == {live.id}
    assert base in stocked.rows()
    library.corpus.versions.withdraw()
    library.shelf.builder().forget_old()
    assert not list(library.settings.index_dir.iterdir())


def test_many_versions_push_out_nothing_that_was_live_at_a_full_hour(stocked: Stocked) -> None:
    library = stocked.library
    yesterday = library.live()
    with library.database.transaction() as session:
        long_ago = datetime(2026, 1, 2, 3, 4)
        session.execute(update(IndexVersionRow).values(promoted_at=long_ago))
    for number in range(5):
        stocked.store(f"new-{number}.txt", f"Notice {number} is on the board.")
        stocked.update()
    assert yesterday in stocked.states() and len(stocked.states()) == 3
    library.corpus.versions.promote(yesterday)
    assert CLAIMS.strip() in library.found("theft police")
    shown = library.corpus.versions.set_aside(2, hours=0)
    assert yesterday not in shown  # it is live


def test_what_was_live_at_each_full_hour_is_kept(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for number in range(6):
        library.shelf.store("claims.txt", f"Theft rule number {number}.")
        made.append(library.pipeline.index.build())
        library.corpus.versions.promote(made[-1])
    hour = datetime(2026, 11, 24, 12)
    monkeypatch.setattr(library.corpus.versions, "_clock", lambda _session: hour)
    moments = [timedelta(hours=-5), *(timedelta(hours=-3, minutes=m) for m in (-9, -8, -7))]
    with library.database.transaction() as session:
        for version_id, before in zip(made, [*moments, timedelta(), timedelta()], strict=True):
            row = session.get_one(IndexVersionRow, version_id)
            row.promoted_at = hour + before
    library.corpus.versions.set_aside(2, hours=6)
    kept = [version.version_id for version in library.corpus.versions.all()]
    assert kept[:2] == made[:3:-1]
    assert set(kept[2:]) == {made[0], made[3]}


def test_what_a_base_holds_is_known_after_its_folder_has_gone(stocked: Stocked) -> None:
    """Certificates are compared with it: for as long as a version extends it."""
    library = stocked.library
    base = library.live()
    stocked.store("claims.txt", "A burglary is reported within 48 hours.")
    stocked.delete("rule-0.txt")
    stocked.store("office.txt", OFFICE)
    stocked.update()
    stocked.store("office.txt", "The head office has moved.")
    for number in range(4):
        stocked.store("more.txt", f"Notice {number} is on the board.")
        live = stocked.update()
    library.corpus.versions.set_aside(1)
    library.shelf.keep = 1
    other = library.shelf.builder()
    other.forget_old()
    assert base in stocked.rows() and live.base_id == base
    with library.database.transaction() as session:
        noted = _live_texts(session)
        session.execute(update(IndexVersionRow).values(state="retired"))
    other.build_and_promote()
    with library.database.transaction() as session:
        built = _live_texts(session)
    assert noted is not None and built is not None and noted.keys() == built.keys()
    assert all(np.array_equal(noted[name], built[name]) for name in noted)


# Folding


def test_a_fold_takes_up_what_changed_while_it_was_built(
    stocked: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, index = stocked.library, stocked.library.pipeline.index
    stocked.store("office.txt", OFFICE)
    before = stocked.update()
    assert not index.fold_is_due()
    monkeypatch.setattr(ingestion.indexing, "MOST_SEGMENTS", 1)
    assert index.fold_is_due()
    build = index.build

    def and_meanwhile() -> str:
        built = build()
        stocked.store("more.txt", "A parcel is insured up to 90 euros.")
        assert stocked.update().family == before.family
        return built

    monkeypatch.setattr(index, "build", and_meanwhile)
    folded = index.fold()
    live = library.corpus.versions.live()
    assert live is not None and live.id == folded
    assert live.family not in (before.family, None) and live.passages == 16
    for text in (OFFICE, "A parcel is insured up to 90 euros."):
        assert text.strip() in library.found("parcel insured head office")
    monkeypatch.setattr(index, "build", build)
    assert index.fold() == library.live() and not index.fold_is_due()


def test_a_fold_is_due_when_what_was_removed_lies_there_for_long(stocked: Stocked) -> None:
    index = stocked.library.pipeline.index
    stocked.store("office.txt", OFFICE)
    live = stocked.update()
    assert not index.fold_is_due()
    with stocked.library.database.transaction() as session:
        row = session.get_one(IndexVersionRow, live.base_id)
        row.created_at -= timedelta(hours=1)
    assert index.fold_is_due()


def test_a_fold_does_not_undo_a_rollback(stocked: Stocked, monkeypatch: pytest.MonkeyPatch) -> None:
    library, index = stocked.library, stocked.library.pipeline.index
    stocked.store("office.txt", OFFICE)
    first = stocked.update()
    stocked.store("more.txt", "A parcel is insured up to 90 euros.")
    stocked.update()
    build = index.build

    def and_meanwhile() -> str:
        built = build()
        assert library.corpus.versions.rollback() == first.id
        return built

    monkeypatch.setattr(index, "build", and_meanwhile)
    assert index.fold() is None
    assert library.live() == first.id
    monkeypatch.setattr(ingestion.indexing, "MOST_SEGMENTS", 1)
    assert not index.fold_is_due()
    assert {path.name for path in library.settings.index_dir.iterdir()} == {
        name for name, state in stocked.states().items() if state != "failed"
    }


def test_superseded_passages_go_when_no_version_needs_them(stocked: Stocked) -> None:
    library = stocked.library
    stocked.store("claims.txt", "A burglary is reported within 48 hours.")
    stocked.update()
    library.shelf.keep = 1
    library.shelf.builder().forget_old()
    assert library.passages()[CLAIMS.strip()] == 1  # the build beneath still names it
    library.shelf.index()
    assert library.passages()[CLAIMS.strip()] == 0
    with library.database.reading() as session:
        assert session.scalar(select(IndexPassagesRow.version_id)) == library.live()
        assert session.scalar(select(PassageRow.id)) is not None


def test_a_mask_says_what_counts() -> None:
    mask = Mask(20, np.array([3, 17], dtype=np.int64))
    assert (mask.removed, mask.alive(0, 10), mask.alive(10, 20)) == (2, 9, 9)
    assert mask.bits(4, 17) is None and mask.dropped(10, 20).tolist() == [7]
    less = mask.without([4])
    assert (less.removed, mask.removed, less.counts(4), mask.counts(4)) == (3, 2, False, True)
    assert mask.without([]) is mask
