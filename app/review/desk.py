"""Review tasks: a held draft is open, then claimed, then decided or expired.

    open     nobody holds it; with four eyes one approval may stand already
    claimed  one reviewer holds it until the lease ends; ``fence`` grows with every claim
    decided  one decision row exists: approve, edit or reject
    expired  nobody decided in time; the answer is not released. Where a clock was ahead, the task
             is open again once the time is not up

A decision counts only from the holder of the newest claim, on exactly the content they saw.
Where the policy asks for four eyes, two reviewers must approve the same answer: the first approval
(as drafted, or edited) proposes it and gives the task back; one rejection is enough.

Among the tasks stand probes (``app.review.probes``). They go through the same steps, and end in a
measurement instead of a decision.
"""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.corpus.passages import find_passages
from app.db import Database
from app.errors import Forbidden
from app.gate.labels import observe
from app.made import note_made
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
from app.review.listing import TaskFilter, count_open, list_tasks, task_detail
from app.review.probes import ask_again, measure
from app.review.tables import ReviewTaskRow
from app.review.tasks import (
    early_tasks,
    expire_task,
    explain_refusal,
    finish,
    give_back,
    load_task,
    may_read,
    overdue_tasks,
    reopen_task,
    take,
)
from app.review.views import EditView, TaskDetailView, TasksView
from app.settings import Settings


class ReviewDesk:
    """What reviewers can do; every method checks the reviewer's role and scope first."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def tasks(
        self,
        reviewer: Principal,
        state: str,
        limit: int = 50,
        queue: str | None = None,
        *,
        collection: str | None = None,
        cursor: str | None = None,
    ) -> TasksView:
        """A page of tasks in ``state`` (open includes claimed), and how many are open.

        Open ones come oldest first, decided and expired ones newest first. ``queue`` None means
        all, "" the tasks in no queue; ``collection`` those whose evidence comes from it, too.
        """
        reviewer.require("reviewer")
        wanted = TaskFilter(state, queue, collection)
        with self._database.reading() as session:
            return list_tasks(session, reviewer, wanted, limit, cursor)

    def count_open(self) -> int:
        """How many tasks wait for a decision."""
        with self._database.reading() as session:
            return count_open(session, self._database.time(session))

    def task(self, reviewer: Principal, task_id: str) -> TaskDetailView:
        """One task with everything a decision needs; removed sources have lost their text."""
        reviewer.require("reviewer")
        with self._database.reading() as session:
            return task_detail(session, *load_task(session, reviewer, task_id))

    def claim(self, reviewer: Principal, task_id: str) -> TaskDetailView:
        """Hold a task for a few minutes; claiming again renews. 409 when someone else holds it."""
        reviewer.require("reviewer")
        self.expire_overdue()
        lease = timedelta(minutes=self._settings.claim_minutes)
        with self._database.transaction() as session:
            task, probe, record = load_task(session, reviewer, task_id)
            self._allow(session, reviewer, task, record)
            if not take(session, task, reviewer, lease):
                explain_refusal(session, task)
            session.refresh(task)
            return task_detail(session, task, probe, record)

    def decide(self, reviewer: Principal, task_id: str, decision: Decision) -> TaskDetailView:
        """Decide a claimed task once and for all, and release the answer when approved or edited.

        The first approval of a four-eyes task gives it back instead, open for somebody else.
        Raises ``AlreadyDecided``, ``ClaimLost`` or ``ApprovalVoid`` (409), ``Invalid`` (422).
        """
        reviewer.require("reviewer")
        self.expire_overdue()
        with self._database.transaction() as session:
            task, probe, record = load_task(session, reviewer, task_id)
            self._allow(session, reviewer, task, record)
            if not finish(session, task, reviewer, decision.fence):
                explain_refusal(session, task)
            proposal = newest_proposal(session, task)
            check_unchanged(session, record, proposal, decision)
            answer, edited = decided_answer(record, proposal, decision)
            wrong = answer is None or not same_words(record, answer)
            if probe is not None:
                said = said_of_probe(reviewer, decision, answer)
                measure(session, task, probe, said, called_wrong=wrong)
            elif answer is not None and not has_enough_approvals(
                session, task, reviewer, answer, edited
            ):
                give_back(session, task)
            else:
                write_decision(session, task, reviewer, decision, answer)
                apply_decision(session, task, record, answer, edited)
                observe(session, record, wrong=wrong, audited=task.kind == "audit")
                ask_again(session, task, record, self._settings, wrong=wrong)
            note_made(session, task_id)
            session.flush()
            session.refresh(task)
            return task_detail(session, task, probe, record)

    def edits(self, reviewer: Principal) -> Iterator[EditView]:
        """Released edits as rows to learn from, oldest decision first.

        Left out is an edit with evidence that the reviewer may not read or that no longer exists.
        """
        reviewer.require("reviewer")
        return self._edits(reviewer)

    def _edits(self, reviewer: Principal) -> Iterator[EditView]:
        with self._database.reading() as session:
            for task_id in list(session.scalars(edits_query())):
                task = session.get_one(ReviewTaskRow, task_id)
                record = session.get_one(RecordRow, task.answer_id)
                ids = [passage["id"] for passage in record.evidence]
                stored = {passage.id: passage for passage, _ in find_passages(session, ids)}
                if may_read(reviewer, record.evidence) and stored.keys() >= set(ids):
                    yield edit_row(session, task, record, [stored[key] for key in ids])

    def expire_overdue(self) -> int:
        """Close the undecided tasks whose time is up, and settle their answers as not released.

        Those that were closed while a clock was ahead are opened again: nobody can tell a wrong
        clock from a right one while it is wrong. Returns how many were closed. Each is changed in a
        transaction of its own, so that a decision never waits for long.
        """
        with self._database.reading() as session:
            moment = self._database.time(session)
            overdue, early = overdue_tasks(session, moment), early_tasks(session, moment)
        for task_id in early:
            with self._database.transaction() as session:
                reopen_task(session, task_id, moment)
        closed = 0
        for task_id in overdue:
            with self._database.transaction() as session:
                closed += expire_task(session, task_id, moment)
        return closed

    def _allow(
        self, session: Session, reviewer: Principal, task: ReviewTaskRow, record: RecordRow
    ) -> None:
        own = record.principal == reviewer.name
        if own and (task.four_eyes or not self._settings.self_review):
            raise Forbidden("You asked this question, so someone else must decide.")
        if reviewer.name in approvers_of(session, [task]).get(task.id, ()):
            raise Forbidden("You have approved this answer; a second reviewer must decide.")
