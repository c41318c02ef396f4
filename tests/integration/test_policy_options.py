"""What policies ask for, on both databases: four eyes, queues, masking, notes, shadows."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.access.principals import Principal
from app.corpus.corpus import Corpus
from app.db import Database, now
from app.errors import AlreadyDecided, ApprovalVoid, ClaimLost, Conflict, Forbidden, Invalid
from app.proof.dry_run import dry_run, judged_of, shadow_report
from app.records import audit, recording, release
from app.records.tables import AuditRow, RecordRow, ReleaseRow
from app.review.decisions import Decision
from app.review.tables import ApprovalRow, DecisionRow, ReviewTaskRow
from app.review.tasks import open_task
from app.settings import Settings
from guardrails.contract import Finding, Outcome
from guardrails.policy.decide import Policy
from guardrails.policy.load import parse_policy
from tests.trails import (
    WireDesk,
    add_ready_document,
    draft_from,
    hold,
    only_passage,
    trail,
)

ANN = Principal("ann", frozenset({"asker", "reviewer"}))
RITA = Principal("rita", frozenset({"reviewer"}))
RAJ = Principal("raj", frozenset({"reviewer"}))
OLGA = Principal("olga", frozenset({"operator"}))


@pytest.fixture
def desk(database: Database, settings: Settings) -> WireDesk:
    return WireDesk(database, settings)


@pytest.fixture
def held(database: Database, settings: Settings) -> tuple[str, str]:
    """(task id, answer id) of a draft that needs four eyes."""
    return hold(database, settings, four_eyes=True, queue="regulated")


def decide(
    desk: WireDesk, who: Principal, task_id: str, kind: Any = "approve", **values: Any
) -> dict[str, Any]:
    task = desk.claim(who, task_id)
    return desk.decide(
        who, task_id, Decision(kind, task["content_sha256"], task["fence"], **values)
    )


def view(database: Database, answer_id: str) -> dict[str, Any]:
    with database.reading() as session:
        record = session.get_one(RecordRow, answer_id)
        return asdict(release.answer_view(session, record, release.cited_passages(record)))


# Four eyes


def test_one_approval_releases_nothing_and_two_do(
    database: Database, desk: WireDesk, held: tuple[str, str]
) -> None:
    task_id, answer_id = held
    first = decide(desk, RITA, task_id)
    assert (first["state"], first["decision"], first["claimed_by"]) == ("open", None, None)
    assert (first["approved_by"], first["approvals_needed"]) == (["rita"], 2)
    assert view(database, answer_id)["status"] == "held"
    second = decide(desk, RAJ, task_id)
    assert (second["state"], second["decision"]["reviewer"]) == ("decided", "raj")
    assert second["approved_by"] == ["rita", "raj"]
    seen = view(database, answer_id)
    assert (seen["status"], seen["edited"]) == ("released", False)
    with database.reading() as session:
        kinds = list(session.scalars(select(AuditRow.kind)))
        assert audit.broken_audit_link(session) is None
    assert kinds.count("approved") == 2 and kinds.count("decided") == 1


def test_the_same_reviewer_never_approves_twice(
    database: Database, desk: WireDesk, held: tuple[str, str]
) -> None:
    task_id, answer_id = held
    claimed = desk.claim(RITA, task_id)
    proof = Decision("approve", claimed["content_sha256"], claimed["fence"])
    desk.decide(RITA, task_id, proof)
    with pytest.raises(Forbidden, match="second reviewer"):
        desk.claim(RITA, task_id)
    for again in (proof, replace(proof, kind="edit", text="It is £350 [1].")):
        with pytest.raises(Forbidden, match="second reviewer"):
            desk.decide(RITA, task_id, again)
    assert view(database, answer_id)["status"] == "held"


def test_nobody_counts_for_their_own_question_whatever_the_settings_say(
    desk: WireDesk, settings: Settings, held: tuple[str, str]
) -> None:
    assert settings.self_review
    with pytest.raises(Forbidden, match="You asked"):
        desk.claim(ANN, held[0])
    decide(desk, RITA, held[0])
    with pytest.raises(Forbidden, match="You asked"):
        desk.claim(ANN, held[0])


def test_an_edit_must_be_approved_by_somebody_else_as_it_was_written(
    database: Database, desk: WireDesk, held: tuple[str, str]
) -> None:
    task_id, answer_id = held
    edited = decide(desk, RITA, task_id, "edit", text="It is £350 [1].")
    assert edited["proposal"]["answer"]["text"] == "It is £350 [1]."
    assert (edited["proposal"]["reviewer"], edited["proposal"]["edited"]) == ("rita", True)
    done = decide(desk, RAJ, task_id)
    assert done["decision"]["text"] == "It is £350 [1]."
    seen = view(database, answer_id)
    assert (seen["answer"]["text"], seen["edited"]) == ("It is £350 [1].", True)
    assert [row["answer"] for row in desk.edits(RITA)] == ["It is £350 [1]."]


def test_another_edit_takes_the_first_approval_away(
    database: Database, desk: WireDesk, held: tuple[str, str]
) -> None:
    task_id, answer_id = held
    decide(desk, RITA, task_id)
    changed = decide(desk, RAJ, task_id, "edit", text="£350 [1].")
    assert (changed["state"], changed["approved_by"]) == ("open", ["raj"])
    with pytest.raises(Forbidden):
        desk.claim(RAJ, task_id)
    assert view(database, answer_id)["status"] == "held"
    decide(desk, RITA, task_id)
    assert view(database, answer_id)["answer"]["text"] == "£350 [1]."


def test_one_rejection_is_enough(database: Database, desk: WireDesk, held: tuple[str, str]) -> None:
    task_id, answer_id = held
    decide(desk, RITA, task_id)
    done = decide(desk, RAJ, task_id, "reject", reason="Not for us to say.")
    assert done["state"] == "decided"
    assert view(database, answer_id)["status"] == "rejected"
    with pytest.raises(AlreadyDecided):
        decide(desk, Principal("kim", frozenset({"reviewer"})), task_id)


def test_an_approval_binds_to_what_is_proposed(
    database: Database, desk: WireDesk, held: tuple[str, str]
) -> None:
    task_id, answer_id = held
    before = desk.task(RAJ, task_id)
    decide(desk, RITA, task_id, "edit", text="It is £9,999 [1].")
    now_claimed = desk.claim(RAJ, task_id)
    assert now_claimed["content_sha256"] != before["content_sha256"]
    with pytest.raises(ApprovalVoid):
        stale = Decision("approve", before["content_sha256"], now_claimed["fence"])
        desk.decide(RAJ, task_id, stale)
    assert view(database, answer_id)["status"] == "held"


def test_a_changed_source_voids_the_second_approval_too(
    database: Database, desk: WireDesk, held: tuple[str, str]
) -> None:
    decide(desk, RITA, held[0])
    add_ready_document(Corpus(database), text="The excess for water damage is £500. Ask us.")
    with pytest.raises(ApprovalVoid):
        decide(desk, RAJ, held[0])
    assert view(database, held[1])["status"] == "held"


def test_a_failed_first_approval_leaves_no_trace(
    database: Database, desk: WireDesk, held: tuple[str, str]
) -> None:
    with pytest.raises(Invalid):
        decide(desk, RITA, held[0], "edit", text="It is £350 [9].")
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(ApprovalRow)) == 0
    assert decide(desk, RITA, held[0])["approved_by"] == ["rita"]


def test_a_half_approved_task_expires_closed(
    database: Database, desk: WireDesk, held: tuple[str, str]
) -> None:
    decide(desk, RITA, held[0])
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(expires_at=now() - timedelta(seconds=1)))
    with pytest.raises(AlreadyDecided):
        decide(desk, RAJ, held[0])
    assert view(database, held[1])["status"] == "rejected"


@pytest.mark.parametrize("attempt", range(3))
def test_a_race_of_reviewers_never_releases_with_one_pair_of_eyes(
    database: Database, desk: WireDesk, held: tuple[str, str], attempt: int
) -> None:
    task_id, _ = held
    reviewers = [Principal(f"reviewer-{n}", frozenset({"reviewer"})) for n in range(4)]
    start = Barrier(len(reviewers) * 2)

    def race(reviewer: Principal) -> None:
        start.wait()
        for _ in range(8):
            try:
                decide(desk, reviewer, task_id)
            except (Conflict, Forbidden):
                continue

    with ThreadPoolExecutor(len(reviewers) * 2) as pool:
        list(pool.map(race, reviewers * 2))
    with database.reading() as session:
        approvers = list(session.scalars(select(ApprovalRow.reviewer)))
        released = session.scalar(select(func.count()).select_from(ReleaseRow))
        decided = session.scalar(select(func.count()).select_from(DecisionRow))
    assert len(approvers) == len(set(approvers)) <= 2
    assert released == decided == (1 if len(approvers) == 2 else 0)


def test_a_claim_is_needed_for_the_second_approval(desk: WireDesk, held: tuple[str, str]) -> None:
    first = decide(desk, RITA, held[0])
    with pytest.raises(ClaimLost):
        desk.decide(RAJ, held[0], Decision("approve", first["content_sha256"], first["fence"]))


# Queues and deadlines


def test_queues_filter_the_list_and_deadlines_set_the_expiry(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    urgent, _ = hold(database, settings, queue="urgent", deadline_hours=2)
    plain, _ = hold(database, settings)
    assert [t["task_id"] for t in desk.tasks(RITA, "open")["tasks"]] == [urgent, plain]
    listed = desk.tasks(RITA, "open", queue="urgent")
    assert [t["task_id"] for t in listed["tasks"]] == [urgent] and listed["open"] == 1
    assert [t["task_id"] for t in desk.tasks(RITA, "open", queue="")["tasks"]] == [plain]
    with database.reading() as session:
        task = session.get_one(ReviewTaskRow, urgent)
        other = session.get_one(ReviewTaskRow, plain)
    assert abs(task.expires_at - task.created_at - timedelta(hours=2)) < timedelta(minutes=5)
    assert other.expires_at - other.created_at > timedelta(days=settings.review_days - 1)


# What is released


def personal(database: Database, outcome: str, **options: Any) -> recording.Trail:
    corpus = Corpus(database)
    add_ready_document(corpus, text="Our phone is 0161 496 0123 at night. We answer in a week.")
    base = trail(only_passage(corpus), outcome)
    return replace(base, verdict=replace(base.verdict, **options))


@pytest.mark.parametrize("outcome", ["released", "held"])
def test_masked_kinds_never_reach_the_asker_whoever_releases(
    database: Database, desk: WireDesk, settings: Settings, outcome: str
) -> None:
    made = personal(database, outcome, redact=("phone",), disclaimers=("A.", "B."))
    made = replace(made, draft=replace(draft_from(made.evidence[0]), short="0161 496 0123"))
    with database.transaction() as session:
        record = recording.write(session, made)
        task_id = open_task(session, record, settings) if outcome == "held" else ""
    if task_id:
        assert view(database, made.answer_id)["disclaimer"] == ""
        shown = desk.claim(RITA, task_id)
        assert "0161 496 0123" in shown["draft"]["text"]
        assert shown["verdict"]["redact"] == ["phone"]
        decide(desk, RITA, task_id, "edit", text="Our phone is 0161 496 0123 [1].")
    seen = view(database, made.answer_id)
    assert seen["disclaimer"] == "A.\nB."
    assert seen["answer"]["citations"][0]["redacted"]
    assert "0123" not in str(seen["answer"])
    assert "Our phone is [phone]" in seen["answer"]["text"]


# Trying a policy on what was recorded


def own(**values: Any) -> Policy:
    base = {"name": "new", "version": 1, "min_margin": 0, "required_checks": [], "topics": []}
    return parse_policy({**base, "rules": [], **values}, "new")


def record(database: Database, made: recording.Trail) -> str:
    with database.transaction() as session:
        recording.write(session, made)
    return made.answer_id


def test_a_dry_run_says_what_would_have_changed_and_where(database: Database) -> None:
    corpus = Corpus(database)
    add_ready_document(corpus)
    passage = only_passage(corpus)
    odd = [Finding("odd", Outcome.FAIL, "Odd.")]
    fine = [Finding("odd", Outcome.PASS, "Fine.")]
    was_released = record(database, replace(trail(passage, "released"), findings=fine))
    was_held = record(database, replace(trail(passage, "held"), findings=odd))
    record(database, replace(trail(passage, "held"), findings=[*odd, *odd]))
    made = own(
        rules=[
            {"check": "odd", "then": "release", "when": "size(findings) < 4"},
            {"when": "!findings.exists(f, f.outcome == 'fail')", "then": "review"},
        ]
    )
    report = dry_run(database, OLGA, made)
    assert (report["answers"], report["unchanged"], report["change"]) == (3, 1, {})
    made = own(rules=[{"check": "odd", "then": "block"}])
    report = dry_run(database, OLGA, made)
    assert report["summary"] == "blocked 2 more, held 2 fewer"
    assert was_released not in [one["answer_id"] for one in report["changed"]]
    (one,) = [one for one in report["changed"] if one["answer_id"] == was_held]
    assert (one["was"], one["becomes"], one["reasons"]) == ("held", "blocked", ["Odd."])
    assert one["question"] == "What is the excess?"


def test_a_dry_run_looks_for_new_topics_in_question_and_answer(database: Database) -> None:
    corpus = Corpus(database)
    add_ready_document(corpus)
    made = replace(trail(only_passage(corpus), "released"), findings=[
        Finding("topics", Outcome.PASS, "")
    ])  # fmt: skip
    record(database, made)
    for where, pattern in (("question", "excess"), ("answer", "£350")):
        topic = {"name": "t", "description": "T.", "where": where, "patterns": [pattern]}
        assert dry_run(database, OLGA, own(topics=[topic]))["change"] == {"released": -1, "held": 1}
    assert dry_run(database, OLGA, own())["change"] == {}


def test_a_record_gives_back_what_was_judged(database: Database) -> None:
    corpus = Corpus(database)
    add_ready_document(corpus)
    made = replace(
        trail(only_passage(corpus), "released"), facts={"roles": ["asker"], "risk": 0.25}
    )
    record(database, made)
    with database.reading() as session:
        judged = judged_of(session.get_one(RecordRow, made.answer_id))
    assert judged.case.draft is not None and made.draft is not None
    assert judged.case.draft.sentences == made.draft.sentences
    assert judged.case.draft.citations == made.draft.citations
    assert list(judged.case.evidence) == list(made.evidence)
    assert (judged.case.asker.name, judged.case.asker.roles) == ("ann", ("asker",))
    assert (judged.case.risk, judged.outcome) == (0.25, "released")
    assert list(judged.findings) == list(made.findings)


def test_a_dry_run_is_for_operators_over_what_they_may_read_and_lately(database: Database) -> None:
    corpus = Corpus(database)
    add_ready_document(corpus)
    record(database, trail(only_passage(corpus), "released"))
    with pytest.raises(Forbidden):
        dry_run(database, RITA, own())
    elsewhere = Principal("olaf", frozenset({"operator"}), scope=("other",))
    assert dry_run(database, elsewhere, own())["answers"] == 0
    assert dry_run(database, OLGA, own(), since_days=1)["answers"] == 1
    with database.transaction() as session:
        session.execute(update(RecordRow).values(created_at=now() - timedelta(days=2)))
    assert dry_run(database, OLGA, own(), since_days=1)["answers"] == 0


def test_the_shadows_agreement_is_counted_from_the_records(database: Database) -> None:
    corpus = Corpus(database)
    add_ready_document(corpus)
    passage = only_passage(corpus)
    told = {"policy": "dark 1", "policy_sha256": "a" * 64, "reasons": ["Dark."]}
    shadows: list[dict[str, Any] | None] = [
        {**told, "agreement": "agree", "outcome": "released"},
        {**told, "agreement": "stricter", "outcome": "held"},
        {**told, "agreement": "error", "error": "KeyError"},
        None,
    ]
    for shadow in shadows:
        record(database, replace(trail(passage, "released"), shadow=shadow))
    report = shadow_report(database, OLGA)
    assert report["agreement"] == {"agree": 1, "stricter": 1, "error": 1}
    assert report["policies"] == ["dark 1 (aaaaaaaaaaaa)"]
    assert report["change"] == {"released": -1, "held": 1}
    assert [(one["was"], one["becomes"]) for one in report["changed"]] == [("released", "held")]
