"""Decisions on review tasks: who approved what, and what is released by it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access.keys import sha256
from app.access.principals import Principal
from app.access.standing import as_of_now
from app.corpus.passages import current_passages
from app.db import iso, now
from app.errors import ApprovalVoid, EditNotSupported, Forbidden, Invalid
from app.inference.writing.grounding import best_span
from app.records.audit import append_audit
from app.records.recording import content_hash, recorded_passage, searched_for
from app.records.release import correct, refuse, release, withdraw
from app.records.tables import RecordRow, ReleaseRow, SettlementRow
from app.records.views import view_of
from app.review.redrafts import newest_redraft, newest_redrafts
from app.review.scopes import sees
from app.review.tables import ApprovalRow, DecisionRow, ProbeRow, ReviewTaskRow
from app.review.views import DecisionKind, DecisionView, EditView, FindingView
from app.review.why import faults_line
from guardrails.checks.wording import as_seen
from guardrails.contract import (
    AnswerObject,
    Citation,
    CitationObject,
    Finding,
    Passage,
    SentenceObject,
    canonical_sha256,
    citation_object,
    sentence_bounds,
)

MARKER = re.compile(r"(?<!\s)\s*\[(\d{1,3})\]")
TOLD = re.compile(
    r"\d+(?:[.,:/]\d+)*|\w+|-(?=\d)"
    r"|[^\w\s.,:;!?…\-\u2010-\u2015\"'`\u2018-\u201f«»()\[\]{}*|#•·\u200b-\u200f]"
)
"""What an answer tells: "£5" is not "€5", and "1.5" is not "15"."""
AFTER_END = re.compile(r"(?:[ \t]*\[\d{1,3}\])+(?:[.!?](?!\S))?[ \t]*")
"""Markers after a full stop, as many write them and as the page puts them."""
MAX_EDIT_CHARS = 20_000
RELEASED = ("audit", "recheck")
"""The kinds of tasks whose answer is out already."""
APPROVALS = 2
"""Reviewers who must approve the same answer, where the policy asks for four eyes."""


@dataclass(frozen=True)
class Decision:
    """What a reviewer sends: the kind, and proof of what they saw and that they hold the claim.

    ``fence`` None: claim and decide in one step.
    """

    kind: DecisionKind
    content_sha256: str
    fence: int | None
    reason: str = ""
    text: str = ""
    sources: Mapping[int, str] = field(default_factory=dict)
    """Of an edit, the passages that it cites beside those of the task, by number."""
    override_reason: str = ""
    """Why an edit is to go out although checks fail."""


@dataclass(frozen=True)
class Judged:
    """What the checks said of an edit, outside of any transaction."""

    answer_sha256: str
    problems: Sequence[Finding]


def newest_proposal(session: Session, task: ReviewTaskRow) -> ApprovalRow | None:
    """The newest approval of a four-eyes task: it says which answer is to be released.

    What was approved of an earlier draft counts no more. Other tasks have no approvals.
    """
    if not task.four_eyes:
        return None
    query = select(ApprovalRow).where(ApprovalRow.task_id == task.id)
    redraft = newest_redraft(session, task.id)
    if redraft is not None:
        query = query.where(ApprovalRow.number > redraft.approvals_before)
    return session.scalar(query.order_by(ApprovalRow.number.desc()).limit(1))


def approvers_of(session: Session, tasks: Sequence[ReviewTaskRow]) -> dict[str, list[str]]:
    """By task, who has approved the answer that is proposed now, in order."""
    wanted = [task.id for task in tasks if task.four_eyes]
    if not wanted:
        return {}
    since = {key: row.approvals_before for key, row in newest_redrafts(session, wanted).items()}
    query = select(ApprovalRow).where(ApprovalRow.task_id.in_(wanted))
    by_task: dict[str, list[ApprovalRow]] = {}
    for row in session.scalars(query.order_by(ApprovalRow.number)):
        if row.number > since.get(row.task_id, 0):
            by_task.setdefault(row.task_id, []).append(row)
    return {
        task_id: [row.reviewer for row in rows if row.answer_sha256 == rows[-1].answer_sha256]
        for task_id, rows in by_task.items()
    }


def has_enough_approvals(
    session: Session,
    task: ReviewTaskRow,
    reviewer: Principal,
    answer: AnswerObject,
    edited: bool,
    overridden: Mapping[str, Any],
) -> bool:
    """Count this approval; whether the answer has all the approvals that it needs.

    ``overridden`` is what the audit link says of checks that failed.
    """
    if not task.four_eyes:
        return True
    newest = select(func.max(ApprovalRow.number)).where(ApprovalRow.task_id == task.id)
    row = ApprovalRow(
        task_id=task.id,
        reviewer=reviewer.name,
        answer_sha256=canonical_sha256(answer),
        number=(session.scalar(newest) or 0) + 1,
        answer=answer,
        edited=edited,
        approved_at=now(),
    )
    if session.get(ApprovalRow, (task.id, reviewer.name, row.answer_sha256)) is not None:
        raise Forbidden("You have already approved this answer; someone else must decide.")
    session.add(row)
    session.flush()
    event = {"task_id": task.id, "reviewer": reviewer.name, "answer_sha256": row.answer_sha256}
    append_audit(session, "approved", {**event, **overridden})
    given = approvers_of(session, [task])[task.id]
    return sum(_is_reviewer(session, task, name) for name in given) >= APPROVALS


def _is_reviewer(session: Session, task: ReviewTaskRow, name: str) -> bool:
    """Whether who approved may still do so: an account that was closed meanwhile signs nothing."""
    present = as_of_now(session, Principal(name, frozenset({"reviewer"})))
    return "reviewer" in present.roles and sees(session, present, task)


def shown_sha256(record: RecordRow, proposal: ApprovalRow | None) -> str:
    """What a decision binds to: the record, and the answer that another reviewer proposes."""
    if proposal is None:
        return record.content_sha256
    return canonical_sha256([record.content_sha256, proposal.answer])


def check_unchanged(
    session: Session, record: RecordRow, proposal: ApprovalRow | None, decision: Decision
) -> None:
    """A decision binds to what was seen: the draft as it was written. Raises ``ApprovalVoid``."""
    actual = content_hash(record.question, record.draft, record.evidence, record.lineage)
    shown = shown_sha256(record, proposal)
    if actual != record.content_sha256 or decision.content_sha256 != shown:
        raise ApprovalVoid


def check_sources(session: Session, answer: AnswerObject | None) -> None:
    """What is cited must stand as it is quoted; other passages that were found do not matter.

    Raises ``ApprovalVoid``.
    """
    cited = answer["citations"] if answer is not None else []
    texts = current_passages(session, {one["passage_id"] for one in cited})
    for one in cited:
        text = texts.get(one["passage_id"])
        if text is None or text[one["start"] : one["end"]] != one["quote"]:
            raise ApprovalVoid("A cited source was changed or removed since this was written.")


def decided_answer(
    record: RecordRow,
    proposal: ApprovalRow | None,
    decision: Decision,
    added: Mapping[int, Passage],
) -> tuple[AnswerObject | None, bool]:
    """(the answer to release or None, whether a reviewer wrote it).

    ``added`` are the passages of ``decision.sources``.
    """
    if decision.kind == "approve":
        if proposal is not None:
            return proposal.answer, proposal.edited
        draft = cast("AnswerObject", record.draft)
        if not draft["sentences"]:
            raise Invalid("There is no draft to approve; write the answer, or reject.")
        return draft, False
    if decision.kind == "edit":
        return edited_answer(record, proposal, decision.text, added), True
    if not decision.reason.strip():
        raise Invalid("Please say why the draft is rejected.")
    return None, False


def edited_answer(
    record: RecordRow, proposal: ApprovalRow | None, text: str, added: Mapping[int, Passage]
) -> AnswerObject:
    """The reviewer's text as an answer; its ``[n]`` markers are numbers of citable passages.

    A passage that the draft does not quote is quoted where it is closest to what is said. Raises
    ``Invalid`` for a number that is none.
    """
    text = as_seen(text).strip()
    if not text or len(text) > MAX_EDIT_CHARS:
        raise Invalid(f"The edited answer has 1 to {MAX_EDIT_CHARS} characters.")
    base = cast("AnswerObject", record.draft if proposal is None else proposal.answer)
    sentences = [_edited_sentence(marked) for marked in _marked_sentences(text)]
    known = {one["number"]: one for one in base["citations"]}
    others = uncited(base, record.evidence)
    for number in sorted({n for one in sentences for n in one["citations"]} - known.keys()):
        if number not in others and number not in added:
            raise Invalid(f"There is no source [{number}].")
        passage = added[number] if number in added else recorded_passage(others[number])
        said = " ".join(one["text"] for one in sentences if number in one["citations"])
        known[number] = _quoted(number, passage, said, record.question)
    used = {n for one in sentences for n in one["citations"]}
    return {
        "text": text,
        "short": None,
        "sentences": sentences,
        "citations": [known[number] for number in sorted(used)],
    }


def uncited(
    base: AnswerObject, evidence: Sequence[Mapping[str, Any]]
) -> dict[int, Mapping[str, Any]]:
    """The evidence that ``base`` does not cite, by the numbers after its own."""
    cited = {one["passage_id"] for one in base["citations"]}
    first = max((one["number"] for one in base["citations"]), default=0) + 1
    return dict(enumerate((one for one in evidence if one["id"] not in cited), start=first))


def _quoted(number: int, passage: Passage, said: str, question: str) -> CitationObject:
    start, end = best_span(said, question, passage.text)
    return citation_object(
        Citation(
            number,
            passage.id,
            passage.document_id,
            passage.title,
            passage.page,
            passage.text[start:end],
            start,
            end,
        )
    )


def check_judged(answer: AnswerObject, decision: Decision, judged: Judged) -> None:
    """An edit that fails checks goes out with a reason only. Raises ``EditNotSupported``."""
    if judged.answer_sha256 != canonical_sha256(answer):
        raise ApprovalVoid
    if judged.problems and not decision.override_reason.strip():
        raise EditNotSupported(faults_line(judged.problems))


def apply_decision(
    session: Session,
    task: ReviewTaskRow,
    record: RecordRow,
    answer: AnswerObject | None,
    edited: bool,
) -> None:
    """What the decision does to the asker's answer."""
    audit, by = task.kind in RELEASED, task.claimed_by or ""
    if not audit and answer is not None:
        release(session, record, answer, released_by="reviewer", edited=edited)
    elif not audit:
        refuse(session, record.answer_id, by=by)
    elif session.get_one(ReleaseRow, record.answer_id).withdrawn_at is not None:
        return  # somebody withdrew it meanwhile
    elif answer is not None and (edited or task.kind == "recheck"):
        correct(session, record, answer, by=by)
    elif answer is None:
        withdraw(session, record.answer_id, by=by)


