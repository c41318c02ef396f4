"""How drafts are released: the mode of the service and of each collection."""

from typing import Any, Literal, get_args

from sqlalchemy.orm import Session

from app.db import Database, iso, now
from app.errors import Invalid
from app.gate.strata import MAX_STRATUM, SERVICE
from app.gate.tables import GateModeRow
from app.records.audit import append_audit

Mode = Literal["off", "provisional", "certified", "review_everything", "retrieval_only"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""From the laxest to the strictest."""


def switch_mode(
    database: Database, mode: str, reason: str, by: str, collection: str = SERVICE
) -> dict[str, Any]:
    """Set the mode of the service or of a collection, with an audit link; raises ``Invalid``."""
    if mode not in MODES:
        raise Invalid(f"A mode is one of {', '.join(MODES)}.")
    if not reason.strip():
        raise Invalid("Please say why the mode changes.")
    if len(collection) > MAX_STRATUM:
        raise Invalid(f"A collection's name has at most {MAX_STRATUM} characters.")
    with database.transaction() as session:
        row = set_mode(session, collection, mode, reason.strip(), by)
        return mode_wire(row)


def set_mode(session: Session, collection: str, mode: str, reason: str, by: str) -> GateModeRow:
    row = session.get(GateModeRow, collection, with_for_update=True)
    before = row.mode if row is not None else ""
    if row is None:
        row = GateModeRow(collection=collection)
        session.add(row)
    row.mode, row.reason, row.changed_by, row.changed_at = mode, reason, by, now()
    event = {"collection": collection, "mode": mode, "before": before}
    append_audit(session, "gate_mode", {**event, "reason": reason, "by": by})
    return row


def known_mode(mode: str) -> Mode:
    """A stored mode; a word that nobody knows holds everything."""
    return next((known for known in MODES if known == mode), "review_everything")


def mode_wire(row: GateModeRow) -> dict[str, Any]:
    return {
        "collection": row.collection,
        "mode": row.mode,
        "reason": row.reason,
        "changed_by": row.changed_by,
        "changed_at": iso(row.changed_at),
    }
