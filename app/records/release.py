"""What an asker may see of an answer: released, withdrawn, corrected, or still held."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import iso, now
from app.records.audit import append_audit
from app.records.tables import RecordRow, ReleaseRow
from app.review.tables import DecisionRow, ReviewTaskRow
from guardrails.contract import canonical_sha256
from guardrails.redaction import redacted

HELD_MESSAGE = (
    "A reviewer is checking this answer before it is released. You can leave this page: "
    "the answer will be here when you come back."
)
REJECTED_MESSAGE = "A reviewer decided not to release this answer."
WITHDRAWN_MESSAGE = (
    "A reviewer found this answer wrong; it was withdrawn. Please do not rely on it."
)
EXPIRED_MESSAGE = "No reviewer decided in time, so this answer was not released."


GATE_FIELDS = ("mode", "certified", "provisional", "alpha", "delta")
"""What an asker may know of the gate's entry in the record."""


def release(
    session: Session, record: RecordRow, answer: dict[str, Any], *, released_by: str, edited: bool
) -> None:
    """Let the asker see ``answer``; only a recorded answer can be released.

    Every release comes through here, so here the kinds that the verdict names are masked.
    """
    answer = redacted(answer, record.verdict.get("redact", ()))
    session.add(
        ReleaseRow(
            answer_id=record.answer_id,
            answer=answer,
            released_by=released_by,
            edited=edited,
            released_at=now(),
            withdrawn_at=None,
        )
    )
    append_audit(
        session,
        "released",
        {
            "answer_id": record.answer_id,
            "released_by": released_by,
            "answer_sha256": canonical_sha256(answer),
        },
    )


def withdraw(session: Session, record: RecordRow, *, by: str) -> None:
    """Take a released answer back; the asker sees that, and no longer the answer."""
    row = session.get_one(ReleaseRow, record.answer_id)
    row.withdrawn_at = now()
    append_audit(session, "withdrawn", {"answer_id": record.answer_id, "by": by})


def correct(session: Session, record: RecordRow, answer: dict[str, Any], *, by: str) -> None:
    """Put a reviewer's text in the place of a released answer, masked like any release."""
    answer = redacted(answer, record.verdict.get("redact", ()))
    row = session.get_one(ReleaseRow, record.answer_id)
    row.answer, row.released_by, row.edited, row.released_at = answer, "reviewer", True, now()
    event = {"answer_id": record.answer_id, "by": by, "answer_sha256": canonical_sha256(answer)}
    append_audit(session, "corrected", event)


def answer_view(session: Session, record: RecordRow, readable: Iterable[str]) -> dict[str, Any]:
    """The answer as its asker may see it now; never a draft that was not released.

    ``readable`` are the passage ids that still exist in the asker's scope: a citation of any
    other passage keeps its number but loses its quote.
    """
    released = session.get(ReleaseRow, record.answer_id)
    status, message = _status(session, record, released)
    if status != "released":
        released = None
    return {
        "answer_id": record.answer_id,
        "status": status,
        "question": record.question,
        "created_at": iso(record.created_at),
        "released_at": iso(released.released_at) if released else None,
        "released_by": released.released_by if released else None,
        "edited": bool(released and released.edited),
        "message": message,
        "answer": without_removed(released.answer, readable) if released else None,
        "disclaimer": "\n".join(record.verdict.get("disclaimers", ())) if released else "",
        "searched": record.searched,
        "timings_ms": record.timings_ms,
        "gate": {name: record.gate[name] for name in GATE_FIELDS} if record.gate else None,
    }


def cited_passages(record: RecordRow) -> list[str]:
    """Passage ids the record's draft cites."""
    draft = cast("dict[str, Any]", record.draft or {})
    return [citation["passage_id"] for citation in draft.get("citations", [])]


def _status(session: Session, record: RecordRow, released: ReleaseRow | None) -> tuple[str, str]:
    if released is not None:
        withdrawn = released.withdrawn_at is not None
        return ("rejected", WITHDRAWN_MESSAGE) if withdrawn else ("released", "")
    if record.outcome != "held":
        return record.outcome, record.message
    task = session.scalar(select(ReviewTaskRow).where(ReviewTaskRow.answer_id == record.answer_id))
    if task is not None and task.state == "expired":
        return "rejected", EXPIRED_MESSAGE
    decision = session.get(DecisionRow, task.id) if task is not None else None
    if decision is not None:
        return "rejected", REJECTED_MESSAGE
    return "held", record.message


def without_removed(answer: Mapping[str, Any], readable: Iterable[str]) -> dict[str, Any]:
    """The answer object with the quotes of passages that are not ``readable`` taken out."""
    kept = set(readable)
    citations = [
        citation if citation["passage_id"] in kept else {**citation, "quote": "", "removed": True}
        for citation in answer["citations"]
    ]
    return {**answer, "citations": citations}
