"""What reviewers wrote of an answer, and the probes made of it, lose their words."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from app.records.erasing import no_answer, wordless_finding, wordless_verdict
from app.review.background_drafts import forget_draft, forget_drafts_over
from app.review.probes import PROBES
from app.review.tables import (
    ApprovalRow,
    DecisionRow,
    GoldItemRow,
    ProbeRow,
    RedraftRow,
    ReviewTaskRow,
    SupersededDecisionRow,
    TaskNoteRow,
)


def erase_review(session: Session, answer_id: str) -> None:
    """Close the task of an answer, and blank its decision, approvals and probes."""
    task = session.scalar(select(ReviewTaskRow).where(ReviewTaskRow.answer_id == answer_id))
    if task is None:
        return
    _close(task)
    _forget_words(session, task)
    decision = session.get(DecisionRow, task.id)
    if decision is not None:
        decision.reason = decision.text = ""
        decision.override_reason, decision.problems = None, None
    _forget_drafts(session, task)
    for approval in session.scalars(select(ApprovalRow).where(ApprovalRow.task_id == task.id)):
        approval.answer = no_answer()
    gold = select(GoldItemRow).where(GoldItemRow.task_id == task.id)
    _erase_gold(session, session.scalars(gold))
    probes = session.scalars(select(ProbeRow).where(ProbeRow.first_task == task.id))
    _erase_probes(session, probes)


def redrafted_over(session: Session, document_id: str) -> list[str]:
    """Ids of the answers with a new draft that had a passage of the document as evidence."""
    holds = cast(RedraftRow.content, Text).contains(document_id)
    query = select(ReviewTaskRow.answer_id).join(RedraftRow, RedraftRow.task_id == ReviewTaskRow.id)
    return list(session.scalars(query.where(holds, ReviewTaskRow.kind.not_in(PROBES)).distinct()))


def erase_document_probes(session: Session, document_id: str) -> None:
    """Remove gold items, and blank probes, that show a passage of the document; and background
    drafts, which nobody has taken."""
    forget_drafts_over(session, document_id)
    gold = select(GoldItemRow).where(cast(GoldItemRow.content, Text).contains(document_id))
    _erase_gold(session, session.scalars(gold))
    probes = select(ProbeRow).where(cast(ProbeRow.content, Text).contains(document_id))
    _erase_probes(session, session.scalars(probes))


def _erase_gold(session: Session, items: Iterable[GoldItemRow]) -> None:
    for item in list(items):
        probes = session.scalars(select(ProbeRow).where(ProbeRow.gold_item == item.id)).all()
        _erase_probes(session, probes)
        for probe in probes:
            probe.gold_item = None
        session.flush()
        session.delete(item)


def _erase_probes(session: Session, probes: Iterable[ProbeRow]) -> None:
    for probe in list(probes):
        content: dict[str, Any] = dict(probe.content)
        content["question"], content["searched"] = "", {**content["searched"], "titles": []}
        content["searched"].pop("question", None)
        content["draft"], content["evidence"], content["second_try"] = no_answer(), [], None
        content["findings"] = [wordless_finding(one) for one in content["findings"]]
        content["verdict"] = wordless_verdict(content["verdict"])
        probe.content = content
        if probe.decision is not None:
            probe.decision = {**probe.decision, "reason": "", "text": ""}
        task = session.get_one(ReviewTaskRow, probe.task_id)
        _close(task)
        _forget_drafts(session, task)
        _forget_words(session, task)


def _close(task: ReviewTaskRow) -> None:
    """Nobody decides a task without words; one that was decided stays so."""
    if task.undecided:
        task.state, task.undecided, task.lease_until = "expired", False, None


def _forget_drafts(session: Session, task: ReviewTaskRow) -> None:
    """New drafts, that in the background, and decisions that count no more."""
    forget_draft(session, task.id)
    for redraft in session.scalars(select(RedraftRow).where(RedraftRow.task_id == task.id)):
        content = {**redraft.content, "draft": no_answer(), "evidence": [], "inputs": None}
        content["findings"] = [wordless_finding(one) for one in content["findings"]]
        content["verdict"] = wordless_verdict(content["verdict"])
        content["searched"] = {**content["searched"], "question": "", "titles": []}
        redraft.content = content
    mine = SupersededDecisionRow.task_id == task.id
    for past in session.scalars(select(SupersededDecisionRow).where(mine)):
        past.reason = past.text = ""


def _forget_words(session: Session, task: ReviewTaskRow) -> None:
    """What lists search, and what reviewers wrote to each other."""
    task.question = task.asker = ""
    for note in session.scalars(select(TaskNoteRow).where(TaskNoteRow.task_id == task.id)):
        note.text = ""
