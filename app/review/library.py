"""Answered before: what reviewers approved or wrote on similar questions, while it still stands.

The library is what people released. An answer belongs to it as long as each passage that it cites
is as it was quoted, and it is offered only to a reviewer, and for an asker, who may read them all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.access.standing import asker_of
from app.corpus.passages import find_passages
from app.db import Database, database_time, iso
from app.ports import Vectors
from app.records.recording import searched_for
from app.records.tables import CitationRow, RecordRow, ReleaseRow
from app.records.views import AnswerBody
from app.review.probes import visible_to
from app.review.scopes import may_read
from app.review.sources import stale
from app.review.tables import ProbeRow, ReviewTaskRow
from app.review.tasks import load_task
from guardrails.personal_data.find import without_accidents

SIMILAR = 0.7
"""Least cosine similarity of two questions."""
LOOKED_AT, SHOWN = 30, 3


@dataclass(frozen=True)
class EarlierAnswer:
    """A released answer to a similar question, as its asker sees it."""

    answer_id: str
    question: str
    answer: AnswerBody
    edited: bool
    released_at: str
    similarity: float


@dataclass(frozen=True)
class EarlierAnswers:
    """The most similar first."""

    answers: list[EarlierAnswer]


class Library:
    """What was answered before; ``embed`` gives unit vectors of texts."""

    def __init__(self, database: Database, embed: Callable[[Sequence[str]], Vectors]) -> None:
        self._database, self._embed = database, embed

    def answered_before(self, reviewer: Principal, task_id: str) -> EarlierAnswers:
        """At most ``SHOWN`` answers for a task. Raises ``NotFound``.

        Looked at are the newest answers that cite a document of the task's evidence: a similar
        question finds the same documents.
        """
        reviewer.require("reviewer")
        with self._database.reading() as session:
            task, probe, record = load_task(session, reviewer, task_id)
            found = _candidates(session, reviewer, task, probe, record)
            asked = searched_for(record)
        if not found:
            return EarlierAnswers([])
        vectors = self._embed([asked, *(searched_for(row) for row, _ in found)])
        near = vectors[1:] @ vectors[0]
        ranked = sorted(range(len(found)), key=lambda place: (-near[place], place))
        similar = [(*found[place], float(near[place])) for place in ranked]
        with self._database.reading() as session:
            asker = asker_of(session, record.principal, record.searched["collections"])
            kept = (
                _view(row, released, nearness)
                for row, released, nearness in similar
                if nearness >= SIMILAR and _stands_for(session, asker, released)
            )
            return EarlierAnswers(list(islice(kept, SHOWN)))


def _candidates(
    session: Session,
    reviewer: Principal,
    task: ReviewTaskRow,
    probe: ProbeRow | None,
    record: RecordRow,
) -> list[tuple[RecordRow, ReleaseRow]]:
    """Neither the task's own answer, nor that of a probe, which would give the probe away."""
    documents = {passage["document_id"] for passage in record.evidence}
    same = [task.id] if probe is None or probe.first_task is None else [task.id, probe.first_task]
    cites = select(CitationRow.answer_id).where(CitationRow.document_id.in_(documents))
    query = (
        select(RecordRow, ReleaseRow)
        .join(ReleaseRow, ReleaseRow.answer_id == RecordRow.answer_id)
        .join(ReviewTaskRow, ReviewTaskRow.answer_id == RecordRow.answer_id)
        .where(
            RecordRow.answer_id.in_(cites),
            ReleaseRow.withdrawn_at.is_(None),
            or_(ReleaseRow.released_by == "reviewer", ReviewTaskRow.state == "decided"),
            ReviewTaskRow.id.not_in(same),
            visible_to(reviewer, database_time(session)),
        )
        .order_by(ReleaseRow.released_at.desc(), ReleaseRow.answer_id)
        .limit(LOOKED_AT)
    )
    rows = [(row[0], row[1]) for row in session.execute(query)]
    gone = stale(session, {row.answer_id: released.answer for row, released in rows})
    return [
        (row, released)
        for row, released in rows
        if row.answer_id not in gone and may_read(reviewer, row.evidence, row.searched)
    ]


def _stands_for(session: Session, asker: Principal, released: ReleaseRow) -> bool:
    """Whether each cited passage holds its quote, and the asker may read it."""
    cited = released.answer["citations"]
    found = {one.id: one for one, _ in find_passages(session, {c["passage_id"] for c in cited})}
    return all(
        one["passage_id"] in found
        and asker.may_read(found[one["passage_id"]].collection)
        and found[one["passage_id"]].text[one["start"] : one["end"]] == one["quote"]
        for one in cited
        if not one.get("redacted")
    )


def _view(record: RecordRow, released: ReleaseRow, similarity: float) -> EarlierAnswer:
    return EarlierAnswer(
        answer_id=record.answer_id,
        question=without_accidents(record.question),
        answer=AnswerBody.of(released.answer),
        edited=released.edited,
        released_at=iso(released.released_at) or "",
        similarity=round(similarity, 3),
    )
