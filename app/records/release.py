"""Answers are settled here, and shown: released, refused, expired, reopened, withdrawn, corrected,
erased.

A record says what judging decided. Whatever happens to a held or released answer afterwards comes
through this module, so that its asker learns of it in one way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from app.db import database_time, iso, now
from app.outbox import NoticeKind, note_event
from app.records.audit import append_audit
from app.records.days import count_settled
from app.records.tables import CitationRow, FeedbackRow, RecordRow, ReleaseRow, SettlementRow
from app.records.views import (
    ERASED,
    AnswerBody,
    AnswerView,
    ChoiceView,
    FeedbackView,
    GateView,
    Reason,
    SearchedView,
    view_of,
)
from guardrails.contract import AnswerObject, CitationObject, canonical_sha256
from guardrails.redaction import as_shown, redacted

HELD_MESSAGE = (
    "A reviewer is checking this answer before it is released. You can leave this page: "
    "the answer will be here when you come back."
)
REJECTED_MESSAGE = (
    "A reviewer decided not to release this answer. You can ask in other words, or ask us directly."
)
WITHDRAWN_MESSAGE = (
    "A reviewer found this answer wrong; it was withdrawn. Please do not rely on it."
)
SOURCE_CHANGED_MESSAGE = (
    "A source of this answer was changed or removed since, or you may no longer read it. "
    "Please ask again before you rely on the answer."
)
ERASED_MESSAGE = "This answer was erased."
EXPIRED_MESSAGE = "No reviewer decided in time, so this answer was not released."

Settled = Literal[
    "released", "corrected", "withdrawn", "refused", "expired", "reopened", "recalled", "erased"
]
SHOWN: Mapping[str, tuple[Literal["released", "held", "rejected", "withdrawn"], str]] = {
    "released": ("released", ""),
    "corrected": ("released", ""),
    "recalled": ("held", HELD_MESSAGE),
    "withdrawn": ("withdrawn", WITHDRAWN_MESSAGE),
    "refused": ("rejected", REJECTED_MESSAGE),
    "expired": ("rejected", EXPIRED_MESSAGE),
    "erased": ("rejected", ERASED_MESSAGE),
}
"""The status and message of an answer that was settled; one that was reopened is held again."""
TOLD: Mapping[str, NoticeKind] = {
    "released": "answer_released",
    "corrected": "answer_corrected",
    "withdrawn": "answer_withdrawn",
    "refused": "answer_refused",
    "expired": "answer_expired",
}
"""What is told when an answer is settled so; of the other states nobody is told."""


def release(
    session: Session, record: RecordRow, answer: AnswerObject, *, released_by: str, edited: bool
) -> None:
    """Let the asker see ``answer``; only a recorded answer can be released.

    Every release comes through here, so here the kinds that the verdict names are masked, and what
    no reviewer can have seen is left out.
    """
    answer = redacted(as_shown(answer), record.verdict.get("redact", ()))
    row = ReleaseRow(
        answer_id=record.answer_id,
        answer=answer,
        released_by=released_by,
        edited=edited,
        released_at=now(),
        withdrawn_at=None,
    )
    event = {"released_by": released_by, "answer_sha256": canonical_sha256(answer)}
    if record.outcome == "released":  # by the policy: it was never in doubt, and is the first
        session.add(row)
        append_audit(session, "released", {"answer_id": record.answer_id, **event})
        _add_citations(session, record.answer_id, answer)
    else:  # where a decision was taken back there is one already
        session.merge(row)
        _settle(session, record.answer_id, "released", event)
        _note_citations(session, record.answer_id, answer)


def refuse(session: Session, answer_id: str, *, by: str) -> None:
    """A reviewer rejected a held answer: its asker never sees it."""
    _settle(session, answer_id, "refused", {"by": by})


def expire(session: Session, answer_id: str) -> None:
    """Nobody decided a held answer in time: its asker never sees it."""
    _settle(session, answer_id, "expired", {})


def reopen(session: Session, answer_id: str) -> None:
    """An answer expired while a clock was ahead: it is held again."""
    _settle(session, answer_id, "reopened", {})


def withdraw(
    session: Session, answer_id: str, *, by: str, reason: str = "", message: str = ""
) -> None:
    """Take a released answer back; the asker sees that with the message, and no longer the answer.

    ``reason`` is for the record.
    """
    session.get_one(ReleaseRow, answer_id).withdrawn_at = now()
    _settle(session, answer_id, "withdrawn", {"by": by, "reason": reason}, message)


def recall(session: Session, answer_id: str, *, by: str) -> None:
    """A reviewer took the decision on a held answer back: it waits again."""
    released = session.get(ReleaseRow, answer_id)
    if released is not None:
        released.withdrawn_at = now()
    _settle(session, answer_id, "recalled", {"by": by})


def restore(session: Session, answer_id: str, before: Mapping[str, Any], *, by: str) -> None:
    """Show a release again as it was before a reviewer corrected or withdrew it."""
    row = session.get_one(ReleaseRow, answer_id)
    row.answer, row.released_by, row.edited = (
        before[name] for name in ("answer", "released_by", "edited")
    )
    row.released_at = datetime.fromisoformat(before["at"]).replace(tzinfo=None)
    row.withdrawn_at = None
    event = {"by": by, "answer_sha256": canonical_sha256(row.answer), "undone": True}
    _settle(session, answer_id, "released", event)


def correct(session: Session, record: RecordRow, answer: AnswerObject, *, by: str) -> None:
    """Put a reviewer's text in the place of a released answer, masked like any release."""
    answer = redacted(as_shown(answer), record.verdict.get("redact", ()))
    row = session.get_one(ReleaseRow, record.answer_id)
    row.answer, row.released_by, row.edited, row.released_at = answer, "reviewer", True, now()
    _note_citations(session, record.answer_id, answer)
    event = {"by": by, "answer_sha256": canonical_sha256(answer)}
    _settle(session, record.answer_id, "corrected", event)


