"""The outbox is emptied: who is to be told, sending, and trying again.

What is sent and then not marked, because the process ended in between, is sent once more with the
same event id: readers keep the ids that they have seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.orm import Session

from app.access.tables import PrincipalRow
from app.addresses import is_e_mail
from app.db import Database, database_time, iso, now
from app.errors import CountersignError, DependencyFailed
from app.gate.sampling import fraction
from app.notices.contents import Notice, notice_of
from app.notices.mail import Mail
from app.notices.webhook import Webhook
from app.outbox import OutboxRow
from app.review.notes import may_decide
from app.review.tables import ReviewTaskRow
from app.settings import Settings

WEBHOOK = "webhook"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 3600.0
LONGEST_PAUSE, SLACK = timedelta(hours=1.2), timedelta(minutes=5)
MOST_TRIES = 80
"""About three days; then it is given up, stays in the list for ``KEPT``, and can be sent again."""
KEPT = timedelta(days=30)
MOST = 50
"""Notices sent to one destination in one run, so that other work is not kept waiting."""
MOST_LISTED = 100
log = structlog.get_logger()
Key = tuple[str, str]


@dataclass(frozen=True)
class WaitingNotice:
    """A notice that was not sent yet, or was given up; ``destination`` empty: not yet known."""

    event_id: str
    destination: str
    kind: str
    subject: str
    happened_at: str
    next_try_at: str
    attempts: int
    problem: str
    gave_up: bool


class Sender:
    """Sends what is due. One process at a time does it; two would only send twice."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Raises ``SettingsInvalid`` for settings of notices that cannot be used."""
        self._database, self._settings = database, settings
        self._webhook = Webhook(settings) if settings.notice_webhook else None
        self._mail = Mail(settings) if settings.smtp_host else None

    @property
    def destinations(self) -> list[str]:
        """What the settings name, for people."""
        chosen = {"webhook": self._webhook is not None, "e-mail": self._mail is not None}
        return [name for name, there in chosen.items() if there]

    def run(self) -> int:
        """Route and send what is due; returns how many were taken.

        A destination that fails once is left alone until the next run.
        """
        self._route()
        with self._database.reading() as session:
            due = _due_by_destination(session, self._settings)
        return sum(self._send_all(keys) for keys in due)

    def _send_all(self, keys: Sequence[Key]) -> int:
        sent = 0
        for key in keys:
            taken = self._try(key)
            if taken is False:
                break
            sent += taken is True
        return sent

    def test(self) -> list[str]:
        """Send a notice of nothing to each destination of the settings, at once; returns them.

        Raises ``DependencyFailed`` for the first one that does not take it.
        """
        notice = Notice("test", "task_opened", now(), {"test": True}, None, "")
        told = [WEBHOOK] if self._webhook is not None else []
        told += self._mail.reviewers if self._mail is not None else []
        for destination in told:
            self._send(notice, destination)
        return told

    # Who is to be told

    def _route(self) -> None:
        """Give the events that are due their destinations, each in a transaction of its own; where
        the settings name none, all of them go at once."""
        with self._database.reading() as session:
            new = _due(session, self._settings, "")
        if new and not self.destinations:
            self._forget([event_id for event_id, _ in new])
            return
        for event_id, _ in new:
            with self._database.transaction() as session:
                self._give_destinations(session, event_id)

    def _forget(self, events: Sequence[str]) -> None:
        mine = delete(OutboxRow).where(OutboxRow.event_id.in_(events), OutboxRow.destination == "")
        with self._database.transaction() as session:
            session.execute(mine)

    def _give_destinations(self, session: Session, event_id: str) -> None:
        row = session.get(OutboxRow, (event_id, ""), with_for_update=True)
        if row is None:
            return
        notice = notice_of(session, row, self._settings)
        told = self._told(session, notice) if notice is not None else []
        same = ("event_id", "kind", "subject", "happened_at", "due_at", "attempts", "problem")
        values = {name: getattr(row, name) for name in same}
        session.add_all(OutboxRow(destination=one, **values) for one in told)
        session.delete(row)

    def _told(self, session: Session, notice: Notice) -> list[str]:
        told = [WEBHOOK] if self._webhook is not None else []
        if self._mail is not None:
            told += _readers(session, notice, self._mail, self._settings)
        return list(dict.fromkeys(told))

    def _is_told(self, session: Session, notice: Notice, destination: str) -> bool:
        """Whether it is still one of those to tell: days may lie between two tries."""
        if destination == WEBHOOK or self._mail is None:
            return True
        return destination in _readers(session, notice, self._mail, self._settings)

    # Sending

    def _try(self, key: Key) -> bool | None:
        """True: taken, False: not taken; None: there was nothing left to tell."""
        with self._database.reading() as session:
            row = session.get(OutboxRow, key)
            notice = None if row is None else notice_of(session, row, self._settings)
            if notice is not None and not self._is_told(session, notice, key[1]):
                notice = None
        if notice is None:
            self._done(key)
            return None
        try:
            self._send(notice, key[1])
        except CountersignError as error:
            log.warning("notice_failed", kind=notice.kind, notice=key[0], problem=error.message)
            self._again(key, error.message)
            return False
        self._done(key)
        return True

    def _send(self, notice: Notice, destination: str) -> None:
        if destination == WEBHOOK and self._webhook is not None:
            self._webhook.send(notice)
        elif destination != WEBHOOK and self._mail is not None:
            self._mail.send(notice, destination)
        else:
            raise DependencyFailed("The settings name no such destination any more.")

    def _done(self, key: Key) -> None:
        with self._database.transaction() as session:
            mine = delete(OutboxRow).where(OutboxRow.event_id == key[0])
            session.execute(mine.where(OutboxRow.destination == key[1]))

    def _again(self, key: Key, problem: str) -> None:
        with self._database.transaction() as session:
            row = session.get(OutboxRow, key, with_for_update=True)
            if row is not None:
                moment = database_time(session)
                row.attempts, row.problem = row.attempts + 1, problem[:200]
                row.due_at = moment + pause(row.attempts, key)
                row.gave_up = row.attempts >= MOST_TRIES


