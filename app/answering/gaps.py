"""Gaps: questions that got no answer lately, those that ask the same together."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.corpus.tables import DELETED, DocumentRow
from app.db import Database, database_time, iso
from app.deadline import Deadline
from app.errors import NotFound
from app.ports import DraftRequest, Vectors
from app.records.recording import searched_for
from app.records.tables import RecordRow, SettlementRow
from app.records.views import SMALL_TALK
from app.retrieval.retriever import Retriever
from app.review.quotes import Quotes, QuotesView
from guardrails.personal_data.find import without_accidents

SAME = 0.75
"""Least cosine similarity of two questions that ask the same."""
ANSWERED = 0.9
"""Of a question that was answered later, so that the gap is closed."""
LOOKED_AT = 400
"""Questions without an answer, and as many with one, that are looked at: the newest ones."""
WORDINGS = 5


@dataclass(frozen=True)
class WrittenView:
    """A document that has a gap's question as its title."""

    document_id: str
    title: str
    changed_at: str


@dataclass(frozen=True)
class Gap:
    """Questions that ask the same and got no answer; ``question`` is the first of them.

    ``abstained``: nothing was found; ``refused``: a reviewer rejected the draft; ``expired``:
    nobody decided. ``written``: what somebody wrote for it since it was asked last.
    """

    gap_id: str
    question: str
    wordings: list[str]
    asked: int
    askers: int
    abstained: int
    refused: int
    expired: int
    collections: list[str]
    first_at: str
    last_at: str
    written: list[WrittenView]


@dataclass(frozen=True)
class GapsView:
    """What is asked most first. ``complete`` is False where only the newest were looked at."""

    gaps: list[Gap]
    questions: int
    complete: bool


@dataclass(frozen=True)
class _Asked:
    record: RecordRow
    text: str
    outcome: str


@dataclass(frozen=True)
class _Written:
    id: str
    title: str
    collection: str
    changed_at: datetime


class Gaps:
    """The gap list; ``embed`` gives unit vectors of texts, and no transaction is open meanwhile."""

    def __init__(self, database: Database, embed: Callable[[Sequence[str]], Vectors]) -> None:
        self._database, self._embed = database, embed

    def list(self, reader: Principal, days: int = 30, collection: str | None = None) -> GapsView:
        """Gaps of the last days among questions all of whose collections the reader may see.

        What the reader may not see plays no part in how questions are put together. A gap to which
        a later question with an answer is nearly equal is closed.
        """
        with self._database.reading() as session:
            since = database_time(session) - timedelta(days=days)
            rows = _read(session, _unanswered().where(RecordRow.created_at >= since))
            answered = _read(session, _answered().where(RecordRow.created_at >= since))
        complete = len(rows) < LOOKED_AT
        open_ = [one for one in rows if _may_see(reader, one, collection)]
        closing = [one for one in answered if _may_see(reader, one, collection)]
        vectors = self._vectors([one.text for one in (*open_, *closing)])
        groups = [
            group for group in _grouped(open_, vectors) if not _closed(group, closing, vectors)
        ]
        with self._database.reading() as session:
            written = _written(session, groups)
        found = (_gap(group, written) for group in groups)
        gaps = sorted(found, key=lambda gap: (-gap.asked, gap.first_at, gap.gap_id))
        return GapsView(gaps, sum(gap.asked for gap in gaps), complete)

    def asked(self, reader: Principal, gap_id: str) -> RecordRow:
        """The first question of a gap. Raises ``NotFound`` where the reader may not see it."""
        with self._database.reading() as session:
            found = _read(session, _unanswered().where(RecordRow.answer_id == gap_id))
        for one in found:
            if _may_see(reader, one, None):
                return one.record
        raise NotFound("There is no such question without an answer.")

    def _vectors(self, texts: Sequence[str]) -> dict[str, Vectors]:
        different = sorted(set(texts))
        return dict(zip(different, self._embed(different), strict=True)) if different else {}


class NearestQuotes:
    """What came nearest to an answer of a gap: quotes out of the ``passages`` that a search finds
    now, so that what was added since counts."""

    def __init__(self, gaps: Gaps, retriever: Retriever, quotes: Quotes, passages: int) -> None:
        self._gaps, self._retriever = gaps, retriever
        self._quotes, self._passages = quotes, passages

    def of(self, reader: Principal, gap_id: str, deadline: Deadline) -> QuotesView:
        """The best first, from the collections that the question was asked of, all of which the
        reader may read. Raises ``NotFound``, ``NotReady``, ``DeadlineExceeded`` and what embedding
        does."""
        record = self._gaps.asked(reader, gap_id)
        question, collections = searched_for(record), record.searched["collections"]
        found = self._retriever.retrieve(question, collections, self._passages, deadline)
        evidence = tuple(hit.passage for hit in found.hits)
        return self._quotes.among(reader, DraftRequest(question, evidence, deadline))


