"""The time that may erase something for good: a clock that jumped ahead is believed a day later."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, Database
from app.records.tables import AuditHeadRow, AuditRow

STEP = timedelta(hours=2)
"""Further than this from one sighting to the next is a jump."""
BELIEVED_AFTER = timedelta(hours=20)
"""How long a clock that jumped must go on: under a day, for work that is done once a day."""
LONGEST_BREAK = timedelta(hours=26)
"""Further than this from one sighting to the next, and a clock that is doubted jumped again."""
log = structlog.get_logger()


class TrustedTimeRow(Base):
    """The newest time that was believed, what the clock said last, and what it said when it jumped,
    while that is doubted (owner: trusted time)."""

    __tablename__ = "trusted_time"
    id: Mapped[int] = mapped_column(primary_key=True)
    believed: Mapped[datetime]
    seen: Mapped[datetime]
    doubted: Mapped[datetime | None]


def trusted_time(database: Database) -> datetime:
    """The time that retention and purges go by; it is never later than the database's clock.

    One process cannot tell a wrong clock from one that stood still while nothing ran. So a clock
    that is hours after the last sighting is believed only once it has gone on for
    ``BELIEVED_AFTER`` and did not come back. A clock that is back is believed at once: what
    happens later than it should loses nothing. Raises ``DependencyFailed``.
    """
    with database.transaction() as session:
        moment = database.time(session)
        row = session.get(TrustedTimeRow, 1, with_for_update=True)
        if row is None:
            last = min(_newest_link(session, moment), moment)
            row = TrustedTimeRow(id=1, believed=last, seen=last, doubted=None)
            session.add(row)
        before, row.doubted = row.doubted, _doubted(row, moment)
        row.seen = moment
        if row.doubted is None:
            row.believed = moment
        believed, jumped = row.believed, row.doubted is not None and before is None
    if jumped:
        log.warning("clock_jumped", believed=str(believed), clock=str(moment))
    return min(believed, moment)


def doubted_since(session: Session) -> datetime | None:
    """What the clock said when it jumped, while that is doubted; None: it is believed."""
    return session.scalar(select(TrustedTimeRow.doubted))


def _doubted(row: TrustedTimeRow, moment: datetime) -> datetime | None:
    """What the clock said when it jumped; None: ``moment`` is believed."""
    if moment - row.believed <= STEP:
        return None
    went_on = row.doubted is not None and row.doubted <= moment <= row.seen + LONGEST_BREAK
    if row.doubted is None or not went_on:
        return moment
    return None if moment - row.doubted >= BELIEVED_AFTER else row.doubted


def _newest_link(session: Session, moment: datetime) -> datetime:
    """When the newest link was written, which is the last sighting before there was this table."""
    query = select(AuditRow.event).join(AuditHeadRow, AuditHeadRow.number == AuditRow.number)
    event = session.scalar(query)
    at = event.get("at") if event is not None else None
    return moment if at is None else datetime.fromisoformat(at).replace(tzinfo=None)
