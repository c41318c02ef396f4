"""Places that may answer a question, quoted: beside a draft, and where there was no answer.

Nothing is kept of them. Beside a draft they are looked for in the evidence that the task shows, as
long as it waits, and offered where both the reviewer and the asker may read them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.access.standing import asker_of
from app.corpus.passages import find_passages
from app.db import Database, database_time
from app.deadline import Deadline
from app.ports import DraftRequest
from app.records.erasing import no_answer
from app.records.recording import read_as
from app.records.tables import RecordRow
from app.records.views import AnswerBody
from app.review.decisions import newest_proposal
from app.review.sources import standing
from app.review.states import UNDECIDED, state_at
from app.review.tasks import load_task
from guardrails.contract import AnswerObject, Draft, Passage, answer_object

MOST = 3
"""Quotes for one question."""
Quote = Callable[[DraftRequest, AnswerObject, int], list[Draft]]
"""At most so many other places that may answer than those that an answer cites, best first."""
Passages = dict[str, Passage]
"""By id."""


@dataclass(frozen=True)
class QuoteView:
    """One place that may answer."""

    answer: Annotated[
        AnswerBody, Field(description="What stands there word for word, as a draft of it.")
    ]
    headings: Annotated[
        list[str], Field(description="The path of headings it stands under, outermost first.")
    ]


@dataclass(frozen=True)
class QuotesView:
    """The best first; none for a task that waits no more."""

    quotes: list[QuoteView]


class Quotes:
    """Finds them with ``quote``; no transaction is open meanwhile."""

    def __init__(self, database: Database, quote: Quote) -> None:
        self._database, self._quote = database, quote

    def beside_draft(self, reviewer: Principal, task_id: str, deadline: Deadline) -> QuotesView:
        """At most ``MOST`` quotes for a task. Raises ``NotFound`` and ``DeadlineExceeded``."""
        reviewer.require("reviewer")
        with self._database.reading() as session:
            record, seen, evidence = _shown(session, reviewer, task_id)
        request = DraftRequest(read_as(record), tuple(evidence.values()), deadline)
        return self._quotes(request, seen, lambda session: _shown(session, reviewer, task_id)[2])

    def among(self, reader: Principal, request: DraftRequest) -> QuotesView:
        """At most ``MOST`` quotes from the evidence of a request that has no draft, as far as it
        stands and the reader may read it. Raises ``DeadlineExceeded``."""
        ids = [passage.id for passage in request.evidence]
        return self._quotes(request, no_answer(), lambda session: _readable(session, ids, reader))

    def _quotes(
        self, request: DraftRequest, seen: AnswerObject, still: Callable[[Session], Passages]
    ) -> QuotesView:
        """Those whose passages are ``still`` to be shown once they are found."""
        found = self._quote(request, seen, MOST) if request.evidence else []
        if not found:
            return QuotesView([])
        with self._database.reading() as session:  # what was removed meanwhile is not told
            passages = still(session)
        quoted = ((draft, passages.get(draft.citations[0].passage_id)) for draft in found)
        return QuotesView([_view(draft, passage) for draft, passage in quoted if passage])


def _shown(
    session: Session, reviewer: Principal, task_id: str
) -> tuple[RecordRow, AnswerObject, Passages]:
    """What is shown of a task, the answer that is to be approved, and, by id, those of its passages
    that stand and that both reviewer and asker may read; none unless it waits."""
    task, _, record = load_task(session, reviewer, task_id)
    proposal = newest_proposal(session, task)
    seen = (record.draft if proposal is None else proposal.answer) or no_answer()
    if state_at(task, database_time(session)) not in UNDECIDED:
        return record, seen, {}
    asker = asker_of(session, record.principal, record.searched["collections"])
    ids = (passage["id"] for passage in record.evidence)
    return record, seen, _readable(session, ids, reviewer, asker)


def _readable(session: Session, ids: Iterable[str], *readers: Principal) -> Passages:
    """Those passages that stand and that all of the readers may read, in order."""
    wanted = list(dict.fromkeys(ids))
    found = {one.id: one for one, _ in find_passages(session, standing(session, wanted))}
    return {
        one: found[one]
        for one in wanted
        if one in found and all(who.may_read(found[one].collection) for who in readers)
    }


def _view(draft: Draft, passage: Passage) -> QuoteView:
    return QuoteView(AnswerBody.of(answer_object(draft)), list(passage.headings))
