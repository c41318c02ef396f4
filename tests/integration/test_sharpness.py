"""People stay sharp: time to read, who is told what of reviewers, and wrong answers that are mixed
in as real ones become rare."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.access.principals import Principal
from app.access.service import Access
from app.access.tables import PrincipalRow
from app.corpus.corpus import Corpus
from app.db import Database, now
from app.errors import Invalid, NotFound, TooSoon
from app.gate.reviewer_error import (
    ReviewerCheck,
    ReviewerFigures,
    cohens_kappa,
    report_check,
    reviewer_report,
)
from app.proof.erasure import Eraser
from app.proof.export import proof_of
from app.proof.verify import verify_audit
from app.records.audit import append_audit
from app.records.tables import AuditRow, RecordRow
from app.review import probes
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.gold import add_gold
from app.review.practice import Practice, Truth
from app.review.probes import CONTENT, content_of, mix_in_gold
from app.review.sharpness import ReviewerView, reviewer_work
from app.review.tables import DecisionRow, PracticeRow, ProbeRow, ReviewTaskRow
from app.settings import Settings
from tests.conftest import on_sqlite
from tests.trails import hold, settings_for

RITA = Principal("rita", frozenset({"reviewer"}))
CARA = Principal("cara", frozenset({"reviewer"}))
"""For what does not depend on the kind of database."""


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, tmp_path, min_reading_seconds=30.0, gold_share=0.0)


def decide(desk: ReviewDesk, task_id: str, kind: Any = "approve", *, fence: Any = None) -> None:
    seen = desk.task(RITA, task_id)
    desk.decide(RITA, task_id, Decision(kind, seen.content_sha256, fence, "It is wrong."))


def claimed_ago(database: Database, seconds: float) -> None:
    moment = now() - timedelta(seconds=seconds)
    with database.transaction() as session:
        waiting = update(ReviewTaskRow).where(ReviewTaskRow.undecided)
        session.execute(waiting.values(claimed_at=moment))


@pytest.mark.parametrize("kind", ["approve", "reject"])
def test_a_risky_task_is_decided_only_after_it_can_have_been_read(
    database: Database, settings: Settings, kind: str
) -> None:
    desk = ReviewDesk(database, settings)
    task_id, _ = hold(database, settings, urgency="high")
    assert desk.task(RITA, task_id).reading_seconds == 30
    with pytest.raises(TooSoon, match=r"(30|29) seconds more"):
        decide(desk, task_id, kind)
    assert desk.task(RITA, task_id).state == "open"  # one step that fails claims nothing
    seen = desk.claim(RITA, task_id)
    assert seen.reading_until is not None
    claimed_ago(database, 20)
    with pytest.raises(TooSoon, match=r"\b(\d|10) seconds more"):
        decide(desk, task_id, kind, fence=seen.fence)
    fence = desk.claim(RITA, task_id).fence  # renewing does not begin anew
    claimed_ago(database, 31)
    decide(desk, task_id, kind, fence=fence)
    assert desk.task(RITA, task_id).reading_until is None


@on_sqlite
def test_who_takes_over_reads_anew_and_a_clock_that_went_back_locks_nobody_out(
    database: Database, settings: Settings
) -> None:
    desk = ReviewDesk(database, settings)
    task_id, _ = hold(database, settings, urgency="urgent")
    desk.claim(Principal("bob", frozenset({"reviewer"})), task_id)
    claimed_ago(database, 100)
    desk.claim(RITA, task_id, take_over=True)
    with pytest.raises(TooSoon):
        decide(desk, task_id)
    claimed_ago(database, -3600)
    decide(desk, task_id)


@pytest.mark.parametrize("risk", [None, 0.4, 0.6])
@on_sqlite
def test_only_risky_tasks_ask_for_time(
    database: Database, settings: Settings, risk: float | None
) -> None:
    desk = ReviewDesk(database, settings)
    task_id, _ = hold(database, settings)
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(risk=risk))
    if risk == 0.6:
        with pytest.raises(TooSoon):
            decide(desk, task_id)
    else:
        decide(desk, task_id)
        assert desk.task(RITA, task_id).reading_seconds == 0


def test_kappa_is_agreement_beyond_chance() -> None:
    both, first, second, none = (True, True), (True, False), (False, True), (False, False)
    # Cohen's own form of example: 20 and 15 agree, 5 and 10 do not.
    assert cohens_kappa([both] * 20 + [first] * 5 + [second] * 10 + [none] * 15) == 0.4
    assert cohens_kappa([both, none]) == 1
    assert cohens_kappa([first, second]) == -1
    assert cohens_kappa([none] * 9) is None and cohens_kappa([]) is None


def work_of(database: Database, settings: Settings) -> ReviewerView:
    report = reviewer_report(database, 0.05)
    with database.reading() as session:
        (work,) = reviewer_work(session, report.reviewers)
        assert reviewer_work(session, (), "elsewhere") == []
    return work


def test_a_lead_sees_what_each_reviewer_does_and_how_they_were_measured(
    database: Database, settings: Settings
) -> None:
    desk = ReviewDesk(database, settings)
    Access(database, settings).accounts.create("rita", ["reviewer"])
    for kind in ("approve", "approve", "reject"):
        task_id, _ = hold(database, settings, asker=f"a{kind}{now().microsecond}")
        fence = desk.claim(RITA, task_id).fence
        claimed_ago(database, 12)
        decide(desk, task_id, kind, fence=fence)
    task_id, _ = hold(database, settings, asker="last")
    decide(desk, task_id)  # in one step: nobody knows how long it took
    with database.transaction() as session:
        for place in range(6):
            wrong = place % 2 == 0
            said = wrong and place > 0
            report_check(session, check("gold", wrong, said, f"g{place}"))
            report_check(session, check("second", wrong, wrong, f"s{place}"))
    work = work_of(database, settings)
    assert (work.decisions, work.approved, work.rejected, work.timed) == (4, 3, 1, 3)
    assert work.median_seconds is not None and 11 < work.median_seconds < 60
    assert (work.wrong_items, work.missed, work.right_items, work.false_alarms) == (3, 1, 3, 0)
    assert (work.gold_kappa, work.pairs, work.agreed, work.kappa) == (0.6667, 6, 6, 1.0)
    assert work.warnings == [] and work.trained_on is None


def check(kind: Any, wrong: bool, said: bool, task_id: str) -> ReviewerCheck:
    return ReviewerCheck(kind, "main", "rita", wrong, said, task_id)


@on_sqlite
def test_a_rubber_stamp_is_warned_of(database: Database, settings: Settings) -> None:
    desk = ReviewDesk(database, settings)
    task_id, _ = hold(database, settings)
    decide(desk, task_id)
    with database.transaction() as session:
        first = session.scalars(select(DecisionRow)).one()
        task = session.get_one(ReviewTaskRow, task_id)
        for place in range(60):
            key = f"{place:032d}"
            _copy(session, task, id=key, answer_id=key, claimed_at=now() - timedelta(seconds=2))
            session.flush()
            _copy(session, first, task_id=key, decided_at=now())
        for place in range(10):
            report_check(session, check("gold", True, place > 3, f"g{place}"))
            report_check(session, check("second", place % 2 == 0, place < 5, f"s{place}"))
    work = work_of(database, settings)
    assert work.decisions == 61
    assert work.warnings == ["misses_wrong", "approves_nearly_all", "very_fast", "agrees_little"]


def _copy(session: Any, row: Any, **changes: Any) -> None:
    written = [column.name for column in row.__table__.columns if column.computed is None]
    values = {name: getattr(row, name) for name in written}
    session.add(type(row)(**{**values, **changes}))


def test_figures_of_somebody_never_measured_are_nothing() -> None:
    nothing = ReviewerFigures.nothing("rita")
    assert (nothing.wrong_items, nothing.pairs, nothing.kappa) == (0, 0, None)


def test_an_export_says_by_what_right_and_with_what_training_people_decided(
    database: Database, settings: Settings
) -> None:
    accounts = Access(database, settings).accounts
    accounts.create("rita", ["reviewer"])
    told = accounts.change("rita", "amy", authority=" Claims lead ", trained_on=date(2026, 3, 1))
    assert (told.authority, told.trained_on) == ("Claims lead", "2026-03-01")
    assert accounts.change("rita", "amy", disabled=False).authority == "Claims lead"
    task_id, answer_id = hold(database, settings)
    assert proof_of(database, answer_id)["reviewers"] == []
    decide(ReviewDesk(database, settings), task_id)
    assert proof_of(database, answer_id)["reviewers"] == [
        {"name": "rita", "authority": "Claims lead", "trained_on": "2026-03-01"}
    ]
    assert accounts.change("rita", "amy", authority="", trained_on=None).trained_on is None
    for wrong in ("x" * 201, "a\nb"):
        with pytest.raises(Invalid):
            accounts.change("rita", "amy", authority=wrong)
    with database.transaction() as session:
        session.execute(update(PrincipalRow).values(authority="Director"))
    assert not verify_audit(database, ()).sound  # it is sealed
    Eraser(database, settings, Corpus(database)).principal("rita", "amy")
    with database.reading() as session:
        erased = session.get_one(PrincipalRow, "rita")
        assert (erased.authority, erased.trained_on) == (None, None)
        links = session.scalars(select(AuditRow.event)).all()
    assert "Claims lead" not in str(links)


def test_practice_tells_the_truth_at_once_and_uses_no_item_that_still_measures(
    database: Database, settings: Settings
) -> None:
    desk, practice = ReviewDesk(database, settings), Practice(database)
    task_id, answer_id = hold(database, settings)
    with database.transaction() as session:
        record = session.get_one(RecordRow, answer_id)
        content = {**content_of(record, CONTENT), "principal": ""}
        record.gate = {"collection": "main"}
    add_gold(database, "main", content, wrong=True, by="olga")
    mixing = settings.model_copy(update={"gold_share": 1.0, "probe_delay_minutes": 0.0})
    with database.transaction() as session:
        task, record = (
            session.get_one(ReviewTaskRow, task_id),
            session.get_one(RecordRow, answer_id),
        )
        append_audit(session, "held", {"answer_id": "x", "task_id": "x"})
        mix_in_gold(session, task, record, mixing)
    assert practice.burst(CARA).items == []  # nobody was measured with it yet
    probe = next(one for one in desk.tasks(RITA, "open").tasks if one.task_id != task_id)
    decide(desk, probe.task_id, "reject")
    assert practice.burst(RITA).items == []  # she has decided it
    (item,) = practice.burst(CARA).items
    assert item.draft.text.startswith("The excess") and item.evidence[0].cited
    assert not hasattr(item, "wrong")
    assert practice.answer(CARA, item.item_id, wrong=False) == Truth(wrong=True, right=False)
    assert practice.answer(CARA, item.item_id, wrong=True).right is False  # the first word stays
    after = practice.burst(CARA)
    assert (after.items, after.practised, after.right) == ([], 1, 0)
    dora = Principal("dora", frozenset({"reviewer"}))
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as session:
            known = {"gold_item": item.item_id, "reviewer": "dora", "practised_at": now()}
            session.add(PracticeRow(**known, right=False))
            session.flush()
            second = pool.submit(practice.answer, dora, item.item_id, wrong=True)
            time.sleep(0.5)  # it waits for the first
        assert second.result() == Truth(wrong=True, right=False)
    narrow = Principal("dan", frozenset({"reviewer"}), ("other",))
    assert practice.burst(narrow).items == []
    for who in (RITA, narrow):
        with pytest.raises(NotFound):
            practice.answer(who, item.item_id, wrong=True)
    assert [one.wrong_items for one in reviewer_report(database, 0.05).reviewers] == [1]
    assert verify_audit(database, ()).broken_link is None


def test_more_wrong_items_are_mixed_in_as_real_ones_become_rare(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "LOOKED_AT", 4)
    chosen = settings.model_copy(update={"gold_share": 0.1, "least_wrong_share": 0.3})
    desk = ReviewDesk(database, settings)

    def share(place: float) -> float:
        with database.reading() as session:
            return probes._share_of_wrong(session, chosen, place)

    for kind in ("reject", "approve", "approve"):
        task_id, _ = hold(database, settings, asker=f"a{now().microsecond}")
        decide(desk, task_id, kind)
    assert share(0.2) == 0  # too few decisions to say
    task_id, _ = hold(database, settings, asker="last")
    decide(desk, task_id)
    assert share(0.2) == pytest.approx(0.15)  # 0.1, and 0.05 for the quarter that was wrong
    assert share(0.31) == 0  # never more than three times the share
    task_id, _ = hold(database, settings, asker="later")
    decide(desk, task_id)
    assert share(0.2) == pytest.approx(0.3)
    calm = chosen.model_copy(update={"least_wrong_share": 0.0})
    with database.reading() as session:
        assert probes._share_of_wrong(session, calm, 0.2) == 0
        assert session.scalar(select(func.count()).select_from(ProbeRow)) == 0