def same_words(record: RecordRow, answer: AnswerObject) -> bool:
    """Whether an edit left all words as they were: only then the draft had been right."""
    drafted = cast("AnswerObject", record.draft)["text"]
    return _words(drafted) == _words(answer["text"])


def _words(text: str) -> list[str]:
    """Words, whole numbers with their signs, and symbols; marks that set them apart are none."""
    return TOLD.findall(MARKER.sub(" ", text).replace("\N{MINUS SIGN}", "-").casefold())


def _marked_sentences(text: str) -> list[str]:
    """The sentences with their markers; markers after a full stop belong to what it ends."""
    found: list[str] = []
    last = 0
    for start, end in sentence_bounds(text):
        same_line = bool(found) and "\n" not in text[last:start]
        if same_line and (markers := AFTER_END.match(text, start, end)):
            found[-1] += "".join(f" [{number}]" for number in MARKER.findall(markers[0]))
            start = markers.end()
        if text[start:end].strip():
            found.append(text[start:end])
        last = end
    return found


def _edited_sentence(marked: str) -> SentenceObject:
    numbers = sorted({int(number) for number in MARKER.findall(marked)})
    return {"text": MARKER.sub("", marked), "citations": numbers}


def overridden_by(decision: Decision, judged: Judged | None) -> dict[str, Any]:
    """What an audit link says of an edit that goes out although checks failed: of the reviewer's
    words the hash, as links stay when an answer is erased."""
    if judged is None or not judged.problems:
        return {}
    checks = [one.check for one in judged.problems]
    return {"overridden": checks, "override_sha256": sha256(decision.override_reason.strip())}


