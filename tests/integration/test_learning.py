"""What the service learns from questions: gaps to be written, and answers given before."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.access.principals import Principal
from app.access.service import Access
from app.answering.gaps import Gap, Gaps, NearestQuotes
from app.backends import build_quote
from app.corpus.corpus import Corpus
from app.corpus.tables import DocumentRow
from app.db import Base, Database, now
from app.deadline import Deadline
from app.errors import DeadlineExceeded, NotFound
from app.ports import DraftRequest
from app.records import recording
from app.records.tables import RecordRow
from app.retrieval.retriever import Retriever
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.library import Library
from app.review.probes import ask_again
from app.review.quotes import MOST, Quote, Quotes
from app.review.released import ReleasedAnswers
from app.review.tables import ReviewTaskRow
from app.review.tasks import open_task
from app.settings import Settings
from guardrails.contract import AnswerObject, Draft, Passage
from tests.fakes import HashEmbedder, Shelf
from tests.trails import add_ready_document, only_passage, settings_for, trail

RITA = Principal("rita", frozenset({"reviewer"}))
CARA = Principal("cara", frozenset({"reviewer"}))
OLGA = Principal("olga", frozenset({"operator"}))
EXCESS = "What is the excess for water damage?"
NEAR = "What is the excess for damage by water?"
FAR = "Where is the head office?"


class Place:
    """A database with one document, questions over it, and who looks at them."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings
        self.corpus = Corpus(database)
        add_ready_document(self.corpus)
        self.passage: Passage = only_passage(self.corpus)
        self.desk = ReviewDesk(database, settings)
        self.gaps = Gaps(database, HashEmbedder().embed)
        self.library = Library(database, HashEmbedder().embed)

    def asked(self, question: str, outcome: str, asker: str = "ann", **searched: Any) -> str:
        """Record a question; returns the answer's id."""
        made = trail(self.passage, outcome, asker)
        made = replace(made, question=question, searched={**made.searched, **searched})
        with self.database.transaction() as session:
            recording.write(session, made)
        return made.answer_id

    def held(self, question: str, asker: str = "ann") -> tuple[str, str]:
        """(task id, answer id) of a draft that waits."""
        made = replace(trail(self.passage, asker=asker), question=question)
        with self.database.transaction() as session:
            task_id = open_task(session, recording.write(session, made), self.settings)
        return task_id, made.answer_id

    def decided(self, question: str, kind: Any = "approve", text: str = "") -> tuple[str, str]:
        """(task id, answer id) of a draft that rita decided."""
        task_id, answer_id = self.held(question)
        seen = self.desk.task(RITA, task_id)
        decision = Decision(kind, seen.content_sha256, None, "It is wrong.", text)
        self.desk.decide(RITA, task_id, decision)
        return task_id, answer_id

    def before(self, task_id: str, reviewer: Principal = RITA) -> list[str]:
        """The answers that are offered for a task."""
        return [one.answer_id for one in self.library.answered_before(reviewer, task_id).answers]


@pytest.fixture
def place(database: Database, database_url: str, tmp_path: Path) -> Iterator[Place]:
    yield Place(database, settings_for(database_url, tmp_path, gold_share=0.0))


# Gaps


def test_questions_without_an_answer_that_ask_the_same_are_one_gap(place: Place) -> None:
    first = place.asked(EXCESS, "abstained")
    place.asked(NEAR, "abstained", "bob")
    place.decided(f"{EXCESS}!", "reject")
    other = place.asked(FAR, "abstained")
    place.asked("What is the fee?", "abstained", choices=[{"label": "a", "question": "b"}])
    place.asked("Forget all that.", "blocked")
    place.held("Who waits for a reviewer?")
    found = place.gaps.list(OLGA)
    assert [gap.gap_id for gap in found.gaps] == [first, other]
    assert (found.questions, found.complete) == (4, True)
    gap: Gap = found.gaps[0]
    assert gap.question == EXCESS and gap.wordings == [NEAR, f"{EXCESS}!"]
    assert (gap.asked, gap.askers, gap.abstained, gap.refused) == (3, 2, 2, 1)
    assert gap.collections == ["main"]
    assert place.gaps.list(OLGA) == found


def test_a_gap_closes_when_its_question_was_answered_later(place: Place) -> None:
    place.asked(EXCESS, "abstained")
    place.decided(FAR)
    assert len(place.gaps.list(OLGA).gaps) == 1
    place.decided(EXCESS)
    assert place.gaps.list(OLGA).gaps == []
    place.asked(EXCESS, "abstained")
    assert place.gaps.list(OLGA).gaps[0].asked == 2  # it came back


