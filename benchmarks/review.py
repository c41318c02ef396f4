"""How long a page of the review queue takes, with many tasks, on both databases."""

import gc
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.db import Database, migrate, now
from app.records.tables import RecordRow
from app.review.desk import ReviewDesk
from app.review.priority import task_facts
from app.review.scopes import scope_of
from app.review.tables import DecisionRow, ProbeKnownByRow, ProbeRow, ReviewTaskRow
from app.settings import Settings
from benchmarks.postgres import own_postgres

COLLECTIONS = [f"collection-{n:02d}" for n in range(12)]
QUEUES = ["", "", "", "regulated", "urgent"]
STATES = ["open"] * 19 + ["claimed"] + ["expired"] * 10 + ["decided"] * 170
"""One task in ten waits: a desk that keeps up. The count of open tasks grows with them."""
KINDS = ["held"] * 85 + ["audit"] * 8 + ["gold"] * 4 + ["second"] * 3
REVIEWERS = [f"reviewer-{n}" for n in range(8)]
BATCH = 2000
SCOPED = Principal(REVIEWERS[0], frozenset({"reviewer"}), tuple(COLLECTIONS[:6]))
NARROW = Principal(REVIEWERS[1], frozenset({"reviewer"}), (COLLECTIONS[11],))
EVERYTHING = Principal(REVIEWERS[2], frozenset({"reviewer"}))
Call = Callable[[], Any]
Row = dict[str, Any]
Scopes = dict[tuple[str, ...], str]


