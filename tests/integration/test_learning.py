"""What the service learns from questions: gaps to be written, and answers given before."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.access.principals import Principal
from app.access.service import Access
from app.answering.gaps import Gap, Gaps
from app.corpus.corpus import Corpus
from app.db import Database, now
from app.errors import NotFound
from app.records import recording
from app.records.tables import RecordRow
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.library import Library
from app.review.probes import ask_again
from app.review.released import ReleasedAnswers
from app.review.tables import ReviewTaskRow
from app.review.tasks import open_task
from app.settings import Settings
from guardrails.contract import Passage
from tests.fakes import HashEmbedder
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