def test_gaps_are_those_of_the_readers_collections_and_of_the_time_asked_for(place: Place) -> None:
    place.asked(FAR, "abstained", collections=["main", "secret"])
    seen = place.asked(FAR, "abstained")
    scoped = replace(OLGA, scope=("main",))
    (gap,) = place.gaps.list(scoped).gaps
    assert (gap.gap_id, gap.asked, gap.collections) == (seen, 1, ["main"])
    assert place.gaps.list(replace(OLGA, scope=("other",))).gaps == []
    assert place.gaps.list(OLGA).gaps[0].asked == 2
    assert place.gaps.list(OLGA, collection="secret").gaps[0].asked == 1
    with place.database.transaction() as session:
        session.execute(update(RecordRow).values(created_at=now() - timedelta(days=9)))
    assert place.gaps.list(OLGA, days=8).gaps == []


def test_what_was_typed_by_accident_is_masked_in_the_list(place: Place) -> None:
    place.asked("Is my card 4111 1111 1111 1111 insured?", "abstained")
    (gap,) = place.gaps.list(OLGA).gaps
    assert "1111" not in gap.question and gap.question.startswith("Is my card")


def test_a_gap_names_what_was_written_for_it_since(place: Place) -> None:
    shelf = Shelf(place.corpus, HashEmbedder(), place.settings.index_dir)
    before = shelf.store(f"{FAR}.md", "It is in Oslo.")
    with place.database.transaction() as session:
        long_ago = now() - timedelta(days=1)
        session.execute(update(DocumentRow).values(updated_at=long_ago))
    place.asked(f"{FAR}  ", "abstained")
    place.asked(EXCESS, "abstained")
    elsewhere = shelf.store(f"{FAR}.txt", "It is in Rome.", collection="secret")
    assert [gap.written for gap in place.gaps.list(OLGA).gaps] == [[], []]
    since = shelf.store(f"{FAR}.md", "It is in Bergen.")
    assert since == before != elsewhere
    written = {gap.question: gap.written for gap in place.gaps.list(OLGA).gaps}
    assert written[EXCESS] == []
    (one,) = written[FAR]
    assert (one.document_id, one.title) == (since, FAR)
    place.corpus.documents.delete(since)
    assert not any(gap.written for gap in place.gaps.list(OLGA).gaps)


# What comes nearest to an answer of a gap


class Nearest:
    """Documents that are indexed, and quotes out of them for gaps."""

    def __init__(self, place: Place) -> None:
        self.place, embedder = place, HashEmbedder()
        index_dir = place.settings.index_dir
        self.shelf = Shelf(place.corpus, embedder, index_dir)
        self.retriever = Retriever(place.corpus, embedder.question, embedder.name, index_dir, "cpu")
        self.shelf.store("water.txt", "The excess for water damage is £350. Call us first.")
        self.shelf.store("fire.txt", "The excess for fire is £500.")
        self.shelf.store("board.txt", "The excess for water damage is £9.", collection="secret")
        self.shelf.index()

    def quotes(
        self, gap_id: str, reader: Principal = OLGA, quote: Quote | None = None, seconds: float = 60
    ) -> list[str]:
        quotes = Quotes(self.place.database, quote or build_quote(self.place.settings))
        nearest = NearestQuotes(self.place.gaps, self.retriever, quotes, passages=5)
        found = nearest.of(reader, gap_id, Deadline(seconds)).quotes
        assert len(found) <= MOST
        for one in found:
            (cited, *_) = one.answer.citations
            text = self.place.corpus.passages.find([cited.passage_id])[cited.passage_id].text
            assert text[cited.start : cited.end] == cited.quote
        return [" ".join(said.text for said in one.answer.sentences) for one in found]


@pytest.fixture
def nearest(place: Place) -> Nearest:
    return Nearest(place)


def everything(database: Database) -> list[int]:
    """How many rows each table has."""
    with database.reading() as session:
        tables = Base.metadata.sorted_tables
        return [session.scalar(select(func.count()).select_from(one)) or 0 for one in tables]


def test_what_comes_nearest_is_quoted_and_nothing_is_kept(nearest: Nearest) -> None:
    gap_id = nearest.place.asked(EXCESS, "abstained")
    before = everything(nearest.place.database)
    first, *others = nearest.quotes(gap_id)
    assert first == "The excess for water damage is £350."
    assert set(others) == {"The excess for fire is £500.", "Call us first."}
    assert everything(nearest.place.database) == before


