"""Where a question's asker may read on meanwhile: the sections that were found for it.

Nothing is drafted, quoted or marked: they are documents that the asker may search and read anyway.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.corpus.passages import find_passages
from app.db import Database
from app.errors import NotFound
from app.records.recording import recorded_findings
from app.records.release import shown_status
from app.records.tables import RecordRow
from app.review.sources import standing
from guardrails.contract import URGENCIES, Finding, Outcome, Passage

MOST = 3
"""Sections told of one question."""


@dataclass(frozen=True)
class SectionView:
    """A section of a document; ``passage_id`` is the passage of it that came first."""

    passage_id: str
    document_id: str
    title: str
    collection: str
    page: int | None
    last_page: int | None
    headings: list[str]


@dataclass(frozen=True)
class SectionsView:
    """The closest to the question first."""

    sections: list[SectionView]


class Sections:
    """Finds them in what was recorded; none unless they are ``shown`` at all."""

    def __init__(self, database: Database, *, shown: bool) -> None:
        self._database, self._shown = database, shown

    def of(self, asker: Principal, answer_id: str) -> SectionsView:
        """At most ``MOST`` sections for one of the asker's own questions whose answer waits, or
        that has none; none where it is urgent, or not known to be no attack. Raises ``NotFound``.
        """
        with self._database.reading() as session:
            record = session.get(RecordRow, answer_id)
            if record is None or record.principal != asker.name:
                raise NotFound("There is no such answer.")
            if not self._shown or not _may_be_told(session, record):
                return SectionsView([])
            return SectionsView(sections_of(_readable(session, record, asker)))


def _may_be_told(session: Session, record: RecordRow) -> bool:
    urgent = record.verdict.get("urgency") == URGENCIES[0]
    if urgent or shown_status(session, record) not in ("held", "abstained"):
        return False
    return not any(map(_says_attack, recorded_findings(record)))


def _says_attack(finding: Finding) -> bool:
    """Whether it says that the question is an attack, or could not say that it is none."""
    if finding.check == "screens" and finding.outcome is Outcome.FAIL:
        return finding.label.startswith("injection")
    return finding.check in ("screens", "injection_question") and finding.outcome != Outcome.PASS


def _readable(session: Session, record: RecordRow, asker: Principal) -> list[Passage]:
    """The evidence that stands, that the asker may read, and that gives no orders, in its order."""
    ids = [passage["id"] for passage in record.evidence]
    found = {one.id: one for one, _ in find_passages(session, standing(session, ids))}
    passages = (found[one] for one in ids if one in found)
    return [one for one in passages if one.suspect is None and asker.may_read(one.collection)]


def sections_of(passages: list[Passage]) -> list[SectionView]:
    """Each section once, or without headings each page, in the place of its first passage."""
    firsts: dict[object, Passage] = {}
    for one in passages:
        firsts.setdefault((one.document_id, one.headings or one.page), one)
    return [_view(one) for one in list(firsts.values())[:MOST]]


def _view(passage: Passage) -> SectionView:
    return SectionView(
        passage.id,
        passage.document_id,
        passage.title,
        passage.collection,
        passage.page,
        passage.last_page,
        list(passage.headings),
    )
