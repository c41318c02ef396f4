"""Checks of the whole database against its audit chain, asked for on a page and done beside the
service: they take minutes where there are many rows."""

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

import structlog
from sqlalchemy import JSON, String, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, Database, Json, database_time, iso
from app.errors import CountersignError
from app.proof.checkpoints import Checkpoint, Checkpoints
from app.proof.verify import AuditReport, verify_audit
from app.settings import Settings

LOOK_EVERY_S = 2.0
GIVEN_UP = timedelta(hours=1)
"""A check that began so long ago is begun anew: its process has ended."""
MOST_SHOWN = 20
"""Problems that are kept of a check; `countersign audit verify` names more."""
KEPT = 20
CheckState = Literal["waiting", "running", "sound", "broken", "failed"]
log = structlog.get_logger()


class AuditCheckRow(Base):
    """A check that was asked for (owner: audit checks); ``holder`` is who does it, "" nobody.

    ``report`` has the fields of an ``AuditReport``, or ``failed`` with the code of an error.
    """

    __tablename__ = "audit_checks"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    asked_by: Mapped[str] = mapped_column(String(80))
    asked_at: Mapped[datetime] = mapped_column(index=True)
    holder: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    report: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))


@dataclass(frozen=True)
class AuditProblemView:
    """Something that is not as the chain says: of a link, a checkpoint, or a row of a table."""

    where: str
    key: str
    message: str


@dataclass(frozen=True)
class AuditCheckView:
    """A check of the database against its audit chain; ``problems`` are the first 20.

    ``failed`` means that it could not be done, which says nothing of the database.
    """

    check_id: str
    state: CheckState
    asked_by: str
    asked_at: str
    started_at: str | None
    finished_at: str | None
    links: int
    rows: int
    checkpoint: int | None
    problem_count: int
    problems: list[AuditProblemView]


def verified(
    database: Database, settings: Settings, others: Sequence[Checkpoint] = ()
) -> AuditReport:
    """The report, with the checkpoints of the data folder and ``others``."""
    checkpoints = Checkpoints(database, settings)
    ours = set(checkpoints.keys.public())
    report = verify_audit(database, [*checkpoints.kept(), *others])
    for name in checkpoints.refused():
        report.add("checkpoint", name, "The file is not one that this installation signed.")
    for other in others:
        if other.key not in ours:
            report.add("checkpoint", str(other.number), "Signed by a key that is not here.")
    return report


class AuditChecks:
    """The checks of one database; each is done by one process."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings

    def ask(self, by: str) -> AuditCheckView:
        """Ask for a check; one that waits or runs already is not asked for again."""
        with self._database.transaction() as session:
            moment = database_time(session)
            unfinished = select(AuditCheckRow).where(AuditCheckRow.finished_at.is_(None))
            row = session.scalars(unfinished.limit(1)).first()
            if row is None:
                row = AuditCheckRow(id=secrets.token_hex(16), asked_by=by, asked_at=moment)
                row.holder = ""
                session.add(row)
                session.flush()
                _forget_old(session, row.id)
            return _view(row)

    def newest(self, limit: int = KEPT) -> list[AuditCheckView]:
        """The newest checks, the last one first."""
        query = select(AuditCheckRow).order_by(AuditCheckRow.asked_at.desc()).limit(limit)
        with self._database.reading() as session:
            return [_view(row) for row in session.scalars(query)]

    def run_next(self) -> bool:
        """Do a check that waits; whether there was one."""
        taken = self._take()
        if taken is None:
            return False
        try:
            report: dict[str, Any] = verified(self._database, self._settings).wire()
            report["problems"] = report["problems"][:MOST_SHOWN]
        except (CountersignError, SQLAlchemyError, OSError, ValueError) as error:
            log.warning("audit_check_failed", error=type(error).__name__)
            report = {"failed": getattr(error, "code", type(error).__name__)}
        self._keep(*taken, report)
        return True

    def run_until(self, stop: threading.Event) -> None:
        """The loop of a worker."""
        while not stop.is_set():
            try:
                if self.run_next():
                    continue
            except CountersignError as error:
                log.warning("audit_check_failed", error=error.code)
            stop.wait(LOOK_EVERY_S)

    def _take(self) -> tuple[str, str] | None:
        """The id of a check that this process is to do, and the name under which it does."""
        unfinished = select(AuditCheckRow).where(AuditCheckRow.finished_at.is_(None))
        with self._database.reading() as session:  # a look must not take the lock of the writers
            if session.scalars(unfinished.limit(1)).first() is None:
                return None
        with self._database.transaction() as session:
            moment = database_time(session)
            row = session.scalars(unfinished.limit(1).with_for_update()).first()
            # Either way: what began under a clock that was ahead must not wait for days.
            if row is None or (row.started_at and abs(moment - row.started_at) < GIVEN_UP):
                return None
            row.holder, row.started_at = secrets.token_hex(16), moment
            return row.id, row.holder

    def _keep(self, check_id: str, holder: str, report: dict[str, Any]) -> None:
        with self._database.transaction() as session:
            row = session.get(AuditCheckRow, check_id, with_for_update=True)
            if row is not None and row.holder == holder:
                row.report, row.finished_at = report, database_time(session)


def _forget_old(session: Session, newest: str) -> None:
    """Delete all but ``KEPT``: ``newest`` stays, whatever the clock says of the others."""
    others = select(AuditCheckRow).where(AuditCheckRow.id != newest)
    for row in session.scalars(others.order_by(AuditCheckRow.asked_at.desc()).offset(KEPT - 1)):
        session.delete(row)


def _view(row: AuditCheckRow) -> AuditCheckView:
    report = row.report or {}
    return AuditCheckView(
        check_id=row.id,
        state=_state(row),
        asked_by=row.asked_by,
        asked_at=cast("str", iso(row.asked_at)),
        started_at=iso(row.started_at),
        finished_at=iso(row.finished_at),
        links=report.get("links", 0),
        rows=report.get("rows", 0),
        checkpoint=report.get("checkpoint"),
        problem_count=report.get("problem_count", 0),
        problems=[AuditProblemView(**one) for one in report.get("problems", ())],
    )


def _state(row: AuditCheckRow) -> CheckState:
    if row.report is None:
        return "running" if row.started_at else "waiting"
    if "failed" in row.report:
        return "failed"
    return "sound" if row.report["sound"] else "broken"
