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

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.corpus.passages import find_passages
from app.db import Database, now
from app.errors import Forbidden
from app.gate.labels import observe
from app.records.audit import append_audit
from app.records.tables import RecordRow
from app.review.decisions import (
    Decision,
    apply_decision,
    approvers_of,
    check_unchanged,
    decided_answer,
    edit_row,
    edits_query,
    has_enough_approvals,
    newest_proposal,
    said_of_probe,
    same_words,
    write_decision,
)
from app.review.listing import task_detail, task_row, under_shipped_certificate, visible_tasks
from app.review.probes import ask_again, measure, waiting
from app.review.tables import ProbeRow, ReviewTaskRow
from app.review.tasks import (
    UNDECIDED,
    Task,
    explain_refusal,
    finish,
    give_back,
    load_task,
    may_read,
    past_deadline,
    row_changed,
    states_named,
)
from app.settings import Settings


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
        states = states_named(state)
        with self._database.reading() as session:
            everything = visible_tasks(session, reviewer, {*states, *UNDECIDED})
            rows = [
                (task, record)
                for task, record in everything
                if task.state in states and queue in (None, task.queue)
            ]
            counted = rows if "open" in states else everything
            undecided = sum(task.state in UNDECIDED for task, _ in counted)
            if "open" not in states:
                rows.reverse()
            approvers = approvers_of(session, [task for task, _ in rows[:limit]])
            shipped = under_shipped_certificate(session, [record for _, record in rows[:limit]])
        listed = [task_row(task, record, approvers, shipped) for task, record in rows[:limit]]
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
            task, record = load_task(session, reviewer, task_id)
            return task_detail(session, task, record)

    def claim(self, reviewer: Principal, task_id: str) -> dict[str, Any]:
        """Hold a task for a few minutes; claiming again renews. 409 when somebody else holds it."""
        reviewer.require("reviewer")
        self.expire_overdue()
        with self._database.transaction() as session:
            task, record = load_task(session, reviewer, task_id)
            self._allow(session, reviewer, task, record)
            if not self._take(session, task, reviewer):
                explain_refusal(session, task)
            session.refresh(task)
            return task_detail(session, task, record)

    def decide(self, reviewer: Principal, task_id: str, decision: Decision) -> dict[str, Any]:
        """Decide a claimed task once and for all, and release the answer when approved or edited.

        The first approval of a four-eyes task gives it back instead, open for somebody else.
        Raises ``AlreadyDecided``, ``ClaimLost`` or ``ApprovalVoid`` (409), ``Invalid`` (422).
        """
        reviewer.require("reviewer")
        self.expire_overdue()
        with self._database.transaction() as session:
            task, record = load_task(session, reviewer, task_id)
            self._allow(session, reviewer, task, record)
            if not finish(session, task, reviewer, decision.fence):
                explain_refusal(session, task)
            proposal = newest_proposal(session, task)
            check_unchanged(session, record, proposal, decision)
            answer, edited = decided_answer(record, proposal, decision)
            wrong = answer is None or not same_words(record, answer)
            if isinstance(task, ProbeRow):
                measure(
                    session, task, said_of_probe(reviewer, decision, answer), called_wrong=wrong
                )
            elif answer is not None and not has_enough_approvals(
                session, task, reviewer, answer, edited
            ):
                give_back(session, task)
            else:
                write_decision(session, task, reviewer, decision, answer)
                apply_decision(session, task, record, answer, edited)
                observe(session, record, wrong=wrong, audited=task.kind == "audit")
                ask_again(session, task, record, self._settings, wrong=wrong)
            session.flush()
            session.refresh(task)
            return task_detail(session, task, record)

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
            for task_id in list(session.scalars(edits_query())):
                task = session.get_one(ReviewTaskRow, task_id)
                record = session.get_one(RecordRow, task.answer_id)
                ids = [passage["id"] for passage in record.evidence]
                stored = {passage.id: passage for passage, _ in find_passages(session, ids)}
                if may_read(reviewer, record) and stored.keys() >= set(ids):
                    yield edit_row(session, task, record, [stored[key] for key in ids])

    def expire_overdue(self) -> int:
        """Close every undecided task whose time is up; its answer stays unreleased."""
        with self._database.reading() as session:
            overdue = [
                (table, task_id)
                for table in (ReviewTaskRow, ProbeRow)
                for task_id in session.scalars(select(table.id).where(*past_deadline(table)))
            ]
        if not overdue:
            return 0
        with self._database.transaction() as session:
            for table, task_id in overdue:
                done = session.execute(
                    update(table)
                    .where(table.id == task_id, *past_deadline(table))
                    .values(state="expired")
                )
                if row_changed(done):
                    append_audit(session, "expired", {"task_id": task_id})
        return len(overdue)

    def _allow(self, session: Session, reviewer: Principal, task: Task, record: RecordRow) -> None:
        own = record.principal == reviewer.name
        if own and (task.four_eyes or not self._settings.self_review):
            raise Forbidden("You asked this question; somebody else must decide.")
        if reviewer.name in approvers_of(session, [task]).get(task.id, ()):
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
        return row_changed(taken)
