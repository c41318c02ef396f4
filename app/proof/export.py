"""All evidence of one answer in one value: what was judged, decided and released, and the proof
that this is what the audit chain says, up to a signed checkpoint."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.accounts import standing_of
from app.db import Database, iso, now
from app.errors import AuditBroken, NotFound
from app.gate.tables import LabelRow
from app.proof.checkpoints import Checkpoint, Checkpoints, inclusion_proofs
from app.records import recording
from app.records.audit import ChainWalk
from app.records.seals import Sealed, row_json
from app.records.tables import RecordRow, ReleaseRow, SettlementRow
from app.review.tables import (
    ApprovalRow,
    DecisionRow,
    RedraftRow,
    ReviewTaskRow,
    SupersededDecisionRow,
)

FORMAT = "countersign-answer-1"
CHECKER = Path(__file__).resolve().parent / "verify_answer.py"
"""The program that checks an exported file, without any other file of ours."""
Link = dict[str, Any]


def proof_of(database: Database, answer_id: str) -> Mapping[str, Any]:
    """The record, its policy, review task, decision, release and settlement, who decided, and the
    audit links.

    It says whether hashes and chain hold; raises ``NotFound``.

    ``checks.broken_audit_link`` is the number of the first link that does not fit, or null.
    ``checks.content_sha256_fits`` is null for an answer whose words were erased: they are not
    there to be hashed, and the link of the erasure seals what is left.
    """
    proof, _ = _gathered(database, answer_id)
    return proof


def signed_proof_of(checkpoints: Checkpoints, database: Database, answer_id: str) -> Any:
    """``proof_of`` with a Merkle proof for each link, up to a signed checkpoint; one is made when
    none has them all. Raises ``NotFound`` and ``AuditBroken``."""
    signed = None
    while signed is None:
        kept = checkpoints.kept()  # before the links are read: they are all of those that it signs
        proof, leaves = _gathered(database, answer_id)
        last = proof["audit"][-1]["number"] if proof["audit"] else 0
        signed = next((one for one in kept if one.number >= last), None)
        if signed is None:  # what happens to the answer meanwhile is signed by one more
            checkpoints.make()
    _check(signed, leaves)
    places = [link["number"] - 1 for link in proof["audit"]]
    for link, path in zip(
        proof["audit"], inclusion_proofs(leaves[: signed.number], places), strict=True
    ):
        link["proof"] = path
    return {**proof, "checkpoint": asdict(signed)}


def _check(signed: Checkpoint, leaves: Sequence[bytes]) -> None:
    if len(leaves) < signed.number or leaves[signed.number - 1].hex() != signed.sha256:
        raise AuditBroken(f"The chain is not the one that was signed at link {signed.number}.")


def _gathered(database: Database, answer_id: str) -> tuple[dict[str, Any], list[bytes]]:
    """The proof without signature, and the hashes of all links, of one state of the database."""
    with database.snapshot() as connection, Session(bind=connection) as session:
        record = session.get(RecordRow, answer_id)
        if record is None:
            raise NotFound("There is no such answer.")
        task = session.scalar(select(ReviewTaskRow).where(ReviewTaskRow.answer_id == answer_id))
        walk, leaves = ChainWalk(connection), list[bytes]()
        links = _links(walk, {answer_id} if task is None else {answer_id, task.id}, leaves)
        proof = {
            "format": FORMAT,
            "answer_id": answer_id,
            "exported_at": iso(now()),
            "policy": recording.policy_content(session, record.verdict["policy_sha256"]),
            "record": row_json(record),
            "release": _row(session.get(ReleaseRow, answer_id)),
            "settlement": _row(session.get(SettlementRow, answer_id)),
            "label": _row(session.get(LabelRow, answer_id)),
            "review_task": _row(task),
            "decision": _row(session.get(DecisionRow, task.id) if task is not None else None),
            "approvals": _rows_of(session, task, ApprovalRow, ApprovalRow.number),
            "redrafts": _rows_of(session, task, RedraftRow, RedraftRow.number),
            "superseded_decisions": _rows_of(
                session, task, SupersededDecisionRow, SupersededDecisionRow.superseded_at
            ),
            "reviewers": _reviewers(session, task),
            "audit": links,
            "audit_head": {"number": walk.last, "sha256": walk.sha256},
            "checks": _checks(record, walk, links),
        }
    return proof, leaves


def _reviewers(session: Session, task: ReviewTaskRow | None) -> list[dict[str, Any]]:
    """Who decided or approved, by what authority, and when they were trained: as of the export."""
    if task is None:
        return []
    tables = (DecisionRow, ApprovalRow, SupersededDecisionRow)
    said = [session.scalars(select(t.reviewer).where(t.task_id == task.id)) for t in tables]
    names = sorted({name for found in said for name in found})
    known = standing_of(session, names)
    rows = [(name, *known.get(name, ("", None))) for name in names]
    return [{"name": name, "authority": right, "trained_on": day} for name, right, day in rows]


def _checks(record: RecordRow, walk: ChainWalk, links: Sequence[Link]) -> Mapping[str, Any]:
    found = recording.content_hash(record.question, record.draft, record.evidence, record.lineage)
    erased = any(link["kind"] == "erased" for link in links)
    fits = None if erased else found == record.content_sha256
    return {"content_sha256_fits": fits, "broken_audit_link": walk.broken}


def _links(walk: ChainWalk, names: set[str], leaves: list[bytes]) -> list[Link]:
    """Every link that names the answer or its review task; ``leaves`` takes every link's hash."""
    found: list[Link] = []
    before = ""
    for number, kind, text, sha256 in walk:
        leaves.append(bytes.fromhex(sha256))
        if any(name in text for name in names):
            link = {"number": number, "kind": kind, "event": json.loads(text)}
            found.append({**link, "previous_sha256": before, "sha256": sha256})
        before = sha256
    return found


def _rows_of(
    session: Session, task: ReviewTaskRow | None, table: Any, order: Any
) -> list[Mapping[str, Any]]:
    if task is None:
        return []
    query = select(table).where(table.task_id == task.id).order_by(order)
    return [row_json(row) for row in session.scalars(query)]


def _row(row: Sealed | None) -> Mapping[str, Any] | None:
    return None if row is None else row_json(row)
