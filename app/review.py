"""Review tasks: a held draft is open, then claimed, then decided or expired.

    open     nobody holds it; with four eyes one approval may stand already
    claimed  one reviewer holds it until the lease ends; ``fence`` grows with every claim
    decided  one decision row exists: approve, edit or reject
    expired  nobody decided in time; the answer is never released

A decision counts only from the holder of the newest claim, on exactly the content they saw.
Where the policy asks for four eyes, two reviewers must approve the same answer: the first approval
(as drafted, or edited) proposes it and gives the task back; one rejection is enough.

Among the tasks stand probes (``app.probes``). They go through the same steps, and end in a
measurement instead of a decision.
"""

import re
import secrets
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast

from sqlalchemy import func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from app.access import Principal
from app.corpus import current_passages, find_passages
from app.db import Database, iso, now
from app.errors import AlreadyDecided, ApprovalVoid, ClaimLost, Forbidden, Invalid, NotFound
from app.gate import observe, provisional_among
from app.probes import ask_again, hidden_tasks, measure, mix_in_gold, record_of, waiting
from app.records import (
    append_audit,
    content_hash,
    correct,
    recorded_second_try,
    release,
    searched_for,
    withdraw,
    without_removed,
)
from app.settings import Settings
from app.tables import ApprovalRow, DecisionRow, ProbeRow, RecordRow, ReleaseRow, ReviewTaskRow
from guardrails.contract import Passage, canonical_sha256, sentence_bounds

Kind = Literal["approve", "edit", "reject"]
Task = ReviewTaskRow | ProbeRow
UNDECIDED = ("open", "claimed")
MARKER = re.compile(r"(?<!\s)\s*\[(\d{1,3})\]")
MAX_EDIT_CHARS = 20_000
UNSIGNED = "A person must look at this answer."
"""Why a draft without any finding is here; the same for audits, so that they stay unmarked."""
APPROVALS = 2
"""Reviewers who must approve the same answer, where the policy asks for four eyes."""


@dataclass(frozen=True)
class Decision:
    """What a reviewer sends: the kind, and proof of what they saw and that they hold the claim."""

    kind: Kind
    content_sha256: str
    fence: int
    reason: str = ""
    text: str = ""


def open_task(session: Session, record: RecordRow, settings: Settings, kind: str = "held") -> str:
    """Put a recorded draft before reviewers, in the transaction that records it.

    ``kind`` is ``audit`` for an answer that is released already; reviewers are not told. The
    record's verdict names the queue, the deadline, and whether four eyes are needed.
    """
    hours = record.verdict.get("deadline_hours")
    time_left = timedelta(days=settings.review_days) if hours is None else timedelta(hours=hours)
    task = ReviewTaskRow(
        id=secrets.token_hex(16),
        answer_id=record.answer_id,
        state="open",
        claimed_by=None,
        lease_until=None,
        fence=0,
        created_at=now(),
        kind=kind,
        expires_at=now() + time_left,
        queue=record.verdict.get("queue", ""),
        four_eyes=record.verdict.get("four_eyes", False),
    )
    session.add(task)
    append_audit(session, kind, {"answer_id": record.answer_id, "task_id": task.id})
    mix_in_gold(session, task, record, settings)
    return task.id


