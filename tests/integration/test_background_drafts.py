"""Drafts that a slower model writes for reviewers in the background, on both databases."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.access.principals import Principal
from app.access.service import Access
from app.answering.answerer import Ask
from app.answering.background_drafts import MOST_PUT_OFF, BackgroundDrafter
from app.backends import build_drafter, drafter_settings
from app.db import Database
from app.deadline import Deadline
from app.errors import ApprovalVoid, DependencyFailed, Invalid
from app.ports import DraftRequest
from app.proof.erasure import Eraser
from app.proof.verify import verify_audit
from app.review.decisions import Decision
from app.review.tables import BackgroundDraftRow, ReviewTaskRow
from app.review.views import BackgroundDraftView, TaskDetailView
from app.settings import Settings
from guardrails.contract import Draft
from tests.fakes import QuotingGenerator
from tests.integration.test_answering import ANN, COVERAGE, RITA, Desk
from tests.trails import settings_for

RAJ = Principal("raj", frozenset({"reviewer"}))
SAYS = "The excess for water damage is £350 [1]."


class Silent:
    """A generator that knows no answer."""

    def submit(self, _item: DraftRequest, _deadline: Deadline) -> Draft:
        """No draft."""
        return Draft((), (), "silent")


def idle() -> bool:
    return False


@dataclass
class House:
    """A desk whose answers are held, and drafters for it."""

    desk: Desk

    def hold(self, *, drafted: bool = False, question: str = COVERAGE) -> str:
        """The task of a new held answer, with a draft or without."""
        answerer = self.desk.answerer(generator=None if drafted else Silent())
        seen = answerer.answer(ANN, Ask(question))
        assert (seen["status"], seen["answer"]) == ("held", None)
        with self.desk.database.reading() as session:
            query = select(ReviewTaskRow.id).where(ReviewTaskRow.answer_id == seen["answer_id"])
            return session.scalars(query).one()

    def drafter(
        self, before: Callable[[], None] = lambda: None, **options: Any
    ) -> BackgroundDrafter:
        writer = QuotingGenerator(before=before)
        answerer = self.desk.answerer(generator=writer).answerer
        options = {"every": False, "busy": idle, "seconds": 30.0, **options}
        return BackgroundDrafter(self.desk.database, answerer, "slow", **options)

    def seen(self, task_id: str) -> TaskDetailView:
        return self.desk.reviews.desk.task(RITA, task_id)

    def offered(self, task_id: str) -> BackgroundDraftView:
        found = self.seen(task_id).background_draft
        assert found is not None
        return found

    def take(self, task_id: str, who: Principal = RITA) -> TaskDetailView:
        wanted, seen = self.offered(task_id).content_sha256, self.seen(task_id).content_sha256
        return self.desk.reviews.desk.take_background_draft(who, task_id, wanted, seen)

    def kept(self) -> list[Any]:
        with self.desk.database.reading() as session:
            return list(session.scalars(select(BackgroundDraftRow.content)))


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    desk = Desk(database, tmp_path)
    desk.stock()
    return House(desk)


def test_a_task_without_a_draft_gets_one_that_a_reviewer_takes_and_releases(house: House) -> None:
    task_id = house.hold()
    before = house.seen(task_id)
    assert (before.cause, before.background_draft) == ("empty", None)
    assert house.drafter().run() == 1
    offered, seen = house.offered(task_id), house.seen(task_id)
    assert (offered.model, offered.draft.text) == ("slow", SAYS)
    assert "topics" in [finding.check for finding in offered.findings]
    assert (seen.draft.text, seen.content_sha256) == ("", before.content_sha256)
    desk = house.desk.reviews.desk
    with pytest.raises(ApprovalVoid):
        desk.decide(RITA, task_id, Decision("approve", offered.content_sha256, None))
    taken = house.take(task_id)
    assert (taken.draft.text, taken.claimed_by, taken.background_draft) == (SAYS, "rita", None)
    assert taken.content_sha256 == offered.content_sha256
    assert [note.kind for note in taken.notes] == ["draft_taken"]
    desk.decide(RITA, task_id, Decision("approve", taken.content_sha256, taken.fence))
    told = house.desk.answerer().view(ANN, before.answer_id)
    assert (told["status"], told["answer"]["text"]) == ("released", SAYS)
    assert verify_audit(house.desk.database).problems == []


def test_a_task_with_a_draft_gets_another_one_only_where_all_are_to(house: House) -> None:
    task_id = house.hold(drafted=True)
    assert house.drafter().run() == 0
    assert house.drafter(every=True).run() == 1
    assert house.seen(task_id).draft.text == SAYS  # its own stands
    assert house.drafter(every=True).run() == 0  # once for each


def test_what_a_reviewer_has_begun_with_is_left_alone(house: House) -> None:
    claimed, taken = house.hold(), house.hold()
    house.desk.reviews.desk.claim(RITA, claimed)
    assert house.drafter().run() == 1
    assert house.seen(claimed).background_draft is None
    wanted = house.offered(taken).content_sha256
    house.take(taken)
    seen = house.seen(taken).content_sha256
    with pytest.raises(ApprovalVoid):  # it was taken
        house.desk.reviews.desk.take_background_draft(RITA, taken, wanted, seen)
    assert house.drafter(every=True).run() == 0


def test_of_two_reviewers_who_take_it_the_second_is_refused(house: House) -> None:
    task_id = house.hold()
    house.drafter().run()
    offered, seen = house.offered(task_id).content_sha256, house.seen(task_id).content_sha256
    house.take(task_id)
    with pytest.raises(ApprovalVoid):
        house.desk.reviews.desk.take_background_draft(RAJ, task_id, offered, seen)


def test_nothing_is_offered_once_a_source_has_changed(house: House) -> None:
    task_id = house.hold()
    house.drafter().run()
    house.desk.shelf.store("handbook.txt", "The excess for water damage is £400.")
    assert house.seen(task_id).background_draft is None


def test_it_quotes_nothing_that_the_asker_may_read_no_more(house: House) -> None:
    drafted = house.hold()
    assert house.drafter().run() == 1
    later = house.hold()
    access = Access(house.desk.database, house.desk.settings)
    access.accounts.create("ann", ["asker"], scope=["nothing"])
    with pytest.raises(Invalid, match="asker"):
        house.take(drafted)
    assert (house.seen(drafted).draft.text, house.seen(drafted).state) == ("", "open")
    assert (house.drafter().run(), house.seen(later).background_draft) == (0, None)


def test_people_who_ask_come_first_but_not_for_ever(house: House) -> None:
    for _ in range(3):
        house.hold()
    busy = house.drafter(busy=lambda: True)
    assert [busy.run() for _ in range(MOST_PUT_OFF)] == [0] * (MOST_PUT_OFF - 1) + [1]
    answers = iter([False, True])
    assert house.drafter(busy=lambda: next(answers)).run() == 1


def test_what_may_pass_is_tried_again_and_what_crashes_is_not(house: House) -> None:
    first, second = house.hold(), house.hold()

    def unreachable() -> None:
        raise DependencyFailed

    def crash() -> None:
        raise ZeroDivisionError

    with pytest.raises(DependencyFailed):
        house.drafter(unreachable).run()
    assert house.kept() == []
    with pytest.raises(ZeroDivisionError):
        house.drafter(crash).run()
    assert house.drafter().run() == 1
    offered = [house.seen(task_id).background_draft for task_id in (first, second)]
    assert [one is None for one in offered] in ([True, False], [False, True])


def test_a_drafter_that_knows_no_answer_is_not_asked_again(house: House) -> None:
    task_id, asked = house.hold(), list[str]()
    answerer = house.desk.answerer(generator=Silent()).answerer
    silent = BackgroundDrafter(
        house.desk.database, answerer, "silent", every=False, busy=idle, seconds=30.0
    )
    assert (silent.run(), house.seen(task_id).background_draft) == (0, None)
    assert house.drafter(lambda: asked.append("again")).run() == 0
    assert asked == []


def test_what_is_erased_leaves_no_background_draft(house: House) -> None:
    task_id = house.hold()
    house.drafter().run()
    assert "£350" in str(house.kept())
    eraser = Eraser(house.desk.database, house.desk.settings, house.desk.corpus)
    (cited,) = {one.document_id for one in house.offered(task_id).draft.citations}
    eraser.document(cited, "olga")
    assert house.kept() == []


def test_a_source_that_goes_while_it_drafts_leaves_no_words(house: House) -> None:
    house.hold()
    database, settings, corpus = house.desk.database, house.desk.settings, house.desk.corpus

    def erase() -> None:
        page = corpus.documents.page(["main"], limit=10)
        Eraser(database, settings, corpus).document(page.documents[0].document_id, "olga")

    assert house.drafter(erase).run() == 0
    assert "£350" not in str(house.kept())


def test_the_drafter_is_a_generator_of_its_own_settings(tmp_path: Path) -> None:
    settings = settings_for(
        "sqlite://",
        tmp_path,
        generator_model="small",
        generator_api_key="ours",
        review_drafter="http://127.0.0.1:9/v1",
        review_drafter_model="large",
        review_drafter_passages=12,
    )
    found = drafter_settings(settings)
    assert (found.generator, found.generator_model) == ("http://127.0.0.1:9/v1", "large")
    assert (found.generator_api_key, found.evidence_passages) == ("", 12)
    assert found.deadline_s > Settings().deadline_s
    assert build_drafter(drafter_settings(Settings())).name == "reader"