def _note_citations(session: Session, answer_id: str, answer: AnswerObject) -> None:
    session.execute(delete(CitationRow).where(CitationRow.answer_id == answer_id))
    _add_citations(session, answer_id, answer)


def _add_citations(session: Session, answer_id: str, answer: AnswerObject) -> None:
    """Keep which passages a released answer cites, so that it is found when one changes."""
    cited = {one["passage_id"]: one["document_id"] for one in answer["citations"]}
    if cited:
        rows = [
            {"answer_id": answer_id, "passage_id": passage, "document_id": document}
            for passage, document in cited.items()
        ]
        session.execute(insert(CitationRow), rows)


def settle_erased(session: Session, answer_id: str, event: Mapping[str, Any]) -> None:
    """The words of an answer are gone, whatever became of it before."""
    _settle(session, answer_id, "erased", event)


def _settle(
    session: Session, answer_id: str, state: Settled, event: Mapping[str, Any], message: str = ""
) -> None:
    """The one place where an answer changes after it was recorded."""
    number = append_audit(session, state, {"answer_id": answer_id, **event})
    before = session.get(SettlementRow, answer_id)
    count_settled(session, answer_id, "" if before is None else before.state, state)
    row = SettlementRow(
        answer_id=answer_id,
        state=state,
        number=number,
        settled_at=now(),
        message=message.strip() or None,
    )
    session.merge(row)
    if state in TOLD:
        note_event(session, TOLD[state], answer_id, database_time(session))


def shown_status(session: Session, record: RecordRow) -> str:
    """The status that its asker sees now."""
    settled = session.get(SettlementRow, record.answer_id)
    return record.outcome if settled is None else SHOWN.get(settled.state, (record.outcome,))[0]


def answer_view(
    session: Session, record: RecordRow, readable: Iterable[str], *, written_now: bool = False
) -> AnswerView:
    """The answer as its asker may see it now; never a draft that was not released.

    ``readable`` are the passage ids that still exist in the asker's scope: a citation of any
    other passage keeps its number but loses its quote. What was ``written_now``, in this
    transaction, nobody can have settled yet.
    """
    settled = None if written_now else session.get(SettlementRow, record.answer_id)
    state = record.outcome if settled is None else settled.state
    status, message = SHOWN.get(state, (record.outcome, record.message))
    if settled is not None and settled.message:
        message = f"{message} {settled.message}"
    released = session.get(ReleaseRow, record.answer_id) if status == "released" else None
    shown = without_removed(released.answer, readable) if released else None
    if shown is not None and any(one.get("removed") for one in shown["citations"]):
        message = f"{message} {SOURCE_CHANGED_MESSAGE}".strip()
    said = None if written_now else session.get(FeedbackRow, record.answer_id)
    return AnswerView(
        answer_id=record.answer_id,
        status=cast("Any", status),
        question=record.question,
        created_at=cast("str", iso(record.created_at)),
        released_at=iso(released.released_at) if released else None,
        released_by=cast("Any", released.released_by) if released else None,
        edited=bool(released and released.edited),
        message=message,
        answer=AnswerBody.of(shown) if shown else None,
        disclaimer="\n".join(record.verdict.get("disclaimers", ())) if released else "",
        searched=view_of(SearchedView, record.searched),
        timings_ms=record.timings_ms,
        gate=_gate_view(record.gate) if record.gate else None,
        reason=_reason(record, state),
        choices=[ChoiceView(**one) for one in record.searched.get("choices", ())],
        feedback=FeedbackView(said.useful, said.reason) if said else None,
    )


def _reason(record: RecordRow, state: str) -> Reason:
    if state == "erased":
        return ERASED
    return cast("Reason", record.searched.get("reason", "") if state == "abstained" else "")


def _gate_view(entry: Mapping[str, Any]) -> GateView:
    """Without the figures of a provisional certificate: nobody measured them on these documents."""
    view = view_of(GateView, entry)
    return replace(view, alpha=None, delta=None) if view.provisional else view


def cited_passages(record: RecordRow) -> list[str]:
    """Passage ids the record's draft cites."""
    if record.draft is None:
        return []
    return [citation["passage_id"] for citation in record.draft["citations"]]


def without_removed(answer: AnswerObject, readable: Iterable[str]) -> AnswerObject:
    """The answer object with the quotes of passages that are not ``readable`` taken out."""
    kept = set(readable)
    citations: list[CitationObject] = [
        citation if citation["passage_id"] in kept else {**citation, "quote": "", "removed": True}
        for citation in answer["citations"]
    ]
    return {**answer, "citations": citations}
