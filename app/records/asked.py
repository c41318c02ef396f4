"""The questions that a collection was asked: what its search is measured with."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.records.tables import RecordRow

NEWEST = 5_000
"""How many answers are looked through for those that searched the collection."""


def asked_of(session: Session, collection: str, most: int) -> list[str]:
    """Up to ``most`` different questions that searched ``collection``, the newest first.

    A follow-up counts in the form that stands alone; questions that were erased are not there.
    """
    query = select(RecordRow.question, RecordRow.searched).where(RecordRow.question != "")
    found: dict[str, None] = {}
    for question, searched in session.execute(
        query.order_by(RecordRow.created_at.desc()).limit(NEWEST)
    ):
        if collection in searched["collections"]:
            found[searched.get("question") or question] = None
        if len(found) == most:
            break
    return [*found]