def _decision(
    reviewer: Principal,
    decision: Decision,
    answer: AnswerObject | None,
    judged: Judged | None = None,
) -> DecisionRow:
    problems = [asdict(one) for one in judged.problems] if judged is not None else []
    return DecisionRow(
        override_reason=decision.override_reason.strip() if problems else None,
        problems=problems or None,
        kind=decision.kind,
        reviewer=reviewer.name,
        reason=decision.reason.strip(),
        text=answer["text"] if answer is not None else "",
        decided_at=now(),
    )


def said_of_probe(
    reviewer: Principal, decision: Decision, answer: AnswerObject | None
) -> DecisionView:
    """What a reviewer said of a probe; it is kept beside it."""
    return _decision_view(_decision(reviewer, decision, answer))


def write_decision(
    session: Session,
    task: ReviewTaskRow,
    reviewer: Principal,
    decision: Decision,
    answer: AnswerObject | None,
    judged: Judged | None,
) -> None:
    said = _decision(reviewer, decision, answer, judged)
    said.task_id, said.content_sha256 = task.id, decision.content_sha256
    session.add(said)
    event = {
        "task_id": task.id,
        "answer_id": task.answer_id,
        "kind": decision.kind,
        "reviewer": reviewer.name,
        "content_sha256": decision.content_sha256,
    }
    append_audit(session, "decided", {**event, **overridden_by(decision, judged)})


