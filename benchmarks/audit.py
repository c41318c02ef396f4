"""How fast ``countersign audit verify`` reads: links, and the rows that they seal."""

import json
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from app.db import Database, iso, migrate, now
from app.proof.verify import verify_audit
from app.records.audit import link_sha256
from app.records.seals import sealed_table
from app.records.tables import AuditHeadRow, AuditRow, RecordRow, ReleaseRow
from guardrails.contract import canonical_json, canonical_sha256

BATCH = 3000
EVIDENCE = "The excess for water damage is 350 pounds. Claims must be made within 30 days. " * 8
Row = dict[str, Any]


def measure_audit(links: int) -> dict[str, Any]:
    """Links a second, on SQLite: of the chain alone, and of everything that is compared.

    Two links of three belong to a record or its release, as an answer that was released leaves
    them; the third is of something else.
    """
    with tempfile.TemporaryDirectory(prefix="countersign-audit-") as folder:
        database = Database(f"sqlite:///{Path(folder) / 'audit.db'}")
        try:
            migrate(database)
            _fill(database, links)
            began = time.perf_counter()
            report = verify_audit(database)
            took = time.perf_counter() - began
        finally:
            database.close()
    if not report.sound:
        raise RuntimeError(f"the chain that was made does not hold: {report.problems[:3]}")
    return {
        "links_s": round(report.links / took),
        "links": report.links,
        "rows": report.rows,
        "seconds": round(took, 3),
    }


def _fill(database: Database, links: int) -> None:
    previous, number = "", 0
    while number < links:
        made: dict[type, list[Row]] = {AuditRow: [], RecordRow: [], ReleaseRow: []}
        while number < links and len(made[AuditRow]) < BATCH:
            for kind, event, seals, row in _answer():
                number += 1
                text = canonical_json({**event, "at": iso(now()), "rows": seals})
                digest = link_sha256(number, kind, text, previous)
                link = {"number": number, "kind": kind, "event": json.loads(text)}
                made[AuditRow].append({**link, "previous_sha256": previous, "sha256": digest})
                previous = digest
                if row is not None:
                    made[RecordRow if kind == "recorded" else ReleaseRow].append(row)
        with database.transaction() as session:
            for table, rows in made.items():
                session.execute(insert(table), rows)
            head = session.get_one(AuditHeadRow, 1)
            head.number, head.sha256 = number, previous


def _answer() -> list[tuple[str, Row, list[list[str]], Row | None]]:
    """Kind, event, seals and row of the three links that one answer leaves."""
    answer_id = secrets.token_hex(16)
    record, release = _record(answer_id), _release(answer_id)
    named = {"answer_id": answer_id}
    recorded = {**named, "outcome": "released", "content_sha256": record["content_sha256"]}
    released = {**named, "released_by": "policy", "answer_sha256": "0" * 64}
    return [
        ("recorded", recorded, [["records", answer_id, _digest(RecordRow, record)]], record),
        ("released", released, [["releases", answer_id, _digest(ReleaseRow, release)]], release),
        ("index_begun", {"embedder": "minilm"}, [], None),
    ]


def _digest(mapped: Any, row: Row) -> str:
    return sealed_table(mapped).digest(row)


def _record(answer_id: str) -> Row:
    passages = [{"id": secrets.token_hex(16), "text": EVIDENCE, "start": 0} for _ in range(5)]
    draft = _body(answer_id)
    parts = {"question": "What is the excess?", "draft": draft, "evidence": passages}
    lineage = {"index_version": "v1", "embedder": "minilm", "generator": "reader"}
    return {
        **parts,
        "answer_id": answer_id,
        "principal": "ann",
        "outcome": "released",
        "message": "",
        "findings": [{"check": f"check-{n}", "outcome": "pass", "message": ""} for n in range(16)],
        "verdict": {"action": "release", "reasons": [], "policy_sha256": "0" * 64},
        "lineage": lineage,
        "searched": {"collections": ["main"], "passages": 5, "titles": ["Handbook"]},
        "timings_ms": {"judging": 1.5},
        "inputs": None,
        "content_sha256": canonical_sha256({**parts, "lineage": lineage}),
        "created_at": now(),
        "gate": {"mode": "off", "risk": 0.1234},
        "facts": None,
        "shadow": None,
    }


def _release(answer_id: str) -> Row:
    return {
        "answer_id": answer_id,
        "answer": _body(answer_id),
        "released_by": "policy",
        "edited": False,
        "released_at": now(),
        "withdrawn_at": None,
    }


def _body(answer_id: str) -> Row:
    citation = {"number": 1, "passage_id": answer_id, "quote": EVIDENCE[:42]}
    sentence = {"text": EVIDENCE[:42], "citations": [1]}
    return {"text": EVIDENCE[:42], "short": None, "sentences": [sentence], "citations": [citation]}
