"""Review tasks as reviewers see them."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.corpus.passages import current_passages
from app.db import iso
from app.gate.certificates import provisional_among
from app.records.recording import recorded_second_try, searched_for
from app.records.release import without_removed
from app.records.tables import RecordRow
from app.review.decisions import APPROVALS, approvers_of, decision_of, newest_proposal, shown_sha256
from app.review.probes import hidden_tasks, record_of
from app.review.tables import ApprovalRow, ProbeRow, ReviewTaskRow
from app.review.tasks import Task, may_read

UNSIGNED = "A person must look at this answer."
"""Why a draft without any finding is here; the same for audits, so that they stay unmarked."""


def visible_tasks(
    session: Session, reviewer: Principal, states: Iterable[str]
) -> list[tuple[Task, RecordRow]]:
    """What the reviewer may see of tasks and probes in these states, oldest first."""
    tasks = select(ReviewTaskRow, RecordRow).join(
        RecordRow, RecordRow.answer_id == ReviewTaskRow.answer_id
    )
    found: list[tuple[Task, RecordRow]] = [
        (task, record)
        for task, record in session.execute(tasks.where(ReviewTaskRow.state.in_(states)))
    ]
    probes = session.scalars(select(ProbeRow).where(ProbeRow.state.in_(states)))
    found += [(probe, record_of(probe)) for probe in probes]
    hidden = hidden_tasks(session, reviewer.name)
    seen = [
        (task, record)
        for task, record in found
        if task.id not in hidden and may_read(reviewer, record)
    ]
    return sorted(seen, key=lambda pair: (pair[0].created_at, pair[0].id))


def under_shipped_certificate(session: Session, shown: Sequence[RecordRow]) -> set[str]:
    """The provisional certificates in the lineage of these records.

    By the lineage, which gold items have too: what else a record knows would tell them apart.
    """
    named = [record.lineage.get("certificate") for record in shown]
    return provisional_among(session, filter(None, named))


def task_row(
    task: Task,
    record: RecordRow,
    approvers: Mapping[str, Sequence[str]],
    provisional: Container[str],
) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "answer_id": task.answer_id,
        "state": task.state,
        "question": record.question,
        "searched_for": searched_for(record),
        "asker": record.principal,
        "reasons": record.verdict["reasons"] or [UNSIGNED],
        "created_at": iso(task.created_at),
        "expires_at": iso(task.expires_at),
        "claimed_by": task.claimed_by,
        "queue": task.queue,
        "four_eyes": task.four_eyes,
        "approved_by": list(approvers.get(task.id, ())),
        "approvals_needed": APPROVALS if task.four_eyes else 1,
        "provisional": record.lineage.get("certificate", "") in provisional,
    }


def task_detail(session: Session, task: Task, record: RecordRow) -> dict[str, Any]:
    texts = current_passages(session, [passage["id"] for passage in record.evidence])
    draft = cast("dict[str, Any]", record.draft)
    cited = {citation["passage_id"] for citation in draft["citations"]}
    proposal = newest_proposal(session, task)
    return {
        **task_row(
            task,
            record,
            approvers_of(session, [task]),
            under_shipped_certificate(session, [record]),
        ),
        "draft": without_removed(draft, texts),
        "second_try": _second_try_wire(record),
        "proposal": _proposal_wire(proposal, texts),
        "evidence": [
            {
                "passage_id": passage["id"],
                "document_id": passage["document_id"],
                "title": passage["title"],
                "page": passage["page"],
                "text": texts.get(passage["id"], ""),
                "removed": passage["id"] not in texts,
                "cited": passage["id"] in cited,
            }
            for passage in record.evidence
        ],
        "findings": record.findings,
        "verdict": record.verdict,
        "lineage": record.lineage,
        "content_sha256": shown_sha256(record, proposal),
        "decision": decision_of(session, task),
        "fence": task.fence,
        "lease_until": iso(task.lease_until),
    }


def _second_try_wire(record: RecordRow) -> dict[str, Any] | None:
    tried = recorded_second_try(record)
    return None if tried is None else {"shown": tried.judged, "message": tried.message}


def _proposal_wire(row: ApprovalRow | None, texts: Mapping[str, str]) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "reviewer": row.reviewer,
        "edited": row.edited,
        "answer": without_removed(row.answer, texts),
        "approved_at": iso(row.approved_at),
    }
