"""Under which ceiling a labelling session drew an answer to be labelled."""

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db import insert_or, now
from app.gate.tables import LabelDrawRow

EVERYTHING = 1.0
"""The ceiling of an answer that no session drew: nothing was left out beside it."""

MANY = 500
"""From so many on, reading all draws is cheaper than naming those that are wanted."""


def note_draw(session: Session, answer_id: str, ceiling: float) -> None:
    """Note the ceiling at which an answer was shown; when it is shown again, the lower one."""
    row = insert_or(session, LabelDrawRow)
    drawn = row.values(answer_id=answer_id, ceiling=ceiling, drawn_at=now())
    session.execute(drawn.on_conflict_do_nothing())  # two sessions may show it at one moment
    higher = LabelDrawRow.answer_id == answer_id, LabelDrawRow.ceiling > ceiling
    session.execute(update(LabelDrawRow).where(*higher).values(ceiling=ceiling))


def ceilings_of(session: Session, answer_ids: Iterable[str]) -> dict[str, float]:
    """The ceilings of those answers that a session drew."""
    wanted = list(answer_ids)
    query = select(LabelDrawRow.answer_id, LabelDrawRow.ceiling)
    if len(wanted) < MANY:
        query = query.where(LabelDrawRow.answer_id.in_(wanted))
    found = {row.answer_id: row.ceiling for row in session.execute(query)}
    return {answer_id: found[answer_id] for answer_id in wanted if answer_id in found}
