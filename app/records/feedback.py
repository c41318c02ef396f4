"""What askers say of their answers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import insert_or, iso, now
from app.errors import NotFound
from app.records.tables import FeedbackRow, RecordRow

NEWEST = 500
"""How many are looked through for those within a scope."""


@dataclass(frozen=True)
class GivenView:
    """What an asker said of an answer, for operators; who asked is left out."""

    answer_id: str
    question: str
    useful: bool
    reason: str
    given_at: str


def give(session: Session, principal: str, answer_id: str, useful: bool, reason: str) -> None:
    """Keep the asker's word on their own answer, in place of an earlier one; ``NotFound``."""
    record = session.get(RecordRow, answer_id)
    if record is None or record.principal != principal:
        raise NotFound("There is no such answer.")
    said = {"useful": useful, "reason": reason, "given_at": now()}
    row = insert_or(session, FeedbackRow).values(answer_id=answer_id, **said)
    session.execute(row.on_conflict_do_update(index_elements=["answer_id"], set_=said))


def given(
    session: Session, may_read_all: Callable[[Iterable[str]], bool], limit: int
) -> Iterator[GivenView]:
    """The newest words on answers from collections that the caller ``may_read_all`` of."""
    query = select(FeedbackRow, RecordRow.question, RecordRow.searched)
    query = query.join(RecordRow, RecordRow.answer_id == FeedbackRow.answer_id)
    rows = session.execute(query.order_by(FeedbackRow.given_at.desc()).limit(NEWEST))
    seen = 0
    for row, question, searched in rows:
        if seen < limit and may_read_all(searched["collections"]):
            seen += 1
            yield GivenView(
                row.answer_id, question, row.useful, row.reason, iso(row.given_at) or ""
            )
