"""A recorded answer, judged again: the same verdict from its record alone, or the difference."""

import copy
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from app.answering.answerer import Ask
from app.db import Database
from app.errors import NotFound, NotReplayable
from app.proof.export import proof_of
from app.proof.replay import Replayer
from app.records.tables import AuditRow, PolicyRow, RecordRow
from app.review.decisions import Decision
from guardrails.contract import Case, Draft
from guardrails.judge import Judge
from guardrails.policy.decide import Policy
from guardrails.policy.load import load_policy, parse_policy
from tests.conftest import on_sqlite
from tests.fakes import QuotingGenerator
from tests.integration.test_answering import (
    ANN,
    COVERAGE,
    EXCESS,
    INJECTION,
    RITA,
    UNANSWERABLE,
    Desk,
    the_only_task,
)
from tests.trails import every_check, every_judge


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    built = Desk(database, tmp_path)
    built.stock()
    return built


def replay(desk: Desk, answer_id: str, policy: Policy | None = None, **now: str) -> dict[str, Any]:
    models = {"embedder": desk.embedder.name, "generator": desk.generator.name} | now
    return asdict(Replayer(desk.database, every_judge, models).replay(answer_id, policy))


def changed(desk: Desk, answer_id: str, **values: Any) -> None:
    """Change a record behind the service's back."""
    with desk.database.transaction() as session:
        session.execute(update(RecordRow).where(RecordRow.answer_id == answer_id).values(**values))


SCHEMA = {"properties": {"text": {"maxLength": 3}}}


@on_sqlite
@pytest.mark.parametrize(
    ("question", "schema", "status", "action"),
    [
        (EXCESS, None, "released", "release"),
        (COVERAGE, None, "held", "review"),
        (EXCESS, SCHEMA, "held", "review"),
        (INJECTION, None, "blocked", "block"),
        (UNANSWERABLE, None, "abstained", "release"),
        ("Should I sign a settlement offer?", None, "held", "review"),
    ],
)
def test_its_own_policy_gives_the_same_verdict(
    desk: Desk, question: str, schema: Any, status: str, action: str
) -> None:
    seen = desk.ask(question, answer_schema=schema)
    found = replay(desk, seen["answer_id"])
    assert (seen["status"], found["recorded"]["action"]) == (status, action)
    assert found["recorded"] == found["replayed"]
    assert found["same"] and found["warnings"] == []
    assert found["findings_added"] == found["findings_gone"] == []


def test_a_follow_up_is_judged_as_it_was_understood(desk: Desk) -> None:
    first = desk.ask(EXCESS)["answer_id"]
    second = desk.ask("And for water damage?", previous_answer_id=first)
    assert replay(desk, second["answer_id"])["same"]


def test_the_record_keeps_the_features_and_nobody_is_shown_them(desk: Desk) -> None:
    class Unsure(QuotingGenerator):
        def submit(self, item: Any, deadline: Any) -> Draft:
            return replace(super().submit(item, deadline), features={"margin": -7.125})

    seen = desk.answerer(generator=Unsure()).answer(ANN, Ask(EXCESS))
    assert seen["status"] == "held"
    assert replay(desk, seen["answer_id"])["same"]
    record = desk.record(seen["answer_id"])
    assert record.inputs is not None and record.inputs["features"] == {"margin": -7.125}
    assert "7.125" not in str([seen, the_only_task(desk), record.draft])
    changed(desk, seen["answer_id"], inputs={**record.inputs, "features": {"margin": 99.0}})
    assert not replay(desk, seen["answer_id"])["same"]


def test_a_deleted_document_does_not_change_the_past(desk: Desk) -> None:
    answer_id = desk.ask(EXCESS)["answer_id"]
    desk.corpus.documents.delete(desk.shelf.ids["handbook.txt"])
    assert replay(desk, answer_id)["same"]


def test_another_policy_shows_what_it_would_have_done(desk: Desk) -> None:
    answer_id = desk.ask(EXCESS)["answer_id"]
    content = copy.deepcopy(dict(load_policy().content))
    content["version"] += 1
    content["topics"].append(
        {"name": "water", "description": "Water.", "where": "question", "patterns": ["water"]}
    )
    content["rules"].append({"check": "topics", "label": "water", "then": "review"})
    other = parse_policy(content, "other")
    found = replay(desk, answer_id, other)
    assert not found["same"]
    assert (found["recorded"]["action"], found["replayed"]["action"]) == ("release", "review")
    assert [(f["check"], f["label"]) for f in found["findings_added"]] == [("topics", "water")]
    assert found["replayed"]["policy_sha256"] == other.sha256
    assert found["recorded"]["policy_sha256"] == load_policy().sha256
    assert replay(desk, answer_id)["same"]


