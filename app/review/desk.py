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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.access.standing import asker_of
from app.corpus.passages import find_passages
from app.db import Database, database_time
from app.errors import ApprovalVoid, Forbidden, Invalid
from app.gate.labels import observe
from app.made import note_made
from app.records.audit import append_audit
from app.records.recording import Trail
from app.records.tables import RecordRow
from app.review.ageing import aged_tasks, escalate_by_age
from app.review.background_drafts import take_draft
from app.review.decisions import (
    Decision,
    Judged,
    apply_decision,
    approvers_of,
    check_judged,
    check_sources,
    check_unchanged,
    decided_answer,
    edit_row,
    edited_answer,
    edits_query,
    has_enough_approvals,
    newest_proposal,
    overridden_by,
    said_of_probe,
    same_words,
    shown_sha256,
    write_decision,
)
from app.review.listing import (
    CountsView,
    QueueState,
    TaskFilter,
    count_open,
    count_waiting,
    list_tasks,
    queue_state,
)
from app.review.minutes import seconds_on
from app.review.notes import add_note, assign, escalate, reviewers_of, snooze
from app.review.probes import ask_again, keep_said, measure, probe_of, record_of
from app.review.reading_time import check_read, reading_seconds, reading_until
from app.review.redrafts import keep_redraft, newest_redraft
from app.review.scopes import may_read
from app.review.states import is_held, state_at
from app.review.tables import ProbeRow, ReviewTaskRow
from app.review.task_detail import task_detail
from app.review.tasks import (
    early_tasks,
    expire_task,
    explain_refusal,
    finish,
    give_back,
    let_go,
    load_task,
    overdue_tasks,
    reopen_task,
    take,
    task_id_of,
)
from app.review.undo import due_tasks, keep_pending, release_before, take_pending, undo
from app.review.views import ColleaguesView, EditView, TaskDetailView, TasksView
from app.review.why import faults_line
from app.settings import Settings
from guardrails.contract import AnswerObject, Finding, Passage, canonical_sha256

EditJudge = Callable[[RecordRow, AnswerObject, Sequence[Passage]], Sequence[Finding]]
"""What checks say against a text, given its record and the passages that it cites besides."""


@dataclass(frozen=True)
class Concluded:
    """A decision on a task with what it came to; ``answer`` None: the draft was rejected."""

    task: ReviewTaskRow
    probe: ProbeRow | None
    record: RecordRow
    answer: AnswerObject | None
    edited: bool
    judged: Judged | None


