"""Which of the sentences beside each other a quantity, a date or a "not" of the question means.

"Up to 20 km you get everything back. From 21 to 100 km we keep 10 %": sentences of one paragraph,
or clauses of one sentence, that name limits are told apart as rows of a table are.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, pairwise

from app.inference.evidence_selection import stems
from app.inference.ranges import (
    AGE,
    LEAST_ROWS,
    Quantity,
    beyond,
    has_unit,
    holds,
    in_years,
    limits_in,
    names_date,
    quantities,
    row_of,
    row_of_date,
)
from app.inference.tables import MOST_MISSED, Offsets
from app.inference.writing.grounding import quotable_bounds

RULED_OUT = 2 * MOST_MISSED
MOST_CLAUSES = 24
"""Of one paragraph."""
_CELLS = re.compile(r"[|\t]")
_BETWEEN = re.compile(r"[;,:]\s+(?:(?:and|but|or|while)\s+)?|\s+(?:and|but|while)\s+")
"""What may stand between two clauses."""
_BEGINS = (
    r"\W*(?:(?:(?:if|when|where) (?:it|they|this|that) (?:is|are|comes?|takes?|lasts?)"
    r"|anything|those|what is|for|if) )?"
)
_THAN = r"\b(?! than(?! that| this))"
_MORE = re.compile(
    rf"{_BEGINS}(?:(?:heavier|larger|longer|bigger|older|taller|wider|later|further|higher|more)"
    rf"{_THAN}|(?:above|beyond|after|over|past) (?:that|this|then)\b|(?:after|upward)wards?\b"
    r"|thereafter\b)",
    re.IGNORECASE,
)
_LESS = re.compile(
    rf"{_BEGINS}(?:(?:lighter|smaller|shorter|younger|earlier|lower|fewer|less){_THAN}"
    r"|(?:below|under|before) (?:that|this|then)\b)",
    re.IGNORECASE,
)
"""How a clause begins that goes on beyond, or below, the limit that was named before it."""
_NOT = re.compile(
    r"\b(?:(?:[Nn]ot|n['\u2019]?t|never been) (?:yet )?an? |[Nn]on[ -]"
    r"|(?:am|['\u2019]m|are|['\u2019]re) not (?:yet )?)([a-z]{4,})"
)
"""What somebody is not: "not a student", "non-members", "we are not pensioners"."""
_LEANS = re.compile(
    r"\W*(?:(?:if|when|where|for|with) )?(?:it|they|this|these|those|he|she)\b", re.IGNORECASE
)
_AGED = re.compile(r"\b(?:age[ds]?|old|years of age|child|children|adults?)\b", re.IGNORECASE)
_AHEAD = re.compile(r"\b(?:before|ahead|in advance|beforehand|prior)\b", re.IGNORECASE)
_UNTIL = re.compile(r"^\s*(?:up to|until|at most|no later than)", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
NEAR = 16
"""Characters after a limit in which "before" belongs to it."""
_PAYS = re.compile(r"[£€$] ?\d|\bfree\b|\bhalf\b|\bnothing\b|\d ?%")
WHOM = 3
"""Words at the beginning of a clause that say whom it is about."""


@dataclass(frozen=True)
class _Clause:
    """A part of a sentence with the limit that it names, "" for none."""

    span: Offsets
    text: str
    limit: str


@dataclass(frozen=True)
class Told:
    """Clauses of one paragraph: the one that is meant, if it is one, and those that are not."""

    paragraph: Offsets
    meant: Offsets | None
    others: tuple[Offsets, ...]


def beside_limits(question: str, text: str) -> list[tuple[Offsets, int]]:
    """The clauses beside those that the question means, and how many words each counts as lacking:
    what a number rules out is no answer, whatever words it has."""
    return [(one, RULED_OUT) for told in told_clauses(question, text) for one in told.others]


def told_clauses(question: str, text: str) -> Iterator[Told]:
    """Each paragraph of ``text`` whose clauses the question tells apart by a quantity, by a date,
    or by what it says that the asker is not."""
    amounts, dated = quantities(question), names_date(question)
    negated = frozenset[str]().union(*map(stems, _NOT.findall(question)))
    if not (
        (amounts and limits_in(text)) or (dated and names_date(text)) or _speaks_of(negated, text)
    ):  # the usual case: no sentence is looked for
        return
    for clauses in _paragraphs(text):
        row = _row(question, amounts, clauses)
        # In a story a date tells when something was, and limits nothing.
        if row is not None and (
            _leads(clauses[row]) or (amounts and _holds_most(question, clauses, row))
        ):
            limited = [one for n, one in enumerate(clauses) if n != row and _is_limited(one)]
            yield Told(_around(clauses), clauses[row].span, tuple(one.span for one in limited))
        elif negated and not amounts and (others := _about(negated, clauses)):
            yield Told(_around(clauses), None, others)
        elif told := _by_age(amounts, clauses):
            yield told


def _speaks_of(negated: Collection[str], text: str) -> bool:
    return bool(negated) and any(word in text.casefold() for word in negated)


def _row(question: str, amounts: Sequence[Quantity], clauses: Sequence[_Clause]) -> int | None:
    """The clause that a quantity falls into, or a date."""
    ages = [one for one in amounts if one.unit == AGE]
    others = [one for one in amounts if one.unit != AGE]
    row = row_of(others, [one.limit for one in clauses], "") if others else None
    row = row_of(ages, list(map(_of_age, clauses)), "") if row is None and ages else row
    return row_of_date(question, [one.text for one in clauses]) if row is None else row


def _by_age(amounts: Sequence[Quantity], clauses: Sequence[_Clause]) -> Told | None:
    """What one of the asker's age pays, where one clause says so, and the clauses that say what
    others pay; None where no age is named, or no clause names one."""
    age = next((one for one in amounts if one.unit == AGE), None)
    if age is None:
        return None
    priced = [one for one in clauses if one.limit and _PAYS.search(one.text)]
    held = {one.span: holds(age, _of_age(one)) for one in priced}
    own = [span for span, within in held.items() if within]
    others = tuple(span for span, within in held.items() if within is False)
    meant = own[0] if len(own) == 1 else None
    return Told(_around(clauses), meant, others) if own or others else None


def _of_age(clause: _Clause) -> str:
    """Its limit as one of age: of years only where the clause speaks of age, else they may last."""
    unit = has_unit(clause.limit)
    if not unit and clause.limit:
        return in_years(clause.limit)
    return clause.limit if unit in ("year", "yr") and _AGED.search(clause.text) else ""


def _is_limited(clause: _Clause) -> bool:
    return bool(clause.limit) or names_date(clause.text)


def _leads(clause: _Clause) -> bool:
    """Whether the clause begins with its limit or its date, or leans on the one before: "From 5 to
    9 years it is two", "If it is later, …"."""
    start = _beginning(clause.text)
    if any(one.match(start) for one in (_LEANS, _MORE, _LESS)):
        return True
    named = clause.limit.split()[0] in start or _DIGIT.search(start) if clause.limit else None
    return bool(named) or names_date(start)


