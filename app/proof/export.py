"""All evidence of one answer in one value: what was judged, decided and released, and the proof."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Base, Database, iso, now
from app.errors import NotFound
from app.records import audit, recording
from app.records.tables import AuditHeadRow, AuditRow, RecordRow, ReleaseRow, SettlementRow
from app.review.tables import DecisionRow, ReviewTaskRow


def proof_of(database: Database, answer_id: str) -> dict[str, Any]:
    """The record, its policy, review task, decision, release and settlement, the audit links.

    It says whether hashes and chain hold; raises ``NotFound``.

    ``checks.broken_audit_link`` is the number of the first link that does not fit, or null.
    """
    with database.reading() as session:
        record = session.get(RecordRow, answer_id)
        if record is None:
            raise NotFound("There is no such answer.")
        task = session.scalar(select(ReviewTaskRow).where(ReviewTaskRow.answer_id == answer_id))
        decision = session.get(DecisionRow, task.id) if task is not None else None
        return {
            "answer_id": answer_id,
            "exported_at": iso(now()),
            "record": _row(record),
            "policy": recording.policy_content(session, record.verdict["policy_sha256"]),
            "review_task": _row(task),
            "decision": _row(decision),
            "release": _row(session.get(ReleaseRow, answer_id)),
            "settlement": _row(session.get(SettlementRow, answer_id)),
            "audit": _links(session, {answer_id, task.id} if task is not None else {answer_id}),
            "audit_head": _row(session.get(AuditHeadRow, 1)),
            "checks": _checks(session, record),
        }


def _checks(session: Session, record: RecordRow) -> dict[str, Any]:
    found = recording.content_hash(record.question, record.draft, record.evidence, record.lineage)
    return {
        "content_sha256_fits": found == record.content_sha256,
        "broken_audit_link": audit.broken_audit_link(session),
    }


def _links(session: Session, names: set[str]) -> list[dict[str, Any] | None]:
    """Every link whose event names the answer or its review task."""
    rows = session.scalars(select(AuditRow).order_by(AuditRow.number))
    return [_row(row) for row in rows if _named(row.event) & names]


def _named(event: Mapping[str, Any]) -> set[str]:
    return {str(event[key]) for key in ("answer_id", "task_id") if key in event}


def _row(row: Base | None) -> dict[str, Any] | None:
    if row is None:
        return None
    values = {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}
    return {
        name: iso(value) if isinstance(value, datetime) else value for name, value in values.items()
    }