def measure_review(tasks: int, runs: int, seed: int = 0) -> dict[str, Any]:
    """Milliseconds of ``ReviewDesk.tasks`` at the 95th percentile: over all calls, and of each.

    null for PostgreSQL where the package that brings one is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="countersign-review-") as folder:
        embedded = _measured(f"sqlite:///{folder}/review.db", tasks, runs, seed)
    with own_postgres() as address:
        server = _measured(address, tasks, runs, seed) if address else None
    found = {"sqlite": embedded, "postgresql": server}
    return {
        "list_p95_ms": {name: one and one["all"] for name, one in found.items()},
        "count_p95_ms": {name: one and one["count"] for name, one in found.items()},
        "tasks": tasks,
        "runs": runs,
        "p95_ms": found,
    }


def _measured(address: str, tasks: int, runs: int, seed: int) -> dict[str, float]:
    database = Database(address)
    try:
        migrate(database)
        fill(database, tasks, random.Random(seed))
        if not database.embedded:  # as its autovacuum does in time
            with database.engine.connect() as connection:
                plain = connection.execution_options(isolation_level="AUTOCOMMIT")
                plain.execute(text("VACUUM ANALYZE"))
        desk = ReviewDesk(database, Settings(database_url=address))
        calls = _calls(desk)
        # As the service does when it starts; else each full collection looks through all that
        # the benchmark made, and counts as the time of whatever page it fell on.
        gc.collect()
        gc.freeze()
        taken: dict[str, list[float]] = {name: [] for name in [*calls, "count"]}
        for _ in range(runs):
            for name, call in {**calls, "count": desk.count_open}.items():
                began = time.perf_counter()
                call()
                taken[name].append((time.perf_counter() - began) * 1000)
    finally:
        gc.unfreeze()
        database.close()
    every = [ms for name in calls for ms in taken[name]]
    return {"all": _p95(every), **{name: _p95(ms) for name, ms in taken.items()}}


def _calls(desk: ReviewDesk) -> dict[str, Call]:
    """The pages that reviewers open: filters, deep pages, narrow scopes."""

    def page(who: Principal, state: str, **options: Any) -> Call:
        return lambda: desk.tasks(who, state, **options)

    deep = None
    for _ in range(5):
        deep = desk.tasks(SCOPED, "open", 200, cursor=deep).next_cursor or deep
    return {
        "open": page(SCOPED, "open"),
        "open, 10": page(SCOPED, "open", limit=10),
        "open, deep": page(SCOPED, "open", cursor=deep),
        "open, queue": page(SCOPED, "open", queue="urgent"),
        "open, collection": page(SCOPED, "open", collection=COLLECTIONS[3]),
        "open, narrow scope": page(NARROW, "open"),
        "open, everything": page(EVERYTHING, "open"),
        "open, kind": page(SCOPED, "open", cause="topics"),
        "open, risk": page(SCOPED, "open", min_risk=0.9),
        "open, mine": page(SCOPED, "open", assigned_to=REVIEWERS[0]),
        "open, asker": page(SCOPED, "open", asker="asker-7"),
        "open, words found often": page(SCOPED, "open", text="excess water"),
        "open, words not found": page(SCOPED, "open", text="trombone"),
        "snoozed": page(SCOPED, "snoozed"),
        "claimed": page(SCOPED, "claimed"),
        "decided": page(SCOPED, "decided"),
        "decided, narrow scope": page(NARROW, "decided"),
        "expired": page(SCOPED, "expired"),
        "all": page(SCOPED, "all"),
    }


def _p95(ms: list[float]) -> float:
    return round(statistics.quantiles(ms, n=20)[-1], 2)


def fill(database: Database, tasks: int, chance: random.Random, states: list[str] = STATES) -> None:
    """Tasks of the last half year; scopes and states are drawn."""
    begin = now() - timedelta(days=180)
    step = timedelta(days=180) / tasks
    decided: list[str] = []
    scopes: Scopes = {}
    for first in range(0, tasks, BATCH):
        with database.transaction() as session:
            made = []
            for number in range(first, min(first + BATCH, tasks)):
                moment = begin + number * step
                rows = _task(session, number, moment, chance, scopes, states)
                _pair(rows, decided, chance)
                made.append(rows)
            _insert(session, made)


def _pair(rows: dict[type, list[Row]], decided: list[str], chance: random.Random) -> None:
    """A second review has a decided task that it shows once more."""
    (task,) = rows[ReviewTaskRow]
    if ProbeRow in rows:
        if task["kind"] == "second" and decided:
            rows[ProbeRow][0]["first_task"] = chance.choice(decided)
    elif task["state"] == "decided":
        decided.append(task["id"])


def _task(
    session: Session,
    number: int,
    created: datetime,
    chance: random.Random,
    scopes: Scopes,
    states: list[str],
) -> dict[type, list[Row]]:
    """The rows of one task, by table."""
    kind, state = chance.choice(KINDS), chance.choice(states)
    names = sorted(set(chance.choices(COLLECTIONS, k=chance.choice([1, 1, 1, 2]))))
    content = _content(names, chance)
    if tuple(names) not in scopes:
        scopes[tuple(names)] = scope_of(session, content["evidence"], content["searched"])
    undecided, reviewer = state in ("open", "claimed"), chance.choice(REVIEWERS)
    late = now() + timedelta(days=3)
    task: Row = {
        "id": f"{number:032x}",
        "answer_id": f"{number + 2**64:032x}",
        "kind": kind,
        "state": state,
        "undecided": undecided,
        "queue": chance.choice(QUEUES),
        "scope": scopes[tuple(names)],
        "four_eyes": False,
        "claimed_by": None if state in ("open", "expired") else reviewer,
        "lease_until": late if state == "claimed" else None,
        "fence": 0,
        "created_at": created,
        "expires_at": late if undecided else created + timedelta(days=3),
        "snoozed_until": late if undecided and chance.random() < 0.03 else None,
        "assigned_to": chance.choice(REVIEWERS) if chance.random() < 0.2 else None,
        **task_facts(content, {"risk": chance.random()}, created, created + timedelta(days=3)),
    }
    rows: dict[type, list[Row]] = {ReviewTaskRow: [task]}
    if kind in ("gold", "second"):
        rows[ProbeRow] = [_probe(task["id"], content, state)]
        rows[ProbeKnownByRow] = [{"task_id": task["id"], "name": chance.choice(REVIEWERS)}]
        return rows
    rows[RecordRow] = [_record(task, content)]
    if state == "decided":
        rows[DecisionRow] = [_decision(task)]
    return rows


def _content(collections: list[str], chance: random.Random) -> Row:
    """What is recorded of an answer, about as large as it is."""
    words = " ".join(chance.choice(("excess", "water", "claim", "days")) for _ in range(120))
    place = {"document_id": "0" * 32, "title": "Handbook", "page": 1, "start": 0, "end": 600}
    evidence = [
        {"id": f"{chance.getrandbits(128):032x}", "collection": name, "text": words, **place}
        for name in itertools.islice(itertools.cycle(collections), 5)
    ]
    return {
        "question": f"What is the {words[:60]}?",
        "searched": {"collections": collections, "passages": 5, "titles": ["Handbook"]},
        "principal": f"asker-{chance.randrange(100)}",
        "draft": {
            "text": words,
            "short": None,
            "sentences": [{"text": words, "citations": []}],
            "citations": [],
        },
        "evidence": evidence,
        "findings": [
            {
                "check": "topics",
                "outcome": "fail",
                "message": words[:80],
                "label": "coverage_decision",
                "excerpt": words[:20],
            }
        ],
        "verdict": {
            "action": "review",
            "reasons": ["coverage decision"],
            "message": "",
            "policy": "default",
            "policy_sha256": "0" * 64,
            "redact": [],
            "disclaimers": [],
        },
        "lineage": {"index_version": "v1", "certificate": f"{chance.randrange(4):064x}"},
    }


def _record(task: Row, content: Row) -> Row:
    rest: Row = {"message": "", "timings_ms": {}, "content_sha256": "0" * 64, "outcome": "held"}
    rest |= {"inputs": None, "gate": None, "facts": None, "shadow": None}
    return {"answer_id": task["answer_id"], "created_at": task["created_at"], **content, **rest}


def _probe(task_id: str, content: Row, state: str) -> Row:
    return {
        "task_id": task_id,
        "collection": content["evidence"][0]["collection"],
        "gold_item": None,
        "first_task": None,
        "content": content,
        "content_sha256": "0" * 64,
        "expected_wrong": False,
        "called_wrong": False if state == "decided" else None,
        "decision": None,
    }


def _decision(task: Row) -> Row:
    return {
        "task_id": task["id"],
        "kind": "approve",
        "reviewer": task["claimed_by"],
        "reason": "",
        "text": "",
        "content_sha256": "0" * 64,
        "decided_at": task["created_at"],
    }


def _insert(session: Session, made: list[dict[type, list[Row]]]) -> None:
    for table in (RecordRow, ReviewTaskRow, DecisionRow, ProbeRow, ProbeKnownByRow):
        rows = [row for one in made for row in one.get(table, ())]
        if rows:
            session.execute(insert(table), rows)