def edits_query() -> Any:
    return (
        select(DecisionRow.task_id)
        .join(ReviewTaskRow, ReviewTaskRow.id == DecisionRow.task_id)
        .join(ReleaseRow, ReleaseRow.answer_id == ReviewTaskRow.answer_id)
        .join(SettlementRow, SettlementRow.answer_id == ReviewTaskRow.answer_id)
        .where(ReleaseRow.edited, SettlementRow.state != "erased")
        .order_by(DecisionRow.decided_at, DecisionRow.task_id)
    )


def edit_row(
    session: Session, task: ReviewTaskRow, record: RecordRow, evidence: Sequence[Passage]
) -> EditView:
    """A released edit as a row to learn from."""
    released = session.get_one(ReleaseRow, task.answer_id)
    return EditView(
        question=searched_for(record),
        titles=[passage.title for passage in evidence],
        evidence=[passage.text for passage in evidence],
        answer=_by_place(released.answer, [passage.id for passage in evidence]),
        task_id=task.id,
        decided_at=cast("str", iso(session.get_one(DecisionRow, task.id).decided_at)),
    )


def _by_place(answer: AnswerObject, evidence: Sequence[str]) -> str:
    """The answer's text with each ``[n]`` counting passages of the evidence, not citations."""
    places = {c["number"]: evidence.index(c["passage_id"]) + 1 for c in answer["citations"]}
    text = MARKER.sub(lambda match: f" [{places[int(match[1])]}]", answer["text"])
    # Two quotes of one passage have two numbers but one place.
    return re.sub(r"( \[\d+\])\1+", r"\1", text).strip()


def decision_of(
    session: Session, task: ReviewTaskRow, probe: ProbeRow | None
) -> DecisionView | None:
    """The decision on a task, or what was said of a probe; None while there is none."""
    if probe is not None:
        return None if probe.decision is None else view_of(DecisionView, probe.decision)
    row = session.get(DecisionRow, task.id)
    return None if row is None else _decision_view(row)


def _decision_view(row: DecisionRow) -> DecisionView:
    return DecisionView(
        kind=cast("DecisionKind", row.kind),
        reviewer=row.reviewer,
        reason=row.reason,
        text=row.text,
        decided_at=cast("str", iso(row.decided_at)),
        override_reason=row.override_reason or "",
        problems=[view_of(FindingView, one) for one in row.problems or ()],
    )
