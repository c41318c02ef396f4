"""Every correction of a reviewer as a regression case: is its mistake made again?

A case asks a corrected question once more, of the models, policy and index as they are now.
Nothing is recorded. What would go out must not say again what a person has corrected or rejected;
what is held, abstained or blocked is safe.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import select

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

Outcome = Literal["passed", "regression", "error"]
SAME = 0.8
"""Two answers say the same when they share this much of their words, and all of their figures."""
_MARKER = re.compile(r"\s*\[\d{1,3}\]")
_WORD = re.compile(r"\w+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Correction:
    """A question whose draft a reviewer found wrong; ``right`` is what they wrote, if anything."""

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


def corrections(database: Database, since_days: float | None = None) -> list[Correction]:
    """All edits that changed words and all rejections of drafts, oldest decision first."""
    erased = select(SettlementRow.answer_id).where(SettlementRow.state == "erased")
    query = (
        select(DecisionRow, RecordRow, ReleaseRow)
        .join(ReviewTaskRow, ReviewTaskRow.id == DecisionRow.task_id)
        .join(RecordRow, RecordRow.answer_id == ReviewTaskRow.answer_id)
        .outerjoin(ReleaseRow, ReleaseRow.answer_id == RecordRow.answer_id)
        .where(DecisionRow.kind.in_(("edit", "reject")), RecordRow.answer_id.not_in(erased))
        .order_by(DecisionRow.decided_at, DecisionRow.task_id)
    )
    if since_days is not None:
        query = query.where(DecisionRow.decided_at >= now() - timedelta(days=since_days))
    with database.reading() as session:
        found = []
        for decision, record, released in session.execute(query):
            wrong = record.draft["text"] if record.draft else ""
            right = released.answer["text"] if decision.kind == "edit" and released else None
            if not wrong.strip() or (right is not None and _said(right) == _said(wrong)):
                continue
            names = record.searched["collections"]
            schema = (record.inputs or {}).get("answer_schema")
            asker = asker_of(session, record.principal, names)
            asked = searched_for(record)
            case = Correction(record.answer_id, asked, asker, tuple(names), schema, wrong, right)
            found.append(case)
    return found


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
    if says_the_same(text, case.wrong):
        return f"It says again what was found wrong: {text}"
    if case.right is None or says_the_same(text, case.right):
        return ""
    strange = _figures(text) - _figures(case.right) - _figures(case.question)
    if strange:
        return f"The correction does not say {', '.join(sorted(strange))}: {text}"
    if _alike(text, case.wrong) > _alike(text, case.right):
        return f"It is closer to what was found wrong than to its correction: {text}"
    return ""


def says_the_same(one: str, other: str) -> bool:
    """Whether two texts share nearly all words, and all figures and negations."""
    exact = _figures(one) == _figures(other) and _negations(one) == _negations(other)
    return exact and _alike(one, other) >= SAME


def _said(text: str) -> list[str]:
    return _WORD.findall(_MARKER.sub(" ", text).casefold())


def _figures(text: str) -> set[str]:
    return {word.rstrip(".,") for word in _said(text) if any(c.isdigit() for c in word)}


def _negations(text: str) -> int:
    folded = _MARKER.sub(" ", text).casefold()
    return len(re.findall(r"\b(?:not|no|never|none|cannot|without)\b|n['’]t\b", folded)) % 2


def _alike(one: str, other: str) -> float:
    left, right = set(_said(one)), set(_said(other))
    return 2 * len(left & right) / max(len(left) + len(right), 1)
