"""Questions to begin with, out of the documents themselves: released ones, else such of tables and
headings as would be answered now, which is tried in the background."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice, zip_longest

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.answering.answerer import Answerer
from app.answering.reading import live_index, standing_passages
from app.answering.stages import Ask
from app.corpus.tables import READY, DocumentRow, PassageRow
from app.db import Database
from app.deadline import Deadline
from app.errors import CountersignError
from app.inference.tables import named_cells
from app.records.release import cited_passages
from app.records.tables import RecordRow, ReleaseRow
from app.retrieval.live_index import Pointer

MOST = 4
LOOKED_AT = 300
"""Released answers, and passages, that are looked through."""
LONGEST = 90
TRIED = 10
"""Questions from tables and headings that are tried for one scope and index version."""
HOLDS_S, KEPT_SCOPES = 3600.0, 64
"""Seconds after which questions are tried anew, and scopes whose questions are remembered."""
_OWN_AFFAIR = re.compile(r"\d|\b(?:i|i'm|i've|me|my|mine|we|our|us)\b|@", re.IGNORECASE)
"""What may tell of the person who asked: such a question is shown to nobody else."""
_PERSONAL = "personal_data_question"
_MADE = "What do the documents say about"
_MEASURE = re.compile(
    r"((?:price|fee|charge|cost|rate|excess|deposit|limit|amount|rent|warranty|guarantee|discount"
    r"|deadline|notice|allowance|minimum|maximum|capacity|penalty|premium|postage)\b[a-z ]*?)"
    r"(?: ?\(?(?:(?-i:[A-Z]{3})|[£€$%]|kg|g|cm|m|km|days?|hours?)\)?)?",
    re.IGNORECASE,
)
"""A column that is asked for by its name, without its unit."""
_THING = re.compile(r"[^\W\d_][^\W\d_]+(?:[ '’&-]{1,3}[^\W\d_]+){0,4}")
"""A row that has a name in words."""
log = structlog.get_logger()


@dataclass(frozen=True)
class SuggestionsView:
    """Questions that these documents answered before, or would now.

    ``documents``: there is something to search. Without ``complete`` more are being tried: ask
    again in some seconds.
    """

    questions: list[str]
    documents: bool
    complete: bool


@dataclass
class _Trials:
    """The questions that were made of the documents of one index version without those deleted
    since, once somebody wanted some, and which of them would be answered."""

    pointer: Pointer | None
    ends: float
    made: list[str] | None = None
    answered: dict[str, bool] = field(default_factory=dict)


class Suggestions:
    """Suggests questions; those that are made are rehearsed one after the other on a thread of
    its own, while nobody waits for an answer, and only until there are enough."""

    def __init__(
        self, database: Database, answerer: Answerer, busy: Callable[[], bool], seconds: float
    ) -> None:
        """``busy``: somebody waits for an answer; a rehearsal takes at most ``seconds``."""
        self._database, self._answerer, self._busy = database, answerer, busy
        self._seconds = seconds
        self._trials: dict[tuple[str, ...] | None, _Trials] = {}
        self._lock, self._thread = threading.Lock(), ThreadPoolExecutor(1, "suggestions")
        self._trying = self._closed = False
        self._deadline = Deadline(0.0)

    def view(self, principal: Principal) -> SuggestionsView:
        """At most four, each from what the principal may read."""
        with self._database.reading() as session:
            released = _once(_answered(session, principal))[:MOST]
            wanted = MOST - len(released)
            _, pointer = live_index(session)
            trials = self._of(principal.scope, pointer)
            if wanted and trials.made is None:
                trials.made = _once(_made(session, principal))
            made = trials.made or []
            documents = bool(released or _some_document(session, principal))
        new = [one for one in made if one.casefold() not in map(str.casefold, released)]
        # What is made of a heading that is no question is answered least.
        new = sorted(new, key=lambda one: one.startswith(_MADE))[:TRIED] if pointer else []
        found = [one for one in new if trials.answered.get(one)][:wanted]
        open_ = [one for one in new if one not in trials.answered]
        complete = len(found) == wanted or not open_
        if not complete:
            self._begin(principal, trials, open_, wanted - len(found))
        return SuggestionsView([*released, *found], documents, complete)

    def close(self) -> None:
        """End what is being tried."""
        self._closed = True
        self._deadline.cancel()
        self._thread.shutdown(cancel_futures=True)

    def _of(self, scope: tuple[str, ...] | None, pointer: Pointer | None) -> _Trials:
        with self._lock:
            known = self._trials.get(scope)
            if known is None or known.pointer != pointer or known.ends < time.monotonic():
                known = _Trials(pointer, time.monotonic() + HOLDS_S)
                while len(self._trials) >= KEPT_SCOPES:
                    self._trials.pop(next(iter(self._trials)))
                self._trials[scope] = known
            return known

    def _begin(
        self, principal: Principal, trials: _Trials, questions: Sequence[str], wanted: int
    ) -> None:
        with self._lock:
            if self._trying or self._closed:
                return
            self._trying = True
        self._thread.submit(self._try, principal, trials, questions, wanted)

    def _try(
        self, principal: Principal, trials: _Trials, questions: Sequence[str], wanted: int
    ) -> None:
        """Until enough would be answered, or somebody asks something: then it is gone on with when
        suggestions are wanted again."""
        try:
            for question in questions:
                if self._closed or self._busy() or wanted <= 0:
                    return
                trials.answered[question] = self._answers(principal, question)
                wanted -= trials.answered[question]
        except CountersignError as error:
            log.info("suggestion_not_tried", code=error.code)
        finally:
            self._trying = False

    def _answers(self, principal: Principal, question: str) -> bool:
        """Whether the answer would be released at once; raises like ``Answerer.answer``."""
        self._deadline = Deadline(self._seconds)
        trail = self._answerer.rehearse(principal, Ask(question), self._deadline)
        return trail.outcome == "released"


def _once(questions: Iterable[str]) -> list[str]:
    """The questions, each in one spelling of capitals."""
    spelled: dict[str, str] = {}
    for question in questions:
        spelled.setdefault(question.casefold(), question)
    return list(spelled.values())


def _some_document(session: Session, principal: Principal) -> bool:
    query = select(DocumentRow.id).where(DocumentRow.state == READY).limit(1)
    if principal.scope is not None:
        query = query.where(DocumentRow.collection.in_(principal.scope))
    return session.scalar(query) is not None


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


def _made(session: Session, principal: Principal) -> Iterator[str]:
    """Cells and headings of the newest documents as questions, by turns: first one of each
    document, then more."""
    query = (
        select(DocumentRow.id, DocumentRow.title, PassageRow.headings, PassageRow.text)
        .join(PassageRow, PassageRow.document_id == DocumentRow.id)
        .where(DocumentRow.state == READY, PassageRow.revision == DocumentRow.revision)
        .where(PassageRow.suspect.is_(None))
        .order_by(DocumentRow.updated_at.desc(), DocumentRow.id, PassageRow.ordinal)
    )
    if principal.scope is not None:
        query = query.where(DocumentRow.collection.in_(principal.scope))
    cells: dict[str, list[str]] = {}
    headings: dict[str, list[str]] = {}
    for document, title, heads, text in session.execute(query.limit(LOOKED_AT)):
        cells.setdefault(document, []).extend(islice(_of_cells(text), 1))
        headings.setdefault(document, []).extend(filter(None, [as_question(title, heads)]))
    for pair in zip_longest(_by_turns(cells), _by_turns(headings)):
        yield from filter(None, pair)


def _by_turns(found: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The first of each, then the second of each, and so on."""
    for row in zip_longest(*found.values()):
        yield from filter(None, row)


def _of_cells(text: str) -> Iterator[str]:
    """Questions for cells of the tables of ``text`` whose row and column have simple names."""
    for row, column in named_cells(text):
        measure = _MEASURE.fullmatch(column.strip())
        if measure and _THING.fullmatch(row) and len(row) <= LONGEST - 40:
            yield f"What is the {measure[1].strip().lower()} for {row}?"


def as_question(title: str, headings: list[str]) -> str | None:
    """A simple question for the innermost heading, or the title; None where there is none.

    A heading that is a question is taken as it is; a title's site name is left out.
    """
    words = " ".join((headings[-1] if headings else title).split("|")[0].split())
    if not 4 <= len(words) <= LONGEST - 40 or not words[0].isalnum():
        return None
    if words.endswith("?"):
        return words
    return f"{_MADE} “{words.rstrip(' .:')}”?"
