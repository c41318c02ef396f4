"""Every correction of a reviewer as a regression case: is its mistake made again?

A case asks a question once more, of the models, policy and index as they are now. Nothing is
recorded. What would go out must not say again what a person has corrected or rejected, nor
something else than what a person wrote or approved; what is held, abstained or blocked is safe.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.access.standing import asker_of
from app.answering.answerer import Answerer
from app.answering.stages import Ask
from app.corpus.corpus import Corpus
from app.db import Database, now
from app.errors import CountersignError
from app.records.recording import searched_for
from app.records.tables import RecordRow, ReleaseRow, SettlementRow
from app.review.tables import DecisionRow, ReviewTaskRow
from guardrails.words import content_words, dice

Outcome = Literal["passed", "regression", "error"]
SAME = 0.8
"""Two answers say the same when they share this much of their words, and all of their figures."""
RELATED = 0.5
"""Of the words that carry meaning, the shorter of two answers to one question shares so many."""
_MARKER = re.compile(r"\s*\[\d{1,3}\]")
_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_UNIT = re.compile(
    r"[£€$%]|\b(?:pounds?|euros?|dollars?|per ?cent)\b"
    r"|\b(?:second|minute|hour|day|week|month|year)(?=s?\b)"
)
_SPELLED = {"pound": "£", "pounds": "£", "euro": "€", "euros": "€", "dollar": "$", "dollars": "$"}
_SPELLED |= {"percent": "%", "per cent": "%"}
_NAME = re.compile(r"(?<=[^.!?:\s] )[^\W\d_a-z]\w+")


@dataclass(frozen=True)
class Correction:
    """A question that a reviewer decided: ``wrong`` is the draft where they found it so, else "";
    ``right`` what they wrote or approved, None where they rejected."""

    answer_id: str
    question: str
    asker: Principal
    collections: tuple[str, ...]
    answer_schema: Mapping[str, Any] | None
    wrong: str
    right: str | None


@dataclass(frozen=True)
class Regressed:
    """What became of one case, in words."""

    answer_id: str
    question: str
    outcome: Outcome
    now: str
    detail: str


def corrections(
    database: Database, since_days: float | None = None, approved: int = 0
) -> list[Correction]:
    """All edits that changed words and all rejections of drafts, oldest decision first; then the
    newest ``approved`` answers that were approved as drafted and are out."""
    query = _decided().where(DecisionRow.kind.in_(("edit", "reject")))
    order = DecisionRow.decided_at, DecisionRow.task_id
    newest = _decided().where(DecisionRow.kind == "approve", ReleaseRow.withdrawn_at.is_(None))
    newest = newest.order_by(*(one.desc() for one in order)).limit(approved)
    if since_days is not None:
        query = query.where(DecisionRow.decided_at >= now() - timedelta(days=since_days))
    with database.reading() as session:
        rows = [*session.execute(query.order_by(*order))]
        rows += reversed([*session.execute(newest)])
        found = [_case(session, row[0], row[1], row[2]) for row in rows]
    return [case for case in found if case is not None]


def _decided() -> Select[DecisionRow, RecordRow, ReleaseRow]:
    erased = select(SettlementRow.answer_id).where(SettlementRow.state == "erased")
    return (
        select(DecisionRow, RecordRow, ReleaseRow)
        .join(ReviewTaskRow, ReviewTaskRow.id == DecisionRow.task_id)
        .join(RecordRow, RecordRow.answer_id == ReviewTaskRow.answer_id)
        .outerjoin(ReleaseRow, ReleaseRow.answer_id == RecordRow.answer_id)
        .where(RecordRow.answer_id.not_in(erased))
    )


def _case(
    session: Session, decision: DecisionRow, record: RecordRow, released: ReleaseRow | None
) -> Correction | None:
    """None where nobody found anything wrong with words, and none were approved."""
    drafted = record.draft["text"] if record.draft else ""
    right = None if decision.kind == "reject" or released is None else released.answer["text"]
    wrong = "" if decision.kind == "approve" else drafted
    if decision.kind == "approve":
        if not right:
            return None
    elif not wrong.strip() or (right is not None and _said(right) == _said(wrong)):
        return None
    names = record.searched["collections"]
    schema = (record.inputs or {}).get("answer_schema")
    asker = asker_of(session, record.principal, names)
    asked = searched_for(record)
    return Correction(record.answer_id, asked, asker, tuple(names), schema, wrong, right)


def replay_corrections(
    cases: list[Correction], answerer: Answerer, corpus: Corpus
) -> Iterator[Regressed]:
    """What becomes of each case now, in order."""
    for case in cases:
        try:
            known = corpus.documents.collections()
            wanted = [n for n in case.collections if n in known and case.asker.may_read(n)]
            trail = answerer.rehearse(case.asker, Ask(case.question, wanted, case.answer_schema))
        except CountersignError as error:
            yield Regressed(case.answer_id, case.question, "error", error.code, error.message)
            continue
        draft = trail.draft_object()
        text = draft["text"] if draft is not None and trail.outcome == "released" else ""
        detail = judged(case, text) if text else ""
        outcome: Outcome = "regression" if detail else "passed"
        yield Regressed(case.answer_id, case.question, outcome, trail.outcome, detail)


def judged(case: Correction, text: str) -> str:
    """What is wrong with a text that would go out now; "" when nothing is."""
    if case.wrong and says_the_same(text, case.wrong):
        return f"It says again what was found wrong: {text}"
    return "" if case.right is None else _against(case.right, case.wrong, case.question, text)


def _against(right: str, wrong: str, question: str, text: str) -> str:
    """What a text says otherwise than the one that a person wrote or approved."""
    asked = content_words(question)
    told, meant = content_words(text), content_words(right)
    if says_the_same(text, right):
        return ""
    strange = _names(text) - set(_said(right)) - set(_said(question))
    if strange and _alike(text, right) >= SAME:
        return f"It names {', '.join(sorted(strange))}: {text}"
    strange = _figures(text) - _figures(right) - _figures(question)
    if strange:
        return f"The correction does not say {', '.join(sorted(strange))}: {text}"
    if len(told & meant) < RELATED * min(len(told), len(meant)):
        return f"It speaks of something else: {text}"
    if _negations(text) != _negations(right) and _alike(text, right) >= RELATED:
        return f"It says the opposite: {text}"
    units, wanted = _units(text), _units(right)
    if units - wanted and wanted - units:
        return f"It counts in something else: {text}"
    if not told - asked and meant - asked:
        return f"It says nothing that the question does not: {text}"
    missing = _figures(right) - _figures(question) - _figures(text)
    if missing and told <= meant:
        return f"It leaves out {', '.join(sorted(missing))}: {text}"
    mistaken, due = _figures(wrong) - _figures(right), _figures(right) - _figures(wrong)
    if due and due <= _figures(text) and not mistaken & _figures(text):
        return ""
    if wrong and _alike(text, wrong) > _alike(text, right):
        return f"It is closer to what was found wrong than to its correction: {text}"
    return ""


def says_the_same(one: str, other: str) -> bool:
    """Whether two texts share nearly all words, and all figures, units, names and negations."""
    exact = _figures(one) == _figures(other) and _negations(one) == _negations(other)
    named = _names(one) <= set(_said(other)) and _names(other) <= set(_said(one))
    return exact and named and _units(one) == _units(other) and _alike(one, other) >= SAME


def _said(text: str) -> list[str]:
    return _WORD.findall(_MARKER.sub(" ", text).casefold())


def _figures(text: str) -> set[str]:
    return {word.rstrip(".,") for word in _said(text) if any(c.isdigit() for c in word)}


def _names(text: str) -> set[str]:
    """Words with a capital that do not begin a sentence."""
    words = _NAME.findall(_MARKER.sub(" ", text))
    return {word.casefold() for word in words}


def _units(text: str) -> set[str]:
    """What figures count: currencies, times, shares."""
    found = _UNIT.findall(_MARKER.sub(" ", text).casefold())
    return {_SPELLED.get(unit, unit) for unit in found}


def _negations(text: str) -> int:
    folded = _MARKER.sub(" ", text).casefold()
    return len(re.findall(r"\b(?:not|no|never|none|cannot|without)\b|n['’]t\b", folded)) % 2


def _alike(one: str, other: str) -> float:
    return dice(set(_said(one)), set(_said(other)))