def _holds_most(question: str, clauses: Sequence[_Clause], row: int) -> bool:
    """Whether no other clause with a limit holds more words of the question: then it is meant by
    these, and what looks like a limit is what it tells ("to Norway it takes 5 to 8 days")."""
    asked = stems(question)
    held = [len(asked & stems(one.text)) if one.limit else 0 for one in clauses]
    return held[row] >= max(held)


def _about(negated: Collection[str], clauses: Sequence[_Clause]) -> tuple[Offsets, ...]:
    """The clauses about those whom the asker does not belong to, with those that name a limit,
    where one is about nobody in particular; () else."""
    own = {n for n, one in enumerate(clauses) if stems(_beginning(one.text)) & set(negated)}
    if not own or any(_NOT.search(clauses[n].text) for n in own):
        return ()
    others = {n for n, one in enumerate(clauses) if one.limit} | own
    return tuple(clauses[n].span for n in others) if len(others) < len(clauses) else ()


def _beginning(text: str) -> str:
    return " ".join(text.split()[:WHOM])


def _around(clauses: Sequence[_Clause]) -> Offsets:
    return clauses[0].span[0], clauses[-1].span[1]


@lru_cache(maxsize=256)
def _paragraphs(text: str) -> tuple[Sequence[_Clause], ...]:
    """The clauses of each paragraph that has several. Kept, as each passage that is read is looked
    at several times."""
    spans = [one for one in quotable_bounds(text) if not _CELLS.search(text[slice(*one)])]
    found = []
    for _, group in groupby(spans, key=lambda span: text.count("\n\n", 0, span[0])):
        clauses = [one for span in group for one in _clauses(text, span)]
        if LEAST_ROWS <= len(clauses) <= MOST_CLAUSES:
            found.append(_continued(clauses))
    return tuple(found)


def _clauses(text: str, span: Offsets) -> Iterator[_Clause]:
    """The sentence, or where it names several limits the parts that name one each."""
    said = text[slice(*span)]
    found = limits_in(said)
    cuts = [0]
    for (_, before), (begins, _) in pairwise(found):
        gaps = list(_BETWEEN.finditer(said, before, begins))
        cuts += [gaps[-1].end()] if gaps else []
    for begins, ends in pairwise([*cuts, len(said)]):
        at = next(((a, b) for a, b in found if begins <= a < ends), None)
        limit = said[slice(*at)] if at else ""
        if at and _AHEAD.search(said, at[0], min(ends, at[1] + NEAR)):
            limit = _UNTIL.sub("at least", limit)  # who does it sooner does it in time
        yield _Clause((span[0] + begins, span[0] + ends), said[begins:ends], limit)


def _continued(clauses: Sequence[_Clause]) -> Sequence[_Clause]:
    """The clauses, with the unit of the limit before where one names none, and with a limit where
    one only goes on beyond that."""
    last, ahead, whole = "", False, []
    for one in clauses:
        limit = one.limit
        if not limit and last and (_MORE.match(one.text) or _LESS.match(one.text)):
            # What is later is less far ahead.
            limit = beyond(last, more=bool(_MORE.match(one.text)) is not ahead)
        elif limit and last and not has_unit(limit) and len(has_unit(last)) > 1:
            limit = f"{limit} {has_unit(last)}"
        if one.limit:
            ahead = bool(_AHEAD.search(one.text))
        last = limit or last
        whole.append(replace(one, limit=limit))
    return whole