def pause(attempts: int, key: Key) -> timedelta:
    """How long to wait after so many tries: it doubles, up to an hour, and is a little different
    for each, so that what failed together does not come back together."""
    seconds = min(FIRST_PAUSE_S * 2 ** min(attempts - 1, 20), LONGEST_PAUSE_S)
    return timedelta(seconds=seconds * (1 + 0.1 * fraction(*key)))


def waiting_notices(database: Database) -> list[WaitingNotice]:
    """What was not sent yet, what was given up first."""
    order = OutboxRow.gave_up.desc(), OutboxRow.due_at, OutboxRow.event_id
    with database.reading() as session:
        rows = session.scalars(select(OutboxRow).order_by(*order).limit(MOST_LISTED))
        return [_waiting(row) for row in rows]


def send_again(database: Database) -> int:
    """What was given up is due at once; returns how many."""
    with database.transaction() as session:
        rows = session.scalars(select(OutboxRow).where(OutboxRow.gave_up)).all()
        for row in rows:
            row.gave_up, row.attempts, row.due_at = False, 0, database_time(session)
    return len(rows)


def forget_given_up(database: Database) -> None:
    """What was given up long ago goes."""
    with database.transaction() as session:
        old = OutboxRow.happened_at < database_time(session) - KEPT
        session.execute(delete(OutboxRow).where(OutboxRow.gave_up, old))


def _due(session: Session, settings: Settings, destination: str) -> list[Key]:
    """What is due for a destination, the first first."""
    query = select(OutboxRow.event_id, OutboxRow.destination)
    query = query.where(*_is_due(session, settings), OutboxRow.destination == destination)
    rows = session.execute(query.order_by(OutboxRow.due_at, OutboxRow.event_id).limit(MOST))
    return [(event_id, name) for event_id, name in rows]


def _due_by_destination(session: Session, settings: Settings) -> list[list[Key]]:
    query = select(OutboxRow.destination).where(*_is_due(session, settings)).distinct()
    named = sorted(session.scalars(query.where(OutboxRow.destination != "")))
    return [_due(session, settings, one) for one in named]


def _is_due(session: Session, settings: Settings) -> list[ColumnElement[bool]]:
    """What is told of an answer waits until its decision can be taken back no more.

    What would wait for longer than anything does was written while a clock was ahead: it is due.
    """
    row, moment = OutboxRow, database_time(session)
    ahead = moment + timedelta(minutes=settings.probe_delay_minutes) + SLACK
    again = and_(row.attempts > 0, row.due_at > moment + LONGEST_PAUSE + SLACK)
    first = and_(row.attempts == 0, row.due_at > ahead, row.kind != "task_deadline")
    final = row.happened_at <= moment - timedelta(seconds=settings.undo_seconds)
    of_task = row.kind.startswith("task_")
    due = or_(row.due_at <= moment, again, first)
    return [~row.gave_up, due, or_(of_task, final, row.happened_at > moment + SLACK)]


def _readers(session: Session, notice: Notice, mail: Mail, settings: Settings) -> list[str]:
    """The addresses that a notice is mailed to."""
    if notice.kind == "task_opened":
        return []
    person = [notice.person] if notice.person and is_e_mail(notice.person) else []
    present = [name for name in person if _may_be_told(session, notice, name)]
    if notice.kind.startswith("task_"):
        chosen = mail.escalated if notice.kind == "task_escalated" else mail.reviewers
        return [*chosen, *present]
    return present if settings.notice_askers else []


def _may_be_told(session: Session, notice: Notice, name: str) -> bool:
    row = session.get(PrincipalRow, name)
    if row is None or row.disabled_at is not None:
        return False
    if not notice.kind.startswith("task_"):
        return bool(row.roles)
    task = session.get(ReviewTaskRow, notice.about["task_id"])
    return task is not None and may_decide(session, row, task)


def _waiting(row: OutboxRow) -> WaitingNotice:
    return WaitingNotice(
        event_id=row.event_id,
        destination=row.destination,
        kind=row.kind,
        subject=row.subject,
        happened_at=iso(row.happened_at) or "",
        next_try_at=iso(row.due_at) or "",
        attempts=row.attempts,
        problem=row.problem,
        gave_up=row.gave_up,
    )
