"""One review task with all that a decision needs."""

from collections.abc import Collection, Mapping
from typing import Any, cast

from sqlalchemy.orm import Session

from app.corpus.passages import current_passages, find_passages
from app.db import database_time, iso
from app.records.recording import policy_content, read_as, recorded_second_try
from app.records.release import ERASED_MESSAGE, without_removed
from app.records.tables import RecordRow, SettlementRow
from app.records.views import AnswerBody, view_of
from app.review.background_drafts import background_draft_of
from app.review.decisions import (
    approvers_of,
    decision_of,
    newest_proposal,
    shown_sha256,
    uncited,
)
from app.review.listing import Shown, shipped_among, task_row
from app.review.notes import notes_of
from app.review.redrafts import newest_redraft
from app.review.sources import changed_sources
from app.review.tables import ApprovalRow, PendingDecisionRow, ProbeRow, ReviewTaskRow
from app.review.undo import is_over
from app.review.views import (
    EvidenceView,
    FindingView,
    ProposalView,
    SecondTryView,
    TaskDetailView,
    VerdictView,
)
from app.review.why import why_line
from guardrails.contract import AnswerObject
from guardrails.personal_data.find import without_accidents


def task_detail(
    session: Session, task: ReviewTaskRow, probe: ProbeRow | None, record: RecordRow
) -> TaskDetailView:
    """Everything a decision needs; removed sources have lost their text."""
    texts = current_passages(session, [passage["id"] for passage in record.evidence])
    draft = cast("AnswerObject", record.draft)
    proposal = newest_proposal(session, task)
    base = draft if proposal is None else proposal.answer
    shown = _of_whole(record)
    approvers, shipped = approvers_of(session, [task]), shipped_among(session, [shown.certificate])
    changes = changed_sources(session, base, record.evidence) if task.undecided else []
    redraft = newest_redraft(session, task.id)
    return TaskDetailView(
        **task_row(task, shown, approvers, shipped, database_time(session)),
        stale=bool(changes),
        why=_why(session, record),
        draft=AnswerBody.of(without_removed(draft, texts)),
        second_try=_second_try(record),
        proposal=_proposal(proposal, {*texts, *_added_sources(session, record, proposal)}),
        evidence=_evidence(record, base, texts),
        findings=[_finding(finding) for finding in record.findings],
        verdict=_verdict(record),
        lineage=record.lineage,
        content_sha256=shown_sha256(record, proposal),
        decision=decision_of(session, task, probe),
        fence=task.fence,
        lease_until=iso(task.lease_until),
        undo_until=_undo_until(session, task),
        notes=notes_of(session, task),
        changed_sources=changes,
        redrafts=0 if redraft is None else redraft.number,
        background_draft=background_draft_of(session, task),
    )


def _finding(stored: Mapping[str, Any]) -> FindingView:
    """Checks quote the question too."""
    texts = [name for name in ("message", "excerpt") if name in stored]
    hidden = {name: without_accidents(stored[name]) for name in texts}
    return view_of(FindingView, {**stored, **hidden})


def _verdict(record: RecordRow) -> VerdictView:
    said = {**record.verdict, "reasons": list(map(without_accidents, record.verdict["reasons"]))}
    return view_of(VerdictView, said)


def _of_whole(record: RecordRow) -> Shown:
    return Shown(
        record.question,
        record.principal,
        read_as(record),
        record.verdict["reasons"],
        record.lineage.get("certificate", ""),
        [],
    )


def _undo_until(session: Session, task: ReviewTaskRow) -> str | None:
    pending = None if task.undecided else session.get(PendingDecisionRow, task.id)
    over = pending is None or is_over(pending, database_time(session))
    return None if pending is None or over else iso(pending.due_at)


def _why(session: Session, record: RecordRow) -> str:
    if not record.evidence:  # what was erased has none; to look costs a statement
        settled = session.get(SettlementRow, record.answer_id)
        if settled is not None and settled.state == "erased":
            return ERASED_MESSAGE
    policy = policy_content(session, record.verdict["policy_sha256"])
    said = why_line(record.draft, record.findings, record.verdict, record.gate, policy)
    return without_accidents(said)


def _evidence(
    record: RecordRow, base: AnswerObject, texts: Mapping[str, str]
) -> list[EvidenceView]:
    """The passages with the numbers that an edit of ``base`` cites them by."""
    cited = {one["passage_id"]: one["number"] for one in reversed(base["citations"])}
    others = uncited(base, record.evidence)
    numbers = cited | {passage["id"]: number for number, passage in others.items()}
    return [
        EvidenceView(
            passage_id=passage["id"],
            document_id=passage["document_id"],
            title=passage["title"],
            page=passage["page"],
            text=texts.get(passage["id"], ""),
            removed=passage["id"] not in texts,
            cited=passage["id"] in cited,
            number=numbers[passage["id"]],
            last_page=passage.get("last_page"),
            headings=list(passage.get("headings", ())),
        )
        for passage in record.evidence
    ]


def _second_try(record: RecordRow) -> SecondTryView | None:
    tried = recorded_second_try(record)
    return None if tried is None else SecondTryView(tried.judged, tried.message)


def _added_sources(
    session: Session, record: RecordRow, proposal: ApprovalRow | None
) -> Collection[str]:
    """The passages that a proposal cites besides the evidence and that stand, of collections that
    whoever sees the task may read."""
    if proposal is None:
        return ()
    cited = {one["passage_id"] for one in proposal.answer["citations"]}
    others = cited - {passage["id"] for passage in record.evidence}
    standing, collections = current_passages(session, others), record.searched["collections"]
    found = [passage for passage, _ in find_passages(session, standing)]
    return {passage.id for passage in found if passage.collection in collections}


def _proposal(row: ApprovalRow | None, readable: Collection[str]) -> ProposalView | None:
    if row is None:
        return None
    return ProposalView(
        reviewer=row.reviewer,
        edited=row.edited,
        answer=AnswerBody.of(without_removed(row.answer, readable)),
        approved_at=cast("str", iso(row.approved_at)),
    )
