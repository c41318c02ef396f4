"""Questions to begin with, out of the documents themselves: released ones, else headings."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.answering.reading import standing_passages
from app.corpus.tables import READY, DocumentRow, PassageRow
from app.records.release import cited_passages
from app.records.tables import RecordRow, ReleaseRow

MOST = 4
LOOKED_AT = 300
"""Released answers, and passages, that are looked through."""
LONGEST = 90
_OWN_AFFAIR = re.compile(r"\d|\b(?:i|i'm|i've|me|my|mine|we|our|us)\b|@", re.IGNORECASE)
"""What may tell of the person who asked: such a question is shown to nobody else."""
_PERSONAL = "personal_data_question"


@dataclass(frozen=True)
class SuggestionsView:
    """Questions that these documents answered before, or could."""

    questions: list[str]


def suggestions(session: Session, principal: Principal) -> SuggestionsView:
    """At most four, each from what the principal may read."""
    asked: dict[str, str] = {}
    for question in [*_answered(session, principal), *_headings(session, principal)]:
        if len(asked) < MOST:
            asked.setdefault(question.casefold(), question)
    return SuggestionsView(list(asked.values()))


def _answered(session: Session, principal: Principal) -> list[str]:
    """Questions whose answers were released and stand, those asked most often first."""
    query = (
        select(RecordRow)
        .join(ReleaseRow, ReleaseRow.answer_id == RecordRow.answer_id)
        .where(ReleaseRow.withdrawn_at.is_(None))
        .order_by(ReleaseRow.released_at.desc())
        .limit(LOOKED_AT)
    )
    records = [one for one in session.scalars(query) if _may_be_shown(one)]
    cited = {passage for record in records for passage in cited_passages(record)}
    standing = standing_passages(session, cited)
    times: Counter[str] = Counter()
    for record in records:
        places = [standing.get(passage) for passage in cited_passages(record)]
        if places and all(place is not None and principal.may_read(place) for place in places):
            times[" ".join(record.question.split())] += 1
    return [question for question, _ in times.most_common(MOST)]


def _may_be_shown(record: RecordRow) -> bool:
    """A question of its own, short, and about nobody."""
    follows = record.searched.get("previous_answer_id") is not None
    doubted = any(one["check"] == _PERSONAL and one["outcome"] != "pass" for one in record.findings)
    fits = 8 <= len(record.question) <= LONGEST
    return fits and not follows and not doubted and not _OWN_AFFAIR.search(record.question)


def _headings(session: Session, principal: Principal) -> Iterator[str]:
    """Headings of the newest documents as questions: first one of each document, then more."""
    query = (
        select(DocumentRow.id, DocumentRow.collection, DocumentRow.title, PassageRow.headings)
        .join(PassageRow, PassageRow.document_id == DocumentRow.id)
        .where(DocumentRow.state == READY, PassageRow.revision == DocumentRow.revision)
        .where(PassageRow.suspect.is_(None))
        .order_by(DocumentRow.updated_at.desc(), DocumentRow.id, PassageRow.ordinal)
    )
    if principal.scope is not None:
        query = query.where(DocumentRow.collection.in_(principal.scope))
    later, seen = [], set()
    for document, _, title, headings in session.execute(query.limit(LOOKED_AT)):
        question = as_question(title, headings)
        if question is None:
            continue
        if document in seen:
            later.append(question)
        else:
            seen.add(document)
            yield question
    yield from later


def as_question(title: str, headings: list[str]) -> str | None:
    """A simple question for the innermost heading, or the title; None where there is none.

    A heading that is a question is taken as it is; a title's site name is left out.
    """
    words = " ".join((headings[-1] if headings else title).split("|")[0].split())
    if not 4 <= len(words) <= LONGEST - 40 or not words[0].isalnum():
        return None
    if words.endswith("?"):
        return words
    return f"What do the documents say about “{words.rstrip(' .:')}”?"
