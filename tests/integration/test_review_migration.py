"""The move to one table of review tasks: rows of the older schema, on both databases."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, insert, select

from app.access.principals import Principal
from app.db import Database, migrate, now
from app.gate.reviewer_error import reviewer_report
from app.records.release import answer_view
from app.records.tables import RecordRow
from app.review.disagreements import disagreements
from app.review.gold import gold_items
from app.settings import PROJECT, Settings
from tests.integration.test_schema import differences
from tests.integration.test_schema import empty as empty
from tests.trails import WireDesk

BEFORE = "0008"
DAY = datetime(2026, 11, 1, 12)
LATER = now().replace(microsecond=0) + timedelta(days=3)
RITA = Principal("rita", frozenset({"reviewer"}))
RAJ = Principal("raj", frozenset({"reviewer"}))
CARA = Principal("cara", frozenset({"reviewer"}))
BOARD = Principal("bo", frozenset({"reviewer"}), ("board",))
DRAFT: dict[str, Any] = {"text": "It is £350.", "short": None, "sentences": [], "citations": []}
VERDICT = {"action": "review", "reasons": ["why"], "message": "", "policy": "p"}
VERDICT |= {"policy_sha256": "0" * 64}
CONTENT = {
    "question": "What is the excess?",
    "searched": {"collections": ["main"], "passages": 1, "titles": []},
    "principal": "ann",
    "draft": DRAFT,
    "evidence": [{"id": "p1", "document_id": "d", "title": "T", "page": 1, "collection": "main"}],
    "findings": [],
    "verdict": VERDICT,
    "lineage": {"index_version": "v1"},
}
ANSWERS = {
    "open": ("held", "open"),
    "refused": ("held", "decided"),
    "expired": ("held", "expired"),
    "approved": ("held", "decided"),
    "withdrawn": ("released", "decided"),
    "audited": ("released", "open"),
    "plain": ("released", None),
}
"""By answer: what was recorded, and the state of its review task."""


def at(database: Database, revision: str, how: Any) -> None:
    config = Config()
    config.set_main_option("script_location", str(PROJECT / "alembic"))
    config.attributes["database"] = database
    how(config, revision)


def record(name: str, outcome: str, collections: list[str]) -> dict[str, Any]:
    evidence = [{**CONTENT["evidence"][0], "collection": one} for one in collections]  # type: ignore[index]
    return {
        **CONTENT,
        "answer_id": name,
        "outcome": outcome,
        "message": "wait" if outcome == "held" else "",
        "evidence": evidence,
        "timings_ms": {},
        "content_sha256": "0" * 64,
        "created_at": DAY,
    }


def task(name: str, state: str, kind: str = "held", **more: Any) -> dict[str, Any]:
    values = {
        "id": f"task-{name}",
        "answer_id": name,
        "state": state,
        "kind": kind,
        "claimed_by": "rita" if state == "decided" else None,
        "lease_until": None,
        "fence": 1,
        "created_at": DAY,
        "expires_at": LATER if state == "open" else DAY + timedelta(days=3),
        "queue": "urgent",
        "four_eyes": False,
    }
    return {**values, **more}


def probe(name: str, state: str, kind: str, **more: Any) -> dict[str, Any]:
    facts = {
        "collection": "main",
        "gold_item": None,
        "first_task": None,
        "known_by": ["ann"],
        "content": CONTENT,
        "content_sha256": "1" * 64,
        "expected_wrong": True,
        "called_wrong": None,
        "decision": None,
    }
    return {**task(name, state, kind), **facts, **more}


def said(kind: str, reviewer: str) -> dict[str, Any]:
    when = "2026-11-02T00:00:00.000Z"
    return {"kind": kind, "reviewer": reviewer, "reason": "r", "text": "", "decided_at": when}


def decision(name: str, kind: str) -> dict[str, Any]:
    rest = {"reviewer": "rita", "reason": "no", "text": "", "content_sha256": "0" * 64}
    return {"task_id": f"task-{name}", "kind": kind, "decided_at": DAY, **rest}


def release(name: str, by: str, withdrawn: bool) -> dict[str, Any]:
    when = {"released_at": DAY, "withdrawn_at": DAY if withdrawn else None}
    return {"answer_id": name, "answer": DRAFT, "released_by": by, "edited": False, **when}


def old_rows() -> dict[str, list[dict[str, Any]]]:
    """By table, in an order that no reference stops."""
    gold = {"id": "item", "collection": "main", "wrong": True, "content": CONTENT}
    gold |= {"content_sha256": "2" * 64, "task_id": "task-refused", "known_by": ["rita"]}
    gold |= {"added_by": "olga", "added_at": DAY}
    second = {"first_task": "task-approved", "known_by": ["ann", "rita"], "expected_wrong": False}
    measured = {"called_wrong": True, "decision": said("reject", "raj"), "claimed_by": "raj"}
    both = {"open": ["board", "main"]}
    kinds = {"withdrawn": "audit", "audited": "audit"}
    return {
        "records": [record(n, o, both.get(n, ["main"])) for n, (o, _) in ANSWERS.items()],
        "releases": [
            release("approved", "reviewer", False),
            release("withdrawn", "policy", True),
            release("audited", "policy", False),
            release("plain", "policy", False),
        ],
        "review_tasks": [
            task(n, state, kinds.get(n, "held")) for n, (_, state) in ANSWERS.items() if state
        ],
        "decisions": [
            decision("refused", "reject"),
            decision("approved", "approve"),
            decision("withdrawn", "reject"),
        ],
        "gold_items": [gold],
        "probes": [
            probe("gold-open", "open", "gold", gold_item="item", known_by=["ann", "rita"]),
            probe("gold-decided", "decided", "gold", called_wrong=False, decision=said("a", "cara"))
            | {"claimed_by": "cara"},
            probe("second", "decided", "second", **second) | measured,
        ],
    }


def write(database: Database) -> None:
    metadata = MetaData()
    metadata.reflect(database.engine)
    with database.transaction() as session:
        for name, rows in old_rows().items():
            for row in rows:
                session.execute(insert(metadata.tables[name]).values(**row))


def stored(database: Database, name: str) -> list[dict[str, Any]]:
    metadata = MetaData()
    metadata.reflect(database.engine)
    with database.reading() as session:
        rows = session.execute(select(metadata.tables[name])).mappings()
        return sorted(map(dict, rows), key=lambda row: str(next(iter(row.values()))))


@pytest.fixture
def moved(empty: Database) -> Database:
    at(empty, BEFORE, command.upgrade)
    write(empty)
    migrate(empty)
    return empty


def listed(database: Database, who: Principal, state: str) -> set[str]:
    desk = WireDesk(database, Settings(database_url=database.url))
    return {task["answer_id"] for task in desk.tasks(who, state)["tasks"]}


def test_the_schema_is_as_declared_with_rows_in_it(moved: Database) -> None:
    assert differences(moved) == []


def test_askers_see_what_they_saw(moved: Database) -> None:
    with moved.reading() as session:
        seen = {
            name: answer_view(session, session.get_one(RecordRow, name), []) for name in ANSWERS
        }
    assert {name: one.status for name, one in seen.items()} == {
        "open": "held",
        "refused": "rejected",
        "expired": "rejected",
        "approved": "released",
        "withdrawn": "withdrawn",
        "audited": "released",
        "plain": "released",
    }
    assert "decided in time" in seen["expired"].message
    assert "withdrawn" in seen["withdrawn"].message
    assert [seen[name].answer is None for name in ("withdrawn", "plain")] == [True, False]


def test_reviewers_see_the_same_tasks(moved: Database) -> None:
    assert listed(moved, CARA, "open") == {"open", "audited", "gold-open"}
    assert listed(moved, RITA, "open") == {"open", "audited"}  # she knows the gold item
    assert listed(moved, BOARD, "open") == set()  # the evidence is of main, too
    assert listed(moved, RITA, "decided") == {"refused", "approved", "withdrawn"}
    assert listed(moved, RAJ, "decided") == {"refused", "withdrawn", "second"}
    assert listed(moved, CARA, "expired") == {"expired"}


def test_measurements_of_reviewers_are_kept(moved: Database) -> None:
    report = reviewer_report(moved, 0.05, "main")
    assert report.gold is not None and (report.gold.missed, report.gold.n) == (1, 1)
    assert [one.reviewer for one in report.reviewers] == ["cara", "raj"]
    assert report.second is not None and (report.second.n, report.second.agreed) == (1, 0)
    (pair,) = disagreements(moved, "main")
    assert (pair.answer_id, pair.first.reviewer, pair.second.reviewer) == (
        "approved",
        "rita",
        "raj",
    )
    assert [item.state for item in gold_items(moved)] == ["open"]


def test_an_old_task_can_be_decided(moved: Database) -> None:
    desk = WireDesk(moved, Settings(database_url=moved.url))
    with moved.reading() as session:
        assert session.get_one(RecordRow, "open").outcome == "held"
    assert desk.claim(CARA, "task-open")["fence"] == 2
    assert desk.claim(CARA, "task-gold-open")["claimed_by"] == "cara"


def test_down_and_up_again_loses_nothing(moved: Database) -> None:
    names = ("review_tasks", "probes", "decisions", "gold_items")
    after = {name: stored(moved, name) for name in (*names, "probe_known_by", "task_scopes")}
    at(moved, BEFORE, command.downgrade)
    before = old_rows()
    for name in names:
        wanted = sorted(before[name], key=lambda row: str(row.get("id", row.get("task_id"))))
        found = stored(moved, name)
        assert [
            {key: row[key] for key in want} for want, row in zip(wanted, found, strict=True)
        ] == (wanted), name
    migrate(moved)
    assert {name: stored(moved, name) for name in after} == after