class ReviewDesk:
    """What reviewers can do; every method checks the reviewer's role and scope first."""

    def __init__(
        self, database: Database, settings: Settings, judge: EditJudge | None = None
    ) -> None:
        """``judge`` finds what is wrong with a reviewer's text; without models there is none."""
        self._database, self._settings, self._judge = database, settings, judge

    def tasks(
        self,
        reviewer: Principal,
        state: str,
        limit: int = 50,
        queue: str | None = None,
        *,
        collection: str | None = None,
        cursor: str | None = None,
        **narrower: Any,
    ) -> TasksView:
        """A page of tasks in ``state`` (open includes claimed), and how many are open.

        Open ones come most urgent first, decided and expired ones newest first. The filters,
        also those in ``narrower``, are those of ``TaskFilter``.
        """
        reviewer.require("reviewer")
        wanted = TaskFilter(state, queue, collection, **narrower)
        with self._database.reading() as session:
            return list_tasks(session, reviewer, wanted, limit, cursor)

    def counts(self, reviewer: Principal) -> CountsView:
        """How many open tasks there are for this reviewer, by queue and by cause."""
        reviewer.require("reviewer")
        with self._database.reading() as session:
            return count_waiting(session, reviewer)

    def count_open(self) -> int:
        """How many tasks wait for a decision."""
        with self._database.reading() as session:
            return count_open(session, self._database.time(session))

    def queue(self) -> QueueState:
        """How many tasks wait, how many of them escalated by age, and how old the oldest is."""
        with self._database.reading() as session:
            return queue_state(session, self._database.time(session))

    def seconds_on(self, task_id: str) -> float | None:
        """From claim to decision; None where it was claimed and decided in one step."""
        with self._database.reading() as session:
            return seconds_on(session, task_id)

    def task(self, reviewer: Principal, task_id: str) -> TaskDetailView:
        """One task with everything a decision needs; removed sources have lost their text."""
        reviewer.require("reviewer")
        with self._database.reading() as session:
            return self._detail(session, *load_task(session, reviewer, task_id))

    def task_id_of(self, reviewer: Principal, beginning: str) -> str:
        """The id of the one task that begins so; ``beginning`` itself where there is none. Raises
        ``Invalid`` where there are several."""
        reviewer.require("reviewer")
        with self._database.reading() as session:
            return task_id_of(session, reviewer, beginning)

    def claim(
        self, reviewer: Principal, task_id: str, *, take_over: bool = False
    ) -> TaskDetailView:
        """Hold a task for a few minutes; claiming again renews.

        409 when someone else holds it, unless it is to be taken over from them.
        """
        reviewer.require("reviewer")
        self.expire_overdue()
        with self._database.transaction() as session:
            task, probe, record = load_task(session, reviewer, task_id)
            self._allow(session, reviewer, task, record)
            before = task.claimed_by if is_held(task, database_time(session)) else None
            self._take(session, task, reviewer, take_over=take_over)
            if before not in (None, reviewer.name):
                add_note(session, task, "taken_over", reviewer.name, about=str(before))
            return self._detail(session, task, probe, record)

    def let_go(self, reviewer: Principal, task_id: str, fence: int) -> None:
        """End one's claim without a decision; whoever holds the task by now keeps it."""
        reviewer.require("reviewer")
        with self._database.transaction() as session:
            task, *_ = load_task(session, reviewer, task_id)
            let_go(session, task, reviewer, fence)

    def _detail(
        self, session: Session, task: ReviewTaskRow, probe: ProbeRow | None, record: RecordRow
    ) -> TaskDetailView:
        return replace(
            task_detail(session, task, probe, record),
            reading_seconds=reading_seconds(task, self._settings) if task.undecided else 0.0,
            reading_until=reading_until(task, self._settings),
        )

    def _take(
        self, session: Session, task: ReviewTaskRow, reviewer: Principal, *, take_over: bool = False
    ) -> None:
        lease = timedelta(minutes=self._settings.claim_minutes)
        if not take(session, task, reviewer, lease, take_over=take_over):
            explain_refusal(session, task)
        session.refresh(task)

    # Besides deciding

    def comment(self, reviewer: Principal, task_id: str, text: str) -> TaskDetailView:
        """Write something to the other reviewers of a task."""
        if not text.strip():
            raise Invalid("The comment is empty.")
        return self._handle(
            reviewer, task_id, lambda s, t: add_note(s, t, "comment", reviewer.name, text)
        )

    def assign(self, reviewer: Principal, task_id: str, to: str | None) -> TaskDetailView:
        """Say who is to decide a task (None: anybody); others still may. ``Invalid``."""
        return self._handle(reviewer, task_id, lambda s, t: assign(s, t, reviewer.name, to))

    def reviewers(self, reviewer: Principal, task_id: str) -> ColleaguesView:
        """Whom a task may be assigned to."""
        reviewer.require("reviewer")
        with self._database.reading() as session:
            return reviewers_of(session, load_task(session, reviewer, task_id)[0])

    def snooze(self, reviewer: Principal, task_id: str, until: datetime | None) -> TaskDetailView:
        """Keep a task out of the list until then (None: list it again). ``Invalid``."""
        return self._handle(reviewer, task_id, lambda s, t: snooze(s, t, reviewer.name, until))

    def escalate(self, reviewer: Principal, task_id: str, reason: str) -> TaskDetailView:
        """Put a task before all others, and give it back. ``Invalid`` without a reason."""
        return self._handle(reviewer, task_id, lambda s, t: escalate(s, t, reviewer.name, reason))

    def _handle(
        self, reviewer: Principal, task_id: str, change: Callable[[Session, ReviewTaskRow], None]
    ) -> TaskDetailView:
        """Change an undecided task that the reviewer may see. Raises ``AlreadyDecided``."""
        reviewer.require("reviewer")
        with self._database.transaction() as session:
            task, probe, record = load_task(session, reviewer, task_id)
            if state_at(task, database_time(session)) in ("decided", "expired"):
                explain_refusal(session, task)
            change(session, task)
            return self._detail(session, task, probe, record)

    # Deciding

    def decide(self, reviewer: Principal, task_id: str, decision: Decision) -> TaskDetailView:
        """Decide a task once and for all, and release the answer when approved or edited.

        Without a fence it is claimed in the same step, as long as nobody else holds it. An edit is
        judged first; what fails checks needs ``override_reason``. The first approval of a
        four-eyes task gives it back instead, open for somebody else. Raises ``AlreadyDecided``,
        ``ClaimLost``, ``TooSoon`` or ``ApprovalVoid`` (409), ``Invalid`` or ``EditNotSupported``
        (422).
        """
        reviewer.require("reviewer")
        self.expire_overdue()
        judged = self._judged(reviewer, task_id, decision) if decision.kind == "edit" else None
        with self._database.transaction() as session:
            task, probe, record = load_task(session, reviewer, task_id)
            self._allow(session, reviewer, task, record)
            if decision.fence is None:
                self._take(session, task, reviewer)
            fence = task.fence if decision.fence is None else decision.fence
            check_read(session, task, self._settings)
            if not finish(session, task, reviewer, fence):
                explain_refusal(session, task)
            proposal = newest_proposal(session, task)
            check_unchanged(session, record, proposal, decision)
            added = self._added(session, reviewer, record, decision)
            answer, edited = decided_answer(record, proposal, decision, added)
            check_sources(session, answer)
            if judged is not None and answer is not None:
                check_judged(answer, decision, judged)
            done = Concluded(task, probe, record, answer, edited, judged)
            self._conclude(session, reviewer, decision, done)
            note_made(session, task_id)
            session.flush()
            session.refresh(task)
            return self._detail(session, *load_task(session, reviewer, task_id))

    def _conclude(
        self, session: Session, reviewer: Principal, decision: Decision, done: "Concluded"
    ) -> None:
        """What follows from a decision that counts."""
        task, probe, record, answer = done.task, done.probe, done.record, done.answer
        wrong = answer is None or not same_words(record, answer)
        before = release_before(session, task.answer_id)
        overridden = overridden_by(decision, done.judged)
        if probe is not None:
            said = said_of_probe(reviewer, decision, answer)
            keep_said(session, task, probe, said)
        elif answer is not None and not has_enough_approvals(
            session, task, reviewer, answer, done.edited, overridden
        ):
            give_back(session, task)
            if done.judged is not None and overridden:  # the second reviewer must know
                failed = f"The checks say: {faults_line(done.judged.problems)}"
                note = f"{failed}\n{decision.override_reason.strip()}"
                add_note(session, task, "comment", reviewer.name, note)
            return
        else:
            write_decision(session, task, reviewer, decision, answer, done.judged)
            apply_decision(session, task, record, answer, done.edited)
        if self._settings.undo_seconds > 0:
            seconds = self._settings.undo_seconds
            keep_pending(session, task, seconds, wrong=wrong, before=before)
        else:
            self._measure(session, task, probe, record, wrong=wrong)

    def _measure(
        self,
        session: Session,
        task: ReviewTaskRow,
        probe: ProbeRow | None,
        record: RecordRow,
        *,
        wrong: bool,
    ) -> None:
        """Let the gate see a decision that stands."""
        redrafted = newest_redraft(session, task.id) is not None
        if probe is not None:
            measure(session, task, probe, called_wrong=wrong, counts=not redrafted)
        elif not redrafted and task.kind != "recheck":  # else the gate decided on another draft
            observe(session, record, wrong=wrong, audited=task.kind == "audit")
            ask_again(session, task, record, self._settings, wrong=wrong)

    def undo(self, reviewer: Principal, task_id: str) -> TaskDetailView:
        """Take one's own decision back, a few seconds after it; the task is held again.

        Raises ``UndoTooLate``.
        """
        reviewer.require("reviewer")
        lease = timedelta(minutes=self._settings.claim_minutes)
        with self._database.transaction() as session:
            task, probe, _ = load_task(session, reviewer, task_id)
            undo(session, task, probe, reviewer.name, lease)
            add_note(session, task, "undone", reviewer.name)
            return self._detail(session, *load_task(session, reviewer, task_id))

    def measure_decisions(self, moment: datetime | None = None) -> int:
        """Measure what can be undone no more, each decision in a transaction of its own."""
        with self._database.reading() as session:
            due = due_tasks(session, moment or database_time(session))
        for task_id in due:
            with self._database.transaction() as session:
                pending = take_pending(session, task_id)
                if pending is not None:
                    task = session.get_one(ReviewTaskRow, task_id)
                    probe = probe_of(session, task)
                    record = (
                        session.get_one(RecordRow, task.answer_id)
                        if probe is None
                        else record_of(task, probe)
                    )
                    append_audit(session, "measured", {"task_id": task_id})
                    self._measure(session, task, probe, record, wrong=pending.wrong)
                    session.flush()  # rows are sealed as they are stored
        return len(due)

    def _judged(self, reviewer: Principal, task_id: str, decision: Decision) -> Judged | None:
        """What the checks say of an edit; no transaction is open while they run."""
        if self._judge is None:
            return None
        with self._database.reading() as session:
            task, _, record = load_task(session, reviewer, task_id)
            added = self._added(session, reviewer, record, decision)
            proposal = newest_proposal(session, task)
            answer = edited_answer(record, proposal, decision.text, added)
        problems = self._judge(record, answer, list(added.values()))
        return Judged(canonical_sha256(answer), problems)

    def _added(
        self, session: Session, reviewer: Principal, record: RecordRow, decision: Decision
    ) -> dict[int, Passage]:
        """The passages that an edit cites beside those of the task. Raises ``Invalid``."""
        wanted = decision.sources
        found = {one.id: one for one, _ in find_passages(session, set(wanted.values()))}
        asker = asker_of(session, record.principal, record.searched["collections"])
        for passage_id in wanted.values():
            passage = found.get(passage_id)
            if passage is None or not reviewer.may_read(passage.collection):
                raise Invalid("There is no such passage to cite, or you may not see it.")
            if not asker.may_read(passage.collection):
                raise Invalid("The asker may not read this source, so it cannot be cited.")
        return {number: found[passage_id] for number, passage_id in wanted.items()}

    # New drafts

    def shown(self, reviewer: Principal, task_id: str) -> RecordRow:
        """What reviewers see of a task, to search or draft for it; only to be read."""
        reviewer.require("reviewer")
        with self._database.reading() as session:
            return load_task(session, reviewer, task_id)[2]

    def redraft(
        self, reviewer: Principal, task_id: str, trail: Trail, content_sha256: str
    ) -> TaskDetailView:
        """Put a new draft in the place of the one that was seen, and claim the task.

        Raises ``ApprovalVoid`` when somebody else was faster, ``ClaimLost`` and ``Invalid``.
        """

        def put(session: Session, task: ReviewTaskRow, record: RecordRow) -> None:
            keep_redraft(session, task, record, trail, reviewer.name)
            add_note(session, task, "drafted_again", reviewer.name)

        return self._exchange(reviewer, task_id, content_sha256, put)

    def take_background_draft(
        self, reviewer: Principal, task_id: str, wanted: str, content_sha256: str
    ) -> TaskDetailView:
        """Put the background draft with the hash ``wanted`` in the place of the draft that was
        seen, and claim the task. Raises like ``redraft``."""

        def put(session: Session, task: ReviewTaskRow, record: RecordRow) -> None:
            asker = asker_of(session, record.principal, record.searched["collections"])
            content = take_draft(session, task, record, wanted, reviewer.name)
            if not may_read(asker, content["evidence"], content["searched"]):
                raise Invalid("The asker may read its sources no more: draft again.")
            add_note(session, task, "draft_taken", reviewer.name)

        return self._exchange(reviewer, task_id, content_sha256, put)

    def _exchange(
        self,
        reviewer: Principal,
        task_id: str,
        content_sha256: str,
        put: Callable[[Session, ReviewTaskRow, RecordRow], None],
    ) -> TaskDetailView:
        reviewer.require("reviewer")
        with self._database.transaction() as session:
            task, _, record = load_task(session, reviewer, task_id)
            self._allow(session, reviewer, task, record)
            if shown_sha256(record, newest_proposal(session, task)) != content_sha256:
                raise ApprovalVoid
            self._take(session, task, reviewer)
            put(session, task, record)
            return self._detail(session, *load_task(session, reviewer, task_id))

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
                readable = may_read(reviewer, record.evidence, record.searched)
                if readable and stored.keys() >= set(ids):
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
        self.measure_decisions(moment)
        for task_id in early:
            with self._database.transaction() as session:
                reopen_task(session, task_id, moment)
        closed = 0
        for task_id in overdue:
            with self._database.transaction() as session:
                closed += expire_task(session, task_id, moment)
        return closed

    def escalate_aged(self) -> int:
        """Escalate what nobody took in time; returns how many. Each is changed in a transaction of
        its own, and only once, whoever else does this too."""
        if not self._settings.escalate_hours:
            return 0
        with self._database.reading() as session:
            moment = self._database.time(session)
            aged = aged_tasks(session, moment)
        escalated = 0
        for task_id in aged:
            with self._database.transaction() as session:
                escalated += escalate_by_age(session, task_id, moment)
        return escalated

    def _allow(
        self, session: Session, reviewer: Principal, task: ReviewTaskRow, record: RecordRow
    ) -> None:
        own = record.principal == reviewer.name
        if own and (task.four_eyes or not self._settings.self_review):
            raise Forbidden("You asked this question, so someone else must decide.")
        if reviewer.name in approvers_of(session, [task]).get(task.id, ()):
            raise Forbidden("You have approved this answer; a second reviewer must decide.")
