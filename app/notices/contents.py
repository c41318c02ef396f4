"""What a notice says: built when it is sent, from what is true by then."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy.orm import Session

from app.db import database_time, iso
from app.outbox import NoticeKind, OutboxRow
from app.records.release import TOLD
from app.records.tables import RecordRow, SettlementRow
from app.review.priority import urgency_of
from app.review.states import state_at
from app.review.tables import ReviewTaskRow
from app.settings import Settings

WORDS: dict[NoticeKind, str] = {
    "task_opened": "A draft waits for a reviewer",
    "task_urgent": "An urgent draft waits for a reviewer",
    "task_escalated": "A draft has waited too long for a reviewer",
    "task_deadline": "A draft must be decided soon",
    "answer_released": "Your answer is there",
    "answer_corrected": "An answer that you were given was corrected",
    "answer_withdrawn": "An answer that you were given was withdrawn; please do not rely on it",
    "answer_refused": "A reviewer decided not to release the answer to your question",
    "answer_expired": "No reviewer decided in time, so your question has no answer",
}
"""One sentence for people, without a full stop."""


@dataclass(frozen=True)
class Notice:
    """One event for one reader. ``about`` has no words of a question unless the settings say so;
    ``person`` is who is concerned beside those that the settings name: an asker, an assignee."""

    event_id: str
    kind: NoticeKind
    at: datetime
    about: dict[str, Any]
    person: str | None
    url: str

    @property
    def words(self) -> str:
        """What happened, for people."""
        return WORDS[self.kind]

    def wire(self) -> dict[str, Any]:
        """As JSON."""
        said = {"id": self.event_id, "kind": self.kind, "at": iso(self.at), "message": self.words}
        return {**said, **self.about, "url": self.url or None}


def notice_of(session: Session, row: OutboxRow, settings: Settings) -> Notice | None:
    """What to tell of an event now; None where it is true no more, so that nobody need know."""
    if row.kind.startswith("task_"):
        return _of_task(session, row, settings)
    return _of_answer(session, row, settings)


def _of_task(session: Session, row: OutboxRow, settings: Settings) -> Notice | None:
    task = session.get(ReviewTaskRow, row.subject)
    if task is None or state_at(task, database_time(session)) in ("decided", "expired"):
        return None
    about = {
        "task_id": task.id,
        "queue": task.queue,
        "urgency": urgency_of(task.priority),
        "expires_at": iso(task.expires_at),
        **({"question": task.question} if settings.notice_text else {}),
    }
    url = _url(settings, f"/review#{quote(task.id)}")
    return _notice(row, about, task.assigned_to, url)


def _of_answer(session: Session, row: OutboxRow, settings: Settings) -> Notice | None:
    record, settled = session.get(RecordRow, row.subject), session.get(SettlementRow, row.subject)
    if record is None or settled is None or TOLD.get(settled.state) != row.kind:
        return None
    words = {"question": record.question, "note": settled.message}
    about = {
        "answer_id": record.answer_id,
        "asker": record.principal,
        **(words if settings.notice_text else {}),
    }
    return _notice(row, about, record.principal, _url(settings, "/"))


def _notice(row: OutboxRow, about: dict[str, Any], person: str | None, url: str) -> Notice:
    kind = cast("NoticeKind", row.kind)
    return Notice(row.event_id, kind, row.happened_at, about, person, url)


def _url(settings: Settings, path: str) -> str:
    return settings.public_url.rstrip("/") + path if settings.public_url else ""