def test_a_draft_changed_in_the_record_is_found_out(desk: Desk) -> None:
    answer_id = desk.ask(EXCESS)["answer_id"]
    draft = copy.deepcopy(desk.record(answer_id).draft)
    assert draft is not None
    draft["sentences"][0]["text"] = "The excess for water damage is £3."
    changed(desk, answer_id, draft=draft)
    found = replay(desk, answer_id)
    assert (found["same"], found["replayed"]["action"]) == (False, "review")
    assert not proof_of(desk.database, answer_id)["checks"]["content_sha256_fits"]


def test_other_models_are_told_not_hidden(desk: Desk) -> None:
    answer_id = desk.ask(EXCESS)["answer_id"]
    for now in ({"generator": "another"}, {"models_sha256": "0" * 64}):
        (warning,) = replay(desk, answer_id, None, **now)["warnings"]
        assert warning["code"] == "models_changed"
        assert next(iter(now)) in warning["message"]


def test_what_cannot_be_replayed_says_so(desk: Desk) -> None:
    answer_id = desk.ask(EXCESS)["answer_id"]
    with pytest.raises(NotFound):
        replay(desk, "no-such-answer")
    with desk.database.transaction() as session:
        session.execute(update(PolicyRow).values(content={**load_policy().content, "version": 99}))
    with pytest.raises(NotReplayable, match="not the one"):
        replay(desk, answer_id)
    with desk.database.transaction() as session:
        session.execute(update(PolicyRow).values(content={"name": "x"}))
    with pytest.raises(NotReplayable, match="cannot be used"):
        replay(desk, answer_id)
    with desk.database.transaction() as session:
        session.execute(delete(PolicyRow))
    with pytest.raises(NotReplayable, match="not stored"):
        replay(desk, answer_id)
    changed(desk, answer_id, inputs=None)
    with pytest.raises(NotReplayable, match="before replay"):
        replay(desk, answer_id)


def test_a_policy_is_stored_once(desk: Desk) -> None:
    for question in (EXCESS, COVERAGE, EXCESS):
        desk.ask(question)
    with desk.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(PolicyRow)) == 1
        row = session.get_one(PolicyRow, load_policy().sha256)
    assert parse_policy(row.content, "kept").sha256 == load_policy().sha256


# Proof


def test_a_proof_holds_the_whole_trail_and_its_links(desk: Desk) -> None:
    answer_id = desk.ask(COVERAGE)["answer_id"]
    desk.ask(EXCESS)
    task = desk.reviews.claim(RITA, the_only_task(desk)["task_id"])
    decision = Decision("approve", task["content_sha256"], task["fence"])
    desk.reviews.decide(RITA, task["task_id"], decision)
    proof = proof_of(desk.database, answer_id)
    assert proof["record"]["question"] == COVERAGE
    assert proof["decision"]["reviewer"] == "rita"
    assert proof["settlement"]["state"] == "released"
    assert proof["release"]["answer"] == proof["record"]["draft"]
    assert proof["policy"] == load_policy().content
    kinds = [link["kind"] for link in proof["audit"]]
    assert kinds[0] == "recorded" and "released" in kinds and len(kinds) >= 3
    assert proof["checks"] == {"content_sha256_fits": True, "broken_audit_link": None}
    with pytest.raises(NotFound):
        proof_of(desk.database, "no-such-answer")


def test_a_proof_says_when_the_chain_is_broken(desk: Desk) -> None:
    answer_id = desk.ask(EXCESS)["answer_id"]
    number = proof_of(desk.database, answer_id)["audit"][0]["number"]
    with desk.database.transaction() as session:
        link = session.get_one(AuditRow, number)
        link.event = {**link.event, "outcome": "held"}
    assert proof_of(desk.database, answer_id)["checks"]["broken_audit_link"] == number


def test_a_replay_knows_the_risk_and_the_day_of_the_record(desk: Desk) -> None:
    answer_id = desk.ask(EXCESS)["answer_id"]
    record = desk.record(answer_id)
    evidence = [{**passage, "valid_until": "2026-03-31"} for passage in record.evidence]
    then = datetime(2026, 3, 1, tzinfo=UTC)
    facts = {**(record.facts or {}), "risk": 0.75}
    changed(desk, answer_id, evidence=evidence, created_at=then, facts=facts)
    seen: list[Case] = []

    class Watching(Judge):
        def judge(self, case: Case, earlier: Any = ()) -> Any:
            seen.append(case)
            return super().judge(case, earlier)

    def judge_for(policy: Policy) -> Judge:
        return Watching(every_check(policy), policy)

    models = {"embedder": desk.embedder.name, "generator": desk.generator.name}
    told = asdict(Replayer(desk.database, judge_for, models).replay(answer_id))
    assert "freshness" not in [one["check"] for one in told["findings_added"]]
    assert (seen[0].risk, seen[0].today) == (0.75, then.date())
