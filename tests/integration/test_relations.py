"""Metadata beside documents, editions of which the newest counts, and near copies."""

import io
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import column, func, not_, select, table
from sqlalchemy.orm import Session

import ingestion.stages
from app.corpus import relations, saving
from app.corpus.editions import edition_of, is_newer, names_edition
from app.corpus.views import DocumentView
from app.db import Database
from app.proof.erasure import Eraser
from app.retrieval.retriever import says_the_same
from guardrails.checks.freshness import utc_today
from ingestion.formats.extract import extract
from ingestion.formats.reply import parsed, told
from tests.integration.test_ingestion import Library

TERMS = (
    "The member may borrow tools for {days} days and must bring them back clean and dry. "
    "Whoever is late pays {fee} euros for each day. Damage is reported to the desk at once, in "
    "writing, with the number of the tool. The desk lends the tool to the next member only when "
    "it is repaired. Keys of the workshop stay with the member who signed for them, and nobody "
    "else may open the workshop in the evening without one of the wardens being there.\n"
)


@pytest.fixture
def library(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """One whose files are read in this process: what they hold is ours."""
    monkeypatch.setattr(
        ingestion.stages, "extract_jailed", lambda path, name: extract(path.read_bytes(), name)
    )
    return Library(database, tmp_path)


def terms(days: int, fee: int) -> str:
    return TERMS.format(days=days, fee=fee)


def view(library: Library, name: str) -> DocumentView:
    return library.corpus.documents.get(library.document(name).id)


def titles(library: Library, question: str) -> list[str]:
    return [hit.passage.title for hit in library.search(question).hits]


# What is said beside the text


def test_a_sidecar_says_more_than_the_front_matter(library: Library) -> None:
    front = "access: main\nowner: Ann\nlanguage: de\nvalid-from: 2026-01-01\ndraft:\n  by: [x]\n"
    library.write("fees.md", f"---\n{front}---\n# Fees\n\nThe fee is 3 euros.\n")
    library.write("plain.md", "---\nnot: [closed\n---\n# Plain\n\nThe key is in the office.\n")
    said = "owner: Board\nTags: [money, 2026]\nActive: no\nvalid_until: '2026-12-31'\n"
    library.write("fees.md.meta.yaml", said)
    assert library.ingest().ingested == 2
    shown = view(library, "fees.md")
    assert (shown.owner, shown.language) == ("Board", "de")
    assert (shown.valid_from, shown.valid_until) == ("2026-01-01", "2026-12-31")
    assert shown.about == {"tags": ["money", "2026"], "active": "no"}
    (hit,) = [hit for hit in library.search("fee").hits if hit.passage.title == "Fees"]
    assert (hit.passage.valid_from, hit.passage.valid_until) == ("2026-01-01", "2026-12-31")
    assert library.ingest().unchanged == 2
    library.write("fees.md.meta.yaml", "language: en\n")
    assert library.ingest().ingested == 1
    assert (view(library, "fees.md").language, view(library, "fees.md").about) == ("en", {})
    eraser = Eraser(library.database, library.settings, library.corpus)
    eraser.document(shown.document_id, "olga")
    row = library.document(shown.document_id)
    assert (row.about, row.owner, row.signature, row.series) == ({}, None, None, None)


def test_front_matter_in_toml_says_as_much(library: Library) -> None:
    said = (
        'title = "Boards"\naccess = ["main", "board"]\nvalid_from = 2026-01-01\n'
        "valid-until = 2026-12-31T23:59:59Z\nversion = 2\ntags = ['water', 3]\ndraft = false\n"
        "odd = [1, [2]]\n[params]\naccess = ['nobody']\n"
    )
    library.write("boards.md", f"+++\n{said}+++\n# Boards\n\nA board costs 6 euros.\n")
    library.write("deep.md", f"+++\nodd = {'[' * 30_000}\n+++\n# Deep\n\nIt is 9 metres deep.\n")
    library.write("slip.md", "+++\naccess = ['board\n+++\nThe code is 1234.\n")
    library.write("other.md", "+++\naccess = ['board']\n+++\nThe code is 4321.\n")
    found = library.ingest()
    assert found.ingested == 2
    refused = {Path(one.source).name: one.code for one in found.failures}
    assert refused == {"slip.md": "bad_metadata", "other.md": "wrong_access"}
    shown = view(library, "boards.md")
    assert (shown.valid_from, shown.valid_until) == ("2026-01-01", "2026-12-31")
    assert shown.about == {"tags": ["water", "3"], "draft": "false"}


def test_metadata_that_cannot_be_meant_are_refused_with_a_reason(library: Library) -> None:
    for number, (said, _) in enumerate(BAD):
        library.write(f"{number}.txt", "The key is in the office.")
        library.write(f"{number}.txt.meta.yaml", said)
    library.write("slip.md", "---\naccess: [board\n---\nThe code is 1234.\n")
    found = {Path(one.source).name: one.code for one in library.ingest().failures}
    expected = {f"{number}.txt": code for number, (_, code) in enumerate(BAD)}
    assert found == expected | {"slip.md": "bad_metadata"}


BAD = (
    ("- a\n- b\n", "bad_metadata"),
    ("owner: [a, b]\n", "bad_metadata"),
    ("a: &x [1]\naccess: *x\n", "bad_metadata"),
    ("access: {board: yes}\n", "bad_metadata"),
    ("access:\n", "bad_metadata"),
    ("acess: board\n", "bad_metadata"),
    ("valid-untill: 2026-12-31\n", "bad_metadata"),
    ("valid_form: 2026-12-31\n", "bad_metadata"),
    ("language: klingon words\n", "bad_metadata"),
    ("valid_from: soon\n", "bad_date"),
    ("valid_from: 2027-01-02\nvalid_until: 2027-01-01\n", "bad_date"),
    ("{" * 30_000, "bad_metadata"),
    (b"\xff\xfe\x00".decode("latin-1") + "\x00", "bad_metadata"),
    ("a: b\n" * 20_000, "bad_metadata"),
    ('owner: "Ann\\0"', "bad_metadata"),  # a NUL, which PostgreSQL cannot hold
    ('access: "board\\0"', "bad_metadata"),
    ('version: "\\ud800"', "bad_metadata"),
)


FRONT = "---\naccess: board\n---\n# Fees\n\nThe fee is 3 euros.\n"
FRONTS = (
    FRONT.encode("utf-16"),
    FRONT.encode("utf-32"),
    FRONT.replace("\n", "\r").encode(),
    FRONT.replace("\n", "\x0c", 1).encode(),
    FRONT.replace("access", f"note: {'x ' * 40_000}\naccess").encode(),
)


def test_what_may_not_be_in_a_collection_is_not_and_is_taken_out_of_it(library: Library) -> None:
    library.write("fees.md", "# Fees\n\nThe fee is 3 euros.\n")
    library.ingest()
    assert titles(library, "fee") == ["Fees"]
    library.write("fees.md.meta.json", '{"access": ["board", "audit"]}')
    (failure,) = library.ingest().failures
    assert failure.code == "wrong_access" and "board" in failure.message
    assert titles(library, "fee") == [] and not library.passages()
    files = [library.folder / "fees.md"]
    assert library.pipeline.ingest(files, "board").ingested == 1


@pytest.mark.parametrize("ending", [".META.YAML", ".Meta.yml", ".meta.JSON"])
def test_a_sidecar_in_capitals_keeps_a_document_back(library: Library, ending: str) -> None:
    library.write("fees.txt", "The fee is 3 euros.")
    library.write("rules.txt", "The office opens at nine.")
    assert library.ingest().ingested == 2
    library.write("fees.txt" + ending, "{access: board}")
    (failure,) = library.ingest().failures
    assert failure.code == "wrong_access" and failure.source.endswith("fees.txt")
    library.write("fees.txt.meta.yml", "owner: Ann")  # as it should be written, it counts
    assert library.ingest().ingested == 1


WITHIN = {
    "its front matter": ({"a/fees.md": FRONT}, "wrong_access"),
    "a sidecar": (
        {"a/fees.txt": "3 euros.", "a/fees.txt.Meta.yaml": "access: board"},
        "wrong_access",
    ),
    "a slip": ({"fees.md": FRONT.replace("access", "acess")}, "bad_metadata"),
    "what cannot be read": ({"fees.md": FRONT.replace("board", "[board")}, "bad_metadata"),
}


@pytest.mark.parametrize(("members", "code"), WITHIN.values(), ids=WITHIN)
@pytest.mark.parametrize("deep", [False, True], ids=["in an archive", "in an archive in one"])
def test_a_document_within_another_keeps_it_back(
    library: Library, members: dict[str, str], code: str, deep: bool
) -> None:
    packed = zipped({"rules.txt": "The office opens at nine.", **members})
    library.write("all.zip", zipped({"inner.zip": packed}) if deep else packed)
    (failure,) = library.ingest().failures
    assert failure.code == code and not library.passages()


def test_what_documents_within_another_say_else_keeps_nothing_back(library: Library) -> None:
    said = "access: [main, board]\nlanguage: klingon words\nvalid_from: soon\n"
    files = {"fees.md": FRONT.replace("access: board\n", said), "b.txt.meta.json": "[1]"}
    library.write("all.zip", zipped({**files, "rules.txt": "It opens at nine."}))
    assert library.ingest().ingested == 1
    assert not any("access" in text for text in library.passages())


def test_a_jailed_reader_tells_what_is_said_within() -> None:
    beside = {"b.txt": "It opens at nine.", "b.txt.meta.json": '{"access": "board"}'}
    found = parsed(told(zipped({"fees.md": FRONT, **beside}), "all.zip"))
    assert [one.split("\n")[1] for one in found.fronts] == ["access: board"]
    assert found.sidecars == ('{"access": "board"}',)


def zipped(files: dict[str, str | bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize("text", FRONTS, ids=["UTF-16", "UTF-32", "Mac", "form feeds", "long"])
def test_front_matter_keeps_a_document_back_however_it_is_written(
    library: Library, text: bytes
) -> None:
    library.write("fees.md", text)
    report = library.ingest()
    assert [failure.code for failure in report.failures] == ["wrong_access"]


def test_what_was_taken_out_of_a_collection_crowds_out_nothing(library: Library) -> None:
    many = "".join(
        f"## Theft {n}\n\nReport theft {n} to the police at once.\n\n" for n in range(60)
    )
    library.write("many.md", f"# Thefts\n\n{many}")
    library.write("one.md", "# Office\n\nAfter a theft the office tells the police who saw it.\n")
    library.ingest()
    library.write("many.md.meta.json", '{"access": ["board"]}')
    library.ingest()
    assert titles(library, "theft police") == ["Office"]


# Editions


def test_titles_tell_which_edition_is_newer() -> None:
    for newer, older in (
        ("Fees (Version 10)", "Fees v2.1"),
        ("Fees, 3rd edition", "Fees (2nd edition)"),
        ("Rev. C of the fees", "Fees (rev B)"),
        ("Fees 2026-05-01", "Fees, 1 April 2026"),
        ("Fees, Stand: 1.5.2026", "Fees Mai 2025"),
        ("Fees v2", "Fees"),
    ):
        assert is_newer(edition_of(newer), edition_of(older)), newer
        assert is_newer(edition_of(older), edition_of(newer)) is False
    for left, right in (("Fees v2", "Dues v1"), ("Fees v2", "Fees 2026"), ("Fees", "Fees")):
        assert is_newer(edition_of(left), edition_of(right)) is None
    one, other = edition_of("Fees v1"), edition_of("Fees v2")
    assert names_edition("What is the fee in version 1?", one, other)
    assert not names_edition("What is the fee?", one, other)
    may, june = edition_of("Fees 2025-05-01"), edition_of("Fees 2026-06-01")
    assert names_edition("What was the fee in 2025?", may, june)
    assert not names_edition("What was the fee in 2027?", may, june)


def test_the_newest_edition_counts_unless_an_older_one_is_named(library: Library) -> None:
    library.write("a.md", f"# Terms (Version 1)\n\n{terms(3, 5)}")
    library.write("b.md", f"# Terms (Version 2)\n\n{terms(4, 6)}")
    library.write(
        "c.md", f"# Terms (Version 2)\n\nThese are the rules for dogs: {terms(4, 6)[:40]}"
    )
    library.ingest()
    assert "Terms (Version 1)" not in titles(library, "What does a late member pay?")
    assert titles(library, "What does a late member pay in version 1?")[0] == "Terms (Version 1)"
    older = view(library, "a.md")
    assert older.superseded_by in {view(library, name).document_id for name in ("b.md", "c.md")}
    for name in ("b.md", "c.md"):
        library.corpus.documents.delete(view(library, name).document_id)
    assert view(library, "a.md").superseded_by is None
    assert titles(library, "What does a late member pay?") == ["Terms (Version 1)"]


def test_a_newer_edition_counts_also_when_its_next_content_cannot_be_read(library: Library) -> None:
    library.write("a.md", f"# Terms (Version 1)\n\n{terms(3, 5)}")
    library.write("b.md", f"# Terms (Version 2)\n\n{terms(4, 6)}")
    library.ingest()
    library.write("b.md", b"\x00\x01")
    library.write("a.md", f"# Terms (Version 1)\n\n{terms(3, 5)} They hold for all.")
    report = library.ingest()
    assert (report.ingested, len(report.failures)) == (1, 1)
    assert view(library, "a.md").superseded_by == view(library, "b.md").document_id


def test_the_newest_of_many_editions_counts(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relations, "MOST_EDITIONS", 3)
    for number in range(1, 9):
        library.write(f"{number}.md", f"# Terms (Version {number})\n\n{terms(3, 5 + number)}")
    library.ingest()
    newest = view(library, "8.md").document_id
    replaced = [view(library, f"{number}.md").superseded_by for number in range(1, 9)]
    assert replaced == [newest] * 7 + [None]


def test_other_dates_make_editions_only_of_what_is_alike(library: Library) -> None:
    library.write("a.md", f"# Terms 2025\n\n{terms(3, 5)}")
    library.write("b.md", f"# Terms 2026\n\n{terms(4, 5)}")
    library.write("c.md", "# Report 2025\n\nThe club had 412 members and a garden. " * 9)
    library.write("d.md", "# Report 2026\n\nMany left, after rain had washed the wall away. " * 9)
    library.write(
        "e.md", "# Notes v1\n\nThe door now opens to the garden side, not the street. " * 9
    )
    library.write("f.md", "# Notes v2\n\nWhoever signs may print in colour from Monday on. " * 9)
    library.ingest()
    assert view(library, "a.md").superseded_by == view(library, "b.md").document_id
    assert view(library, "c.md").superseded_by is None
    assert view(library, "e.md").superseded_by is None


def test_an_edition_that_is_not_valid_yet_replaces_nothing(library: Library) -> None:
    library.write("a.md", f"# Terms v1\n\n{terms(3, 5)}")
    library.write("b.md", f"# Terms v2\n\n{terms(4, 6)}")
    begins = utc_today() + timedelta(days=9)
    library.write("b.md.meta.yaml", f"version: 2\nvalid_from: {begins}\n")
    library.ingest()
    assert titles(library, "What does a late member pay?") == ["Terms v1"]


# Near copies


def test_near_copies_are_linked_and_do_not_crowd_out_what_is_different(library: Library) -> None:
    for number in range(6):
        words = terms(3, 5).replace("at once", ("at once", "promptly")[number % 2])
        library.write(f"{number}.md", f"# Terms {'abcdef'[number]}\n\n{words}")
    library.write("other.md", f"# Terms g\n\n{terms(9, 5)}")
    library.ingest()
    ids = [view(library, f"{number}.md").document_id for number in range(6)]
    assert set(ids[1:]) <= set(view(library, "0.md").near_copies)
    found = [hit.passage.text for hit in library.search("How many days may a member borrow?").hits]
    assert len(found) == 2 and any("9 days" in text for text in found)
    library.pipeline.ingest([library.folder / "1.md"], "board")
    library.corpus.documents.delete(ids[5])
    copies = set(view(library, "0.md").near_copies)  # another collection's tell nothing here
    assert copies >= set(ids[1:5]) and len(copies) <= 5 and ids[5] not in copies


def test_copies_that_differ_in_a_name_or_a_number_say_something_else() -> None:
    text = terms(3, 5)
    assert says_the_same(text, text.replace("bring", "carry"))
    assert not says_the_same(text, terms(4, 5))
    assert not says_the_same(f"In the Gold plan: {text}", f"In the Silver plan: {text}")
    assert not says_the_same(text, text[:100])


def test_documents_that_are_stored_together_are_related_as_one_after_the_other(
    library: Library,
) -> None:
    for number in range(5):
        words = terms(3, 5).replace("at once", ("at once", "promptly")[number % 2])
        library.write(f"{number}.md", f"# Terms (Version {number})\n\n{words}")
    library.write("5.md", f"# Rules\n\n{terms(9, 5)}")
    library.write("6.md", "# Rules v2\n\nOf few words.")
    files = sorted(library.folder.iterdir())
    library.pipeline.ingest(files, "together")
    for file in files:
        library.pipeline.ingest([file], "apart")
    assert related(library, "together") == related(library, "apart")
    for number in (0, 4):  # old revisions leave the relations that they had
        library.write(f"{number}.md", f"# Rules (Version {number})\n\n{terms(8, 5)}")
    library.pipeline.ingest(files, "together")
    for file in files:
        library.pipeline.ingest([file], "apart")
    found = related(library, "together")
    assert found == related(library, "apart")
    assert found["3.md"][1] is None and found["2.md"][1] == "3.md"


def related(library: Library, collection: str) -> dict[str, tuple[set[str], str | None]]:
    """By file the near copies of each document, and what counts instead of it."""
    found = library.corpus.documents.page([collection]).documents
    names = {one.document_id: Path(one.source).name for one in found}
    return {
        names[one.document_id]: (
            {names[copy] for copy in one.near_copies},
            names[one.superseded_by] if one.superseded_by else None,
        )
        for one in found
    }


HELD_UP = {
    "deleted": lambda library, old: library.corpus.documents.delete(old),
    "moved": lambda library, old: library.corpus.documents.move(
        old, str(library.folder / "a.md"), str(library.folder / "c.md")
    ),
}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("change", HELD_UP.values(), ids=HELD_UP)
def test_an_older_edition_that_changes_does_not_hold_up_the_newer_one(
    library: Library, monkeypatch: pytest.MonkeyPatch, change: Callable[[Library, str], object]
) -> None:
    """Whoever adds to the audit chain queues there before it locks documents: else the one that
    becomes ready waits for the older one, and who has that waits for the end of the chain."""
    library.write("a.md", f"# Terms (Version 1)\n\n{terms(3, 5)}")
    library.ingest()
    old = library.document("a.md").id
    locks = table("pg_locks", column("granted"))
    waiting = select(func.count()).select_from(locks).where(not_(locks.c.granted))
    relate, done = relations.relate, list[Future[object]]()
    with ThreadPoolExecutor(1) as pool:

        def meanwhile(session: Session, made: Any) -> None:
            done.append(pool.submit(change, library, old))
            while not session.scalar(waiting):
                time.sleep(0.05)
            relate(session, made)

        monkeypatch.setattr(saving, "relate", meanwhile)
        library.write("b.md", f"# Terms (Version 2)\n\n{terms(4, 6)}")
        assert library.pipeline.ingest([library.folder / "b.md"], "main").failures == []
        assert done[0].result(60)
