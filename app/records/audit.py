"""The hash-chained audit log."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import iso, now
from app.records.tables import AuditHeadRow, AuditRow
from guardrails.contract import canonical_sha256

NO_HEAD = "audit_head is missing: run the migrations"


def lock_head(session: Session) -> AuditHeadRow:
    """The end of the chain, locked until the transaction ends: writers queue here.

    Its number is a stamp of the whole service: while it stands still, no document, mode, key or
    answer has changed.
    """
    head: AuditHeadRow | None = session.info.get("audit_head")
    if head is None:
        head = session.get(AuditHeadRow, 1, with_for_update=True, populate_existing=True)
        if head is None:
            raise RuntimeError(NO_HEAD)
        session.info["audit_head"] = head
    return head


def append_audit(session: Session, kind: str, event: dict[str, Any]) -> int:
    """Add one link to the audit chain and return its number; writers queue on the head row.

    So numbers grow in the order of the commits, and tell what came first where clocks cannot.
    """
    head = lock_head(session)
    stamped = {**event, "at": iso(now())}
    digest = _link_hash(head.number + 1, kind, stamped, head.sha256)
    session.add(
        AuditRow(
            number=head.number + 1,
            kind=kind,
            event=stamped,
            previous_sha256=head.sha256,
            sha256=digest,
        )
    )
    head.number += 1
    head.sha256 = digest
    return head.number


def newest_link(session: Session) -> int:
    """The number of the newest link that this transaction can see; 0 before the first."""
    locked: AuditHeadRow | None = session.info.get("audit_head")
    if locked is not None:
        return locked.number
    return session.scalar(select(AuditHeadRow.number)) or 0


def _link_hash(number: int, kind: str, event: Mapping[str, Any], previous: str) -> str:
    return canonical_sha256(
        {"number": number, "kind": kind, "event": event, "previous_sha256": previous}
    )


def broken_audit_link(session: Session) -> int | None:
    """The number of the first link that does not fit the chain, or None when all fit."""
    previous = ""
    expected = 1
    for row in session.scalars(select(AuditRow).order_by(AuditRow.number)):
        fits = row.number == expected and row.previous_sha256 == previous
        if not fits or row.sha256 != _link_hash(row.number, row.kind, row.event, previous):
            return expected
        previous, expected = row.sha256, expected + 1
    head = session.get(AuditHeadRow, 1)
    complete = head is not None and head.number == expected - 1 and head.sha256 == previous
    return None if complete else expected