def _unanswered() -> Select[RecordRow, str]:
    nothing = and_(RecordRow.outcome == "abstained", SettlementRow.state.is_(None))
    return _settled().where(or_(nothing, SettlementRow.state.in_(("refused", "expired"))))


def _answered() -> Select[RecordRow, str]:
    at_once = and_(RecordRow.outcome == "released", SettlementRow.state.is_(None))
    return _settled().where(or_(at_once, SettlementRow.state.in_(("released", "corrected"))))


def _settled() -> Select[RecordRow, str]:
    return (
        select(RecordRow, SettlementRow.state)
        .outerjoin(SettlementRow, SettlementRow.answer_id == RecordRow.answer_id)
        .order_by(RecordRow.created_at.desc(), RecordRow.answer_id)
        .limit(LOOKED_AT)
    )


def _read(session: Session, query: Select[RecordRow, str]) -> list[_Asked]:
    """Oldest first; a question that was asked back is none, nor is small talk, nor what was
    erased."""
    rows = [(row[0], row[1]) for row in session.execute(query)]
    return [
        _Asked(record, " ".join(searched_for(record).split()).casefold(), state or record.outcome)
        for record, state in reversed(rows)
        if record.question.strip()
        and not record.searched.get("choices")
        and record.searched.get("reason") != SMALL_TALK
    ]


def _may_see(reader: Principal, one: _Asked, collection: str | None) -> bool:
    names = one.record.searched["collections"]
    wanted = collection is None or collection in names
    return wanted and reader.may_read_all(names)


def _grouped(asked: Sequence[_Asked], vectors: dict[str, Vectors]) -> list[list[_Asked]]:
    """Each question joins the first group whose first question is near enough, else begins one."""
    groups: list[list[_Asked]] = []
    for one in asked:
        near = [float(vectors[one.text] @ vectors[group[0].text]) for group in groups]
        best = max(range(len(groups)), key=lambda place: (near[place], -place), default=None)
        if best is not None and near[best] >= SAME:
            groups[best].append(one)
        else:
            groups.append([one])
    return groups


def _closed(
    group: Sequence[_Asked], answered: Sequence[_Asked], vectors: dict[str, Vectors]
) -> bool:
    last, first = group[-1].record.created_at, vectors[group[0].text]
    later = (one for one in answered if one.record.created_at > last)
    return any(float(vectors[one.text] @ first) >= ANSWERED for one in later)


def _wordings(group: Sequence[_Asked]) -> list[str]:
    """The different wordings, the first one first."""
    asked = (" ".join(without_accidents(searched_for(one.record)).split()) for one in group)
    return list(dict.fromkeys(asked))


def _written(session: Session, groups: Sequence[Sequence[_Asked]]) -> list[_Written]:
    """The documents that have one of the questions as their title."""
    titles = {wording for group in groups for wording in _wordings(group)}
    columns = DocumentRow.id, DocumentRow.title, DocumentRow.collection, DocumentRow.updated_at
    wanted = DocumentRow.title.in_(titles), DocumentRow.state != DELETED
    query = select(*columns).where(*wanted).order_by(DocumentRow.updated_at.desc(), DocumentRow.id)
    return [_Written(*row) for row in session.execute(query)] if titles else []


def _gap(group: Sequence[_Asked], written: Sequence[_Written]) -> Gap:
    became = Counter(one.outcome for one in group)
    first, last_at = group[0].record, group[-1].record.created_at
    wordings = _wordings(group)
    collections = sorted({n for one in group for n in one.record.searched["collections"]})
    since = (
        one
        for one in written
        if one.changed_at > last_at and one.title in wordings and one.collection in collections
    )
    return Gap(
        gap_id=first.answer_id,
        question=wordings[0],
        wordings=wordings[1 : WORDINGS + 1],
        asked=len(group),
        askers=len({one.record.principal for one in group}),
        abstained=became["abstained"],
        refused=became["refused"],
        expired=became["expired"],
        collections=collections,
        first_at=iso(first.created_at) or "",
        last_at=iso(last_at) or "",
        written=[WrittenView(one.id, one.title, iso(one.changed_at) or "") for one in since],
    )