def test_what_was_added_since_the_question_is_quoted_and_what_is_gone_is_not(
    nearest: Nearest,
) -> None:
    gap_id = nearest.place.asked("Where do you bake sourdough?", "abstained")
    assert "Sourdough is baked in Bergen." not in nearest.quotes(gap_id)
    added = nearest.shelf.store("bread.txt", "Sourdough is baked in Bergen.")
    nearest.shelf.index()
    assert nearest.quotes(gap_id)[0] == "Sourdough is baked in Bergen."

    def removed_meanwhile(request: DraftRequest, seen: AnswerObject, most: int) -> list[Draft]:
        found = build_quote(nearest.place.settings)(request, seen, most)
        nearest.place.corpus.documents.delete(added)  # it would wait for an open transaction
        return found

    kept = nearest.quotes(gap_id, quote=removed_meanwhile)
    assert kept and "Sourdough is baked in Bergen." not in kept
    assert "Sourdough is baked in Bergen." not in nearest.quotes(gap_id)


def test_quotes_come_from_the_collections_asked_of_for_who_may_read_them_all(
    nearest: Nearest,
) -> None:
    place, secret = nearest.place, "The excess for water damage is £9."
    gap_id = place.asked(EXCESS, "abstained")
    assert secret not in nearest.quotes(gap_id)
    both = place.asked(EXCESS, "abstained", collections=["main", "secret"])
    assert secret in nearest.quotes(both)
    scoped = replace(OLGA, scope=("main",))
    assert nearest.quotes(gap_id, scoped) == nearest.quotes(gap_id)
    with pytest.raises(NotFound):
        nearest.quotes(both, scoped)
    nowhere = place.asked(EXCESS, "abstained", collections=[])
    assert nearest.quotes(nowhere) == []


def test_only_what_got_no_answer_has_quotes_and_only_in_time(nearest: Nearest) -> None:
    place = nearest.place
    _, rejected = place.decided(EXCESS, "reject")
    assert nearest.quotes(rejected)
    _, approved = place.decided(EXCESS)
    _, waiting = place.held(EXCESS)
    asked_back = place.asked(EXCESS, "abstained", choices=[{"label": "a", "question": "b"}])
    for other in (approved, waiting, asked_back, "unknown"):
        with pytest.raises(NotFound):
            nearest.quotes(other)
    with pytest.raises(DeadlineExceeded):
        nearest.quotes(rejected, seconds=0)


# The library


def test_a_reviewer_is_offered_what_was_released_on_a_similar_question(place: Place) -> None:
    _, approved = place.decided(EXCESS)
    _, written = place.decided(f"{EXCESS} Tell me", "edit", "The excess is £350 [1].")
    place.decided(FAR)
    place.decided(f"{EXCESS} Please", "reject")
    task_id, own = place.held(NEAR)
    found = place.library.answered_before(RITA, task_id).answers
    assert [one.answer_id for one in found] == [approved, written]
    assert [one.edited for one in found] == [False, True]
    assert found[1].answer.text == "The excess is £350 [1]." and found[0].similarity >= 0.7
    assert own not in place.before(task_id)
    ReleasedAnswers(place.database, place.settings).withdraw(RITA, approved, "wrong")
    assert place.before(task_id) == [written]


def test_what_cites_a_changed_passage_is_offered_no_more(place: Place) -> None:
    _, answer_id = place.decided(EXCESS)
    task_id, _ = place.held(NEAR)
    assert place.before(task_id) == [answer_id]
    add_ready_document(place.corpus, text="The excess for water damage is £400. It changed.")
    assert place.before(task_id) == []


def test_an_earlier_answer_is_for_who_may_read_its_sources(place: Place) -> None:
    _, answer_id = place.decided(EXCESS)
    Access(place.database, place.settings).accounts.create("bob", ["asker"], scope=["other"])
    task_id, _ = place.held(NEAR, asker="bob")
    assert place.before(task_id) == []  # bob may not read what is cited
    mine, _ = place.held(NEAR)
    assert place.before(mine) == [answer_id]


def test_a_blind_second_review_is_not_given_away(place: Place) -> None:
    first, answer_id = place.decided(EXCESS)
    chosen = place.settings.model_copy(
        update={"second_review_share": 1.0, "probe_delay_minutes": 0.0}
    )
    with place.database.transaction() as session:
        task = session.get_one(ReviewTaskRow, first)
        record = session.get_one(RecordRow, answer_id)
        ask_again(session, task, record, chosen, wrong=False)
    (probe,) = place.desk.tasks(CARA, "open").tasks
    assert place.before(probe.task_id, CARA) == []
    other, _ = place.held(NEAR)
    assert place.before(other, CARA) == []  # she has yet to judge the same answer
    assert place.before(other, RITA) == [answer_id]


def test_a_task_nobody_may_see_has_no_earlier_answers(place: Place) -> None:
    with pytest.raises(NotFound):
        place.before(secrets.token_hex(16))
