"""Erases the words of an answer, a document or a principal everywhere, for good.

What stays are ids, outcomes, figures, times and hashes: the audit chain still verifies, and it
says what was erased, when and by whom.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.access.erasing import forget_answer, forget_principal
from app.corpus.corpus import Corpus
from app.corpus.uploads import Uploads
from app.db import Database, now
from app.errors import NotFound
from app.gate.hard_questions import forget_hard_question
from app.gate.trials import forget_shadow
from app.outbox import forget_destination
from app.records.audit import append_audit, lock_head
from app.records.erasing import (
    NOBODY,
    answers_of,
    answers_over,
    erase_answer,
    forget_standalone_questions,
    forget_title,
)
from app.records.tables import RecordRow, SettlementRow
from app.records.trusted_time import trusted_time
from app.review.erasing import erase_document_probes, erase_review, redrafted_over
from app.settings import Settings

RETENTION = "retention"
"""Who erases what is older than the settings say."""
AT_ONCE = 200
"""Answers that retention erases in one go."""


@dataclass(frozen=True)
class Erased:
    """What was erased; ``compacted`` False: old pages of the database file may still hold words,
    as somebody else was using it."""

    answers: int
    documents: int = 0
    compacted: bool = False


class Eraser:
    """Erases in short transactions, each with its link; repeating an erasure does no harm."""

    def __init__(self, database: Database, settings: Settings, corpus: Corpus) -> None:
        self._database, self._settings, self._corpus = database, settings, corpus

    def answer(self, answer_id: str, by: str, reason: str = "") -> Erased:
        """Erase one answer with its question. Raises ``NotFound``."""
        self._erase(answer_id, {"by": by, "reason": reason, "question_kept": False})
        self._database.empty_log()
        return Erased(1)

    def principal(self, name: str, by: str, reason: str = "") -> Erased:
        """Erase everything that a principal asked, and their account's secrets.

        The account is disabled first; its name stays in decisions and in the audit log. Raises
        ``NotFound``, and ``Conflict`` for the last administrator.
        """
        with self._database.transaction() as session:
            lock_head(session)  # first, as answers do that finish an idempotency key
            answers = answers_of(session, name)
            known = forget_principal(session, name)
            forget_destination(session, name)
            if not known and not answers:
                raise NotFound(f"There is no principal named {name}, and no answer of theirs.")
            event = {"name": name, "answers": len(answers), "by": by, "reason": reason}
            append_audit(session, "principal_erased", event)
        for answer_id in answers:
            event = {"by": by, "reason": reason, "question_kept": False, "asker_kept": False}
            self._erase(answer_id, event)
        self._database.empty_log()
        return Erased(len(answers))

    def document(self, document_id: str, by: str, reason: str = "") -> Erased:
        """Erase a document, and every answer that had it as evidence, but for its question.

        The index must be built anew after it. Its names go last: an erasure that was cut short can
        be repeated. Raises ``NotFound``.
        """
        title, stored_at = self._corpus.documents.hide(document_id)
        Uploads(self._settings.upload_dir, 0).remove(stored_at)
        with self._database.transaction() as session:
            over = [*answers_over(session, document_id), *redrafted_over(session, document_id)]
            answers = list(dict.fromkeys(over))
            append_audit(session, "document_hidden", {"document_id": document_id, "by": by})
            erase_document_probes(session, document_id)
            if title:
                forget_title(session, title)
        for answer_id in answers:
            self._erase(answer_id, {"by": by, "reason": reason, "question_kept": True})
        self._corpus.documents.forget(document_id, by, reason)
        self._database.empty_log()
        return Erased(len(answers), 1)

    def retain(self) -> int:
        """Erase the answers and the deleted documents that are older than the settings say, by a
        clock that can be trusted; returns how many answers.

        Whoever erased something since the last look, the database's log does not keep it.
        """
        erased, moment = 0, trusted_time(self._database)
        for document_id in self._old_documents(moment):
            erased += self.document(document_id, RETENTION).answers
        for answer_id in self._old_answers(moment):
            self._erase(answer_id, {"by": RETENTION, "reason": "", "question_kept": False})
            erased += 1
        self._database.empty_log()
        return erased

    def due(self) -> tuple[int, int]:
        """How many answers and deleted documents ``retain`` would erase, the first ``AT_ONCE`` and
        all that follow them."""
        moment, days = now(), self._settings.keep_answers_days
        if not days:
            return 0, len(self._old_documents(moment))
        count = select(func.count()).select_from(_older(moment - timedelta(days=days)).subquery())
        with self._database.reading() as session:
            answers = session.scalar(count) or 0
        return answers, len(self._old_documents(moment))

    def _old_documents(self, moment: datetime) -> list[str]:
        days = self._settings.keep_deleted_days
        return self._corpus.documents.deleted_before(moment - timedelta(days=days)) if days else []

    def _old_answers(self, moment: datetime) -> list[str]:
        days = self._settings.keep_answers_days
        if not days:
            return []
        query = _older(moment - timedelta(days=days)).order_by(RecordRow.created_at)
        with self._database.reading() as session:
            return list(session.scalars(query.limit(AT_ONCE)))

    def compact(self) -> bool:
        """Rewrite the database's files without what was deleted; False: it is in use."""
        return self._database.compact()

    def _erase(self, answer_id: str, event: Mapping[str, Any]) -> None:
        with self._database.transaction() as session:
            record = session.get(RecordRow, answer_id, with_for_update=True)
            if record is None:
                raise NotFound("There is no such answer.")
            self._erase_record(session, record, event)

    def _erase_record(self, session: Session, record: RecordRow, event: Mapping[str, Any]) -> None:
        erase_review(session, record.answer_id)
        forget_shadow(session, record.answer_id)
        forget_hard_question(session, record.answer_id)
        if not event["question_kept"]:
            forget_standalone_questions(session, record)
            forget_answer(session, record.principal, record.answer_id)
        if not event.get("asker_kept", True):
            record.principal = NOBODY
        erase_answer(session, record, event)


def _older(than: datetime) -> Select[str]:
    """The answers from before that have their words yet."""
    erased = select(SettlementRow.answer_id).where(SettlementRow.state == "erased")
    return select(RecordRow.answer_id).where(
        RecordRow.created_at < than, RecordRow.answer_id.not_in(erased)
    )
