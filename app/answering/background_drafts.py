"""Drafts for reviewers in the background: a slower drafter runs the question again, after its asker
was told to wait."""

from collections.abc import Callable

import structlog

from app.access.standing import asker_of
from app.answering.answerer import Answerer
from app.answering.stages import Ask
from app.db import Database
from app.deadline import Deadline
from app.errors import CountersignError, DeadlineExceeded
from app.records.recording import Trail, searched_for
from app.records.tables import RecordRow
from app.review.background_drafts import begin_draft, finish_draft, forget_draft, undrafted_tasks

AT_ONCE = 8
"""Tasks of one run, so that tasks which came meanwhile are seen."""
MOST_PUT_OFF = 30
"""Runs that are put off for people who ask; then one task is drafted for all the same."""
log = structlog.get_logger()


class BackgroundDrafter:
    """Drafts for the tasks that wait, one after the other, while nobody asks anything."""

    def __init__(
        self,
        database: Database,
        answerer: Answerer,
        model: str,
        *,
        every: bool,
        busy: Callable[[], bool],
        seconds: float,
    ) -> None:
        """``answerer`` has the slower generator, called ``model``, which gets ``seconds`` for each
        draft; with ``every`` tasks that have a draft get another one; ``busy`` says whether
        somebody waits for an answer."""
        self._database, self._answerer, self._model = database, answerer, model
        self._every, self._busy, self._seconds = every, busy, seconds
        self._put_off = 0

    def run(self) -> int:
        """Draft for some tasks; returns how many have a draft now.

        Raises what can be tried again, such as ``DependencyFailed``: the task stays as it was.
        """
        at_once = self._allowed()
        if not at_once:
            return 0
        with self._database.reading() as session:
            tasks = undrafted_tasks(session, at_once, every=self._every)
        made = 0
        for place, task_id in enumerate(tasks):
            if place and self._busy():
                break
            made += self._draft(task_id)
        return made

    def _allowed(self) -> int:
        """For how many tasks it may draft now."""
        if not self._busy():
            self._put_off = 0
            return AT_ONCE
        self._put_off += 1
        if self._put_off < MOST_PUT_OFF:
            return 0
        self._put_off = 0
        return 1

    def _draft(self, task_id: str) -> bool:
        with self._database.transaction() as session:
            record = begin_draft(session, task_id, self._model)
        trail = self._trail(task_id, record) if record is not None else None
        if trail is None:
            return False
        with self._database.transaction() as session:
            return finish_draft(session, task_id, trail)

    def _trail(self, task_id: str, record: RecordRow) -> Trail | None:
        """What the drafter comes to; None where it can come to nothing."""
        try:
            return self._rehearsed(record)
        except CountersignError as error:
            if error.retryable and not isinstance(error, DeadlineExceeded):
                with self._database.transaction() as session:
                    forget_draft(session, task_id)
                raise
            log.info("no_background_draft", task=task_id, code=error.code)
            return None

    def _rehearsed(self, record: RecordRow) -> Trail | None:
        """From collections of the task's evidence: whoever may read the task may read those."""
        with self._database.reading() as session:
            asker = asker_of(session, record.principal, record.searched["collections"])
        known = {passage["collection"] for passage in record.evidence}
        wanted = sorted(filter(asker.may_read, known))
        if not wanted:
            return None
        schema = (record.inputs or {}).get("answer_schema")
        ask = Ask(searched_for(record), wanted, schema)
        return self._answerer.rehearse(asker, ask, Deadline(self._seconds))