class ReviewDesk:
    """What reviewers can do; every method checks the reviewer's role and scope first."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def tasks(
        self, reviewer: Principal, state: str, limit: int = 50, queue: str | None = None
    ) -> dict[str, Any]:
        """Tasks in ``state`` (open includes claimed), oldest first, and how many are open.

        ``queue`` None means all; "" the tasks in no queue.
        """
        reviewer.require("reviewer")
        states = _states(state)
        self.expire_overdue()
        with self._database.reading() as session:
            everything = _visible(session, reviewer, {*states, *UNDECIDED})
            rows = [
                (task, record)
                for task, record in everything
                if task.state in states and queue in (None, task.queue)
            ]
            counted = rows if "open" in states else everything
            undecided = sum(task.state in UNDECIDED for task, _ in counted)
            if "open" not in states:
                rows.reverse()
            approvers = _approvers(session, [task for task, _ in rows[:limit]])
            shipped = _provisional(session, [record for _, record in rows[:limit]])
        listed = [_task_wire(task, record, approvers, shipped) for task, record in rows[:limit]]
        return {"tasks": listed, "open": undecided}

    def count_open(self) -> int:
        """How many tasks wait for a decision."""
        with self._database.reading() as session:
            query = select(func.count()).select_from(ReviewTaskRow)
            tasks = session.scalar(query.where(ReviewTaskRow.state.in_(UNDECIDED))) or 0
            return tasks + waiting(session)

    def task(self, reviewer: Principal, task_id: str) -> dict[str, Any]:
        """One task with everything a decision needs; removed sources have lost their text."""
        reviewer.require("reviewer")
        with self._database.reading() as session:
            task, record = _load(session, reviewer, task_id)
            return _detail(session, task, record)

    def claim(self, reviewer: Principal, task_id: str) -> dict[str, Any]:
        """Hold a task for a few minutes; claiming again renews. 409 when somebody else holds it."""
        reviewer.require("reviewer")
        self.expire_overdue()
        with self._database.transaction() as session:
            task, record = _load(session, reviewer, task_id)
            self._allow(session, reviewer, task, record)
            if not self._take(session, task, reviewer):
                _explain(session, task)
            session.refresh(task)
            return _detail(session, task, record)

    def decide(self, reviewer: Principal, task_id: str, decision: Decision) -> dict[str, Any]:
        """Decide a claimed task once and for all, and release the answer when approved or edited.

        The first approval of a four-eyes task gives it back instead, open for somebody else.
        Raises ``AlreadyDecided``, ``ClaimLost`` or ``ApprovalVoid`` (409), ``Invalid`` (422).
        """
        reviewer.require("reviewer")
        self.expire_overdue()
        with self._database.transaction() as session:
            task, record = _load(session, reviewer, task_id)
            self._allow(session, reviewer, task, record)
            if not _finish(session, task, reviewer, decision.fence):
                _explain(session, task)
            proposal = _proposal(session, task)
            _check_unchanged(session, record, proposal, decision)
            answer, edited = _decided_answer(record, proposal, decision)
            wrong = answer is None or not _same_words(record, answer)
            if isinstance(task, ProbeRow):
                measure(session, task, _said(reviewer, decision, answer), called_wrong=wrong)
            elif answer is not None and not _enough(session, task, reviewer, answer, edited):
                _give_back(session, task)
            else:
                _write_decision(session, task, reviewer, decision, answer)
                _apply(session, task, record, answer, edited)
                observe(session, record, wrong=wrong, audited=task.kind == "audit")
                ask_again(session, task, record, self._settings, wrong=wrong)
            session.flush()
            session.refresh(task)
            return _detail(session, task, record)

    def edits(self, reviewer: Principal) -> Iterator[dict[str, Any]]:
        """Released edits as rows to learn from, oldest decision first.

        A row is {question, titles, evidence, answer, task_id, decided_at}; ``evidence`` are the
        texts that the generator was given, ``[n]`` in the answer is ``evidence[n-1]``. Left out
        is an edit with evidence that the reviewer may not read or that no longer exists.
        """
        reviewer.require("reviewer")
        return self._edits(reviewer)

    def _edits(self, reviewer: Principal) -> Iterator[dict[str, Any]]:
        with self._database.reading() as session:
            for task_id in list(session.scalars(_edits_query())):
                task = session.get_one(ReviewTaskRow, task_id)
                record = session.get_one(RecordRow, task.answer_id)
                ids = [passage["id"] for passage in record.evidence]
                stored = {passage.id: passage for passage, _ in find_passages(session, ids)}
                if _readable(reviewer, record) and stored.keys() >= set(ids):
                    yield _edit_wire(session, task, record, [stored[key] for key in ids])

    def expire_overdue(self) -> int:
        """Close every undecided task whose time is up; its answer stays unreleased."""
        with self._database.reading() as session:
            overdue = [
                (table, task_id)
                for table in (ReviewTaskRow, ProbeRow)
                for task_id in session.scalars(select(table.id).where(*_overdue(table)))
            ]
        if not overdue:
            return 0
        with self._database.transaction() as session:
            for table, task_id in overdue:
                done = session.execute(
                    update(table)
                    .where(table.id == task_id, *_overdue(table))
                    .values(state="expired")
                )
                if _changed(done):
                    append_audit(session, "expired", {"task_id": task_id})
        return len(overdue)

    def _allow(self, session: Session, reviewer: Principal, task: Task, record: RecordRow) -> None:
        own = record.principal == reviewer.name
        if own and (task.four_eyes or not self._settings.self_review):
            raise Forbidden("You asked this question; somebody else must decide.")
        if reviewer.name in _approvers(session, [task]).get(task.id, ()):
            raise Forbidden("You have approved this answer; a second reviewer must decide.")

    def _take(self, session: Session, task: Task, reviewer: Principal) -> bool:
        table = type(task)
        free = or_(
            table.state == "open",
            table.claimed_by == reviewer.name,
            table.lease_until < now(),
        )
        taken = session.execute(
            update(table)
            .where(table.id == task.id, table.state.in_(UNDECIDED), free)
            .values(
                state="claimed",
                claimed_by=reviewer.name,
                lease_until=now() + timedelta(minutes=self._settings.claim_minutes),
                fence=table.fence + 1,
            )
        )
        return _changed(taken)


def _finish(session: Session, task: Task, reviewer: Principal, fence: int) -> bool:
    """The one statement that decides a race: it matches for the newest claim only, once."""
    table = type(task)
    done = session.execute(
        update(table)
        .where(
            table.id == task.id,
            table.state == "claimed",
            table.claimed_by == reviewer.name,
            table.fence == fence,
            table.lease_until >= now(),
        )
        .values(state="decided", lease_until=None)
    )
    return _changed(done)


def _explain(session: Session, task: Task) -> None:
    session.refresh(task)
    if task.state == "decided":
        raise AlreadyDecided
    if task.state == "expired":
        raise AlreadyDecided("This draft expired before anybody decided; it stays unreleased.")
    raise ClaimLost


def _proposal(session: Session, task: Task) -> ApprovalRow | None:
    """The newest approval of a four-eyes task: it says which answer is to be released."""
    query = select(ApprovalRow).where(ApprovalRow.task_id == task.id)
    return session.scalar(query.order_by(ApprovalRow.number.desc()).limit(1))


def _approvers(session: Session, tasks: Sequence[Task]) -> dict[str, list[str]]:
    """By task, who has approved the answer that is proposed now, in order."""
    wanted = [task.id for task in tasks if task.four_eyes]
    query = select(ApprovalRow).where(ApprovalRow.task_id.in_(wanted))
    by_task: dict[str, list[ApprovalRow]] = {}
    for row in session.scalars(query.order_by(ApprovalRow.number)) if wanted else ():
        by_task.setdefault(row.task_id, []).append(row)
    return {
        task_id: [row.reviewer for row in rows if row.answer_sha256 == rows[-1].answer_sha256]
        for task_id, rows in by_task.items()
    }


def _enough(
    session: Session,
    task: ReviewTaskRow,
    reviewer: Principal,
    answer: dict[str, Any],
    edited: bool,
) -> bool:
    """Count this approval; whether the answer has all the approvals that it needs."""
    if not task.four_eyes:
        return True
    before = _proposal(session, task)
    row = ApprovalRow(
        task_id=task.id,
        reviewer=reviewer.name,
        answer_sha256=canonical_sha256(answer),
        number=before.number + 1 if before else 1,
        answer=answer,
        edited=edited,
        approved_at=now(),
    )
    if session.get(ApprovalRow, (task.id, reviewer.name, row.answer_sha256)) is not None:
        raise Forbidden("You have approved this very answer before; somebody else must decide.")
    session.add(row)
    session.flush()
    event = {"task_id": task.id, "reviewer": reviewer.name, "answer_sha256": row.answer_sha256}
    append_audit(session, "approved", event)
    return len(_approvers(session, [task])[task.id]) >= APPROVALS


def _give_back(session: Session, task: ReviewTaskRow) -> None:
    """Open the task again, for a second reviewer; the transaction has hidden its being decided."""
    session.execute(
        update(ReviewTaskRow)
        .where(ReviewTaskRow.id == task.id)
        .values(state="open", claimed_by=None, lease_until=None)
    )


def _shown_sha256(record: RecordRow, proposal: ApprovalRow | None) -> str:
    """What a decision binds to: the record, and the answer that another reviewer proposes."""
    if proposal is None:
        return record.content_sha256
    return canonical_sha256([record.content_sha256, proposal.answer])


def _check_unchanged(
    session: Session, record: RecordRow, proposal: ApprovalRow | None, decision: Decision
) -> None:
    """An approval binds to what was seen: the record as written, and its sources as they were."""
    actual = content_hash(record.question, record.draft, record.evidence, record.lineage)
    shown = _shown_sha256(record, proposal)
    if actual != record.content_sha256 or decision.content_sha256 != shown:
        raise ApprovalVoid
    if decision.kind == "reject":
        return
    seen = {passage["id"]: passage["text"] for passage in record.evidence}
    if current_passages(session, seen) != seen:
        raise ApprovalVoid("A source was changed or removed since the draft was written.")


def _decided_answer(
    record: RecordRow, proposal: ApprovalRow | None, decision: Decision
) -> tuple[dict[str, Any] | None, bool]:
    """(the answer to release or None, whether a reviewer wrote it)."""
    if decision.kind == "approve":
        if proposal is not None:
            return proposal.answer, proposal.edited
        draft = cast("dict[str, Any]", record.draft)
        if not draft["sentences"]:
            raise Invalid("There is no draft to approve; write the answer, or reject.")
        return draft, False
    if decision.kind == "edit":
        return edited_answer(cast("dict[str, Any]", record.draft), decision.text), True
    if not decision.reason.strip():
        raise Invalid("Please say why the draft is rejected.")
    return None, False


def edited_answer(draft: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The reviewer's text as an answer; its ``[n]`` markers must be citations of the draft."""
    text = text.strip()
    if not text or len(text) > MAX_EDIT_CHARS:
        raise Invalid(f"The edited answer has 1 to {MAX_EDIT_CHARS} characters.")
    known = {citation["number"] for citation in draft["citations"]}
    used = {int(number) for number in MARKER.findall(text)}
    if used - known:
        raise Invalid(f"The draft has no citation [{min(used - known)}].")
    sentences = [_edited_sentence(text[start:end]) for start, end in sentence_bounds(text)]
    return {
        "text": text,
        "short": None,
        "sentences": sentences,
        "citations": [c for c in draft["citations"] if c["number"] in used],
    }


