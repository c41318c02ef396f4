"""Do the passages that an answer cites still stand, and what became of those that do not?"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from app.corpus.tables import BATCH, DELETED, DocumentRow, PassageRow
from app.review.views import SourceChange
from guardrails.words import content_words, dice

MOST_READ = 500
"""Passages of a changed document among which the one that took a passage's place is looked for."""


def cited_ids(answer: Mapping[str, Any] | None) -> set[str]:
    """The passages that an answer object cites."""
    return set() if answer is None else {one["passage_id"] for one in answer["citations"]}


def standing(session: Session, ids: Iterable[str]) -> set[str]:
    """Those passages that belong to the current revision of a document that was not deleted."""
    wanted, found = sorted(set(ids)), set[str]()
    for first in range(0, len(wanted), BATCH):
        query = (
            select(PassageRow.id)
            .join(
                DocumentRow,
                and_(
                    DocumentRow.id == PassageRow.document_id,
                    DocumentRow.revision == PassageRow.revision,
                    DocumentRow.state != DELETED,
                ),
            )
            .where(PassageRow.id.in_(wanted[first : first + BATCH]))
        )
        found.update(session.scalars(query))
    return found


def stale(session: Session, answers: Mapping[str, Mapping[str, Any] | None]) -> set[str]:
    """The keys of those answers that cite a passage that changed or is gone."""
    cited = {key: cited_ids(answer) for key, answer in answers.items()}
    found = standing(session, set().union(*cited.values())) if cited else set()
    return {key for key, ids in cited.items() if not ids <= found}


def changed_sources(
    session: Session, answer: Mapping[str, Any] | None, evidence: Sequence[Mapping[str, Any]]
) -> list[SourceChange]:
    """What became of the cited passages that stand no more, in the order of their numbers.

    Of a document that was replaced it gives both texts, of a deleted one none.
    """
    seen = {passage["id"]: passage for passage in evidence}
    cited = dict.fromkeys(one["passage_id"] for one in (answer or {"citations": ()})["citations"])
    stands = standing(session, cited)
    return [_change(session, seen[key]) for key in cited if key in seen and key not in stands]


def _change(session: Session, passage: Mapping[str, Any]) -> SourceChange:
    document = session.get(DocumentRow, passage["document_id"])
    if document is None or document.state == DELETED:
        return SourceChange(passage["id"], passage["title"], removed=True, before="", now="")
    query = select(PassageRow.text).where(
        PassageRow.document_id == document.id, PassageRow.revision == document.revision
    )
    texts = list(session.scalars(query.order_by(PassageRow.ordinal).limit(MOST_READ)))
    before = content_words(passage["text"])
    now = max(texts, key=lambda text: dice(before, content_words(text)), default="")
    return SourceChange(passage["id"], passage["title"], False, passage["text"], now)