def _apply(
    session: Session,
    task: ReviewTaskRow,
    record: RecordRow,
    answer: dict[str, Any] | None,
    edited: bool,
) -> None:
    """What the decision does to the asker's answer."""
    audit, by = task.kind == "audit", task.claimed_by or ""
    if not audit and answer is not None:
        release(session, record, answer, released_by="reviewer", edited=edited)
    elif audit and edited and answer is not None:
        correct(session, record, answer, by=by)
    elif audit and answer is None:
        withdraw(session, record, by=by)


def _same_words(record: RecordRow, answer: Mapping[str, Any]) -> bool:
    """Whether an edit left all words as they were: only then the draft had been right."""
    drafted = cast("dict[str, Any]", record.draft)["text"]
    return _words(drafted) == _words(answer["text"])


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", MARKER.sub(" ", text).casefold())


def _edited_sentence(marked: str) -> dict[str, Any]:
    numbers = sorted({int(number) for number in MARKER.findall(marked)})
    return {"text": MARKER.sub("", marked), "citations": numbers}


def _decision(
    reviewer: Principal, decision: Decision, answer: Mapping[str, Any] | None
) -> DecisionRow:
    return DecisionRow(
        kind=decision.kind,
        reviewer=reviewer.name,
        reason=decision.reason.strip(),
        text=answer["text"] if answer is not None else "",
        decided_at=now(),
    )


def _said(
    reviewer: Principal, decision: Decision, answer: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A decision as the wire shows it."""
    return cast("dict[str, Any]", _decision_wire(_decision(reviewer, decision, answer)))


def _write_decision(
    session: Session,
    task: ReviewTaskRow,
    reviewer: Principal,
    decision: Decision,
    answer: Mapping[str, Any] | None,
) -> None:
    said = _decision(reviewer, decision, answer)
    said.task_id, said.content_sha256 = task.id, decision.content_sha256
    session.add(said)
    event = {
        "task_id": task.id,
        "answer_id": task.answer_id,
        "kind": decision.kind,
        "reviewer": reviewer.name,
        "content_sha256": decision.content_sha256,
    }
    append_audit(session, "decided", event)


def _overdue(table: type[Task]) -> Sequence[Any]:
    return table.state.in_(UNDECIDED), table.expires_at <= now()


def _changed(result: Any) -> bool:
    return cast("CursorResult[Any]", result).rowcount == 1


def _states(state: str) -> tuple[str, ...]:
    if state == "all":
        return (*UNDECIDED, "decided", "expired")
    if state == "open":
        return UNDECIDED
    if state in ("claimed", "decided", "expired"):
        return (state,)
    raise Invalid("A review state is open, claimed, decided, expired or all.")


def _visible(
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
        if task.id not in hidden and _readable(reviewer, record)
    ]
    return sorted(seen, key=lambda pair: (pair[0].created_at, pair[0].id))


def _edits_query() -> Any:
    return (
        select(DecisionRow.task_id)
        .join(ReviewTaskRow, ReviewTaskRow.id == DecisionRow.task_id)
        .join(ReleaseRow, ReleaseRow.answer_id == ReviewTaskRow.answer_id)
        .where(ReleaseRow.edited)
        .order_by(DecisionRow.decided_at, DecisionRow.task_id)
    )


def _edit_wire(
    session: Session, task: ReviewTaskRow, record: RecordRow, evidence: Sequence[Passage]
) -> dict[str, Any]:
    return {
        "question": searched_for(record),
        "titles": [passage.title for passage in evidence],
        "evidence": [passage.text for passage in evidence],
        "answer": _by_place(
            session.get_one(ReleaseRow, task.answer_id).answer, [p.id for p in evidence]
        ),
        "task_id": task.id,
        "decided_at": iso(session.get_one(DecisionRow, task.id).decided_at),
    }


def _by_place(answer: Mapping[str, Any], evidence: Sequence[str]) -> str:
    """The answer's text with each ``[n]`` counting passages of the evidence, not citations."""
    places = {c["number"]: evidence.index(c["passage_id"]) + 1 for c in answer["citations"]}
    text = MARKER.sub(lambda match: f" [{places[int(match[1])]}]", answer["text"])
    # Two quotes of one passage have two numbers but one place.
    return re.sub(r"( \[\d+\])\1+", r"\1", text).strip()


def _readable(reviewer: Principal, record: RecordRow) -> bool:
    return all(reviewer.may_read(passage["collection"]) for passage in record.evidence)


def _load(session: Session, reviewer: Principal, task_id: str) -> tuple[Task, RecordRow]:
    task: Task | None = session.get(ReviewTaskRow, task_id) or session.get(ProbeRow, task_id)
    record = _record(session, task) if task is not None else None
    if task is None or record is None or not _readable(reviewer, record):
        raise NotFound("There is no such review task.")
    if task.id in hidden_tasks(session, reviewer.name):
        raise NotFound("There is no such review task.")
    return task, record


def _record(session: Session, task: Task) -> RecordRow | None:
    if isinstance(task, ProbeRow):
        return record_of(task)
    return session.get(RecordRow, task.answer_id)


def _provisional(session: Session, shown: Sequence[RecordRow]) -> set[str]:
    """The provisional certificates in the lineage of these records.

    By the lineage, which gold items have too: what else a record knows would tell them apart.
    """
    named = [record.lineage.get("certificate") for record in shown]
    return provisional_among(session, filter(None, named))


def _task_wire(
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


def _detail(session: Session, task: Task, record: RecordRow) -> dict[str, Any]:
    texts = current_passages(session, [passage["id"] for passage in record.evidence])
    draft = cast("dict[str, Any]", record.draft)
    cited = {citation["passage_id"] for citation in draft["citations"]}
    proposal = _proposal(session, task)
    return {
        **_task_wire(task, record, _approvers(session, [task]), _provisional(session, [record])),
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
        "content_sha256": _shown_sha256(record, proposal),
        "decision": _decision_of(session, task),
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


def _decision_of(session: Session, task: Task) -> dict[str, Any] | None:
    if isinstance(task, ProbeRow):
        return task.decision
    return _decision_wire(session.get(DecisionRow, task.id))


def _decision_wire(row: DecisionRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "kind": row.kind,
        "reviewer": row.reviewer,
        "reason": row.reason,
        "text": row.text,
        "decided_at": iso(row.decided_at),
    }
