"""What the risk score looks at: one draft and its evidence as figures."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from guardrails.contract import Draft, Passage
from guardrails.words import WORD, content_words, covered

RAISES, LOWERS = 1, -1

DIRECTIONS: dict[str, int] = {
    # Of the generator that points, in its own raw units.
    "margin": LOWERS,
    "span_lead": LOWERS,
    "span_entropy": RAISES,
    "lead": LOWERS,
    "agreement": LOWERS,
    "answers": LOWERS,
    "relevance": LOWERS,
    # Of the generator that writes.
    "mean_logprob": LOWERS,
    "min_logprob": LOWERS,
    "entropy": RAISES,
    "copied": LOWERS,
    "abstain_margin": LOWERS,
    # Of a check by a model: the probability that the source supports the answer.
    "support": LOWERS,
    # Of the search.
    "similarity": LOWERS,
    "similarity_margin": LOWERS,
    "rank": RAISES,
    # Of the words.
    "answer_words": RAISES,
    "sentence_overlap": LOWERS,
    "passage_overlap": LOWERS,
    "names_met": LOWERS,
    "near_overlap": LOWERS,
    "echo": RAISES,
    "kind_fits": LOWERS,
}
"""Every figure the risk may use, and whether more of it raises or lowers the risk."""

CORE_FROM, CORE_TO = "core_from", "core_to"
"""Features of a draft: its sentences from the one on and before the other answer, and those around
them are shown with them. Only the former are weighed: a longer quote makes nothing surer."""
NEAR = 120
"""Characters around the short answer in which the words of the question are looked for."""

_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|dozen|hundred|thousand|million|"
    r"billion|half|once|twice|first|second|third|no)\b",
    re.I,
)
_TIME = re.compile(
    r"\d|\b(?:january|february|march|april|may|june|july|august|september|october|november|"
    r"december|(?:mon|tues|wednes|thurs|fri|satur|sun)day|century|today|spring|summer|autumn|"
    r"winter|morning|noon|night|after|before|during)\b",
    re.I,
)
_NAME = re.compile(r"\b[A-Z]\w")
_NAMED = re.compile(r"(?<=[^.?!]\s)[A-Z]\w+|\w*\d\w*")
"""Names and numbers of a question; the word it begins with is no name."""
_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|old|long|far|tall|high|fast|often|large|big)\b|"
    r"\bwhat (?:\w+ )?(?:percent\w*|number|amount|age|fee|price|cost)\b",
    re.I,
)
_ASKS_TIME = re.compile(
    r"\bwhen\b|\b(?:what|which|in what) (?:year|date|day|month|century|time)\b", re.I
)
_ASKS_NAME = re.compile(r"\b(?:who|whom|whose)\b", re.I)
_KINDS = ((_ASKS_NUMBER, _NUMBER), (_ASKS_TIME, _TIME), (_ASKS_NAME, _NAME))


def risk_features(
    question: str,
    draft: Draft,
    evidence: Sequence[Passage],
    similarities: Sequence[float | None] = (),
) -> dict[str, float]:
    """The figures of ``DIRECTIONS`` that are known for this draft; others are left out.

    ``similarities`` are the cosines of the evidence, None where only words matched. A figure that
    is not finite is left out too: the risk counts what is missing as the worst case.
    """
    found = {name: value for name, value in draft.features.items() if name in DIRECTIONS}
    if "margin" in found and (len(evidence) == 1 or found.get("agreement") == 1):
        # Nobody says anything else: the rival is "no answer", whose margin is 0.
        found.setdefault("lead", found["margin"])
    found |= _search_features(draft, evidence, similarities)
    found |= _word_features(question, _core(draft), evidence)
    return {name: float(value) for name, value in found.items() if is_finite(value)}


def _core(draft: Draft) -> Draft:
    """The draft without what is only shown around its answer."""
    first, last = (draft.features.get(name) for name in (CORE_FROM, CORE_TO))
    if first is None or last is None:
        return draft
    sentences = draft.sentences[int(first) : int(last)]
    cited = {number for sentence in sentences for number in sentence.citations}
    citations = tuple(one for n, one in enumerate(draft.citations, 1) if n in cited)
    return replace(draft, sentences=sentences, citations=citations)


def is_finite(value: object) -> bool:
    """Whether a value is a number with which one can reckon."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _search_features(
    draft: Draft, evidence: Sequence[Passage], similarities: Sequence[float | None]
) -> dict[str, float]:
    cited = {citation.passage_id for citation in draft.citations}
    places = [place for place, passage in enumerate(evidence) if passage.id in cited]
    if not places:
        return {}
    found = {"rank": float(min(places))}
    known = sorted((s for s in similarities if s is not None), reverse=True)
    near = [s for place, s in enumerate(similarities) if place in places and s is not None]
    if near:
        found["similarity"] = max(near)
    if len(known) > 1:
        found["similarity_margin"] = known[0] - known[1]
    return found


def _word_features(question: str, draft: Draft, evidence: Sequence[Passage]) -> Mapping[str, float]:
    asked = content_words(question)
    said = " ".join(sentence.text for sentence in draft.sentences)
    short = draft.short or said
    cited = {citation.passage_id for citation in draft.citations}
    sources = content_words(" ".join(f"{p.place} {p.text}" for p in evidence if p.id in cited))
    names = content_words(" ".join(_NAMED.findall(question)))
    answer = content_words(short)
    return {
        "answer_words": float(len(WORD.findall(short))),
        "sentence_overlap": covered(asked, content_words(said)),
        "passage_overlap": covered(asked, sources),
        "names_met": covered(names, sources) if names else 1.0,
        "near_overlap": covered(asked, content_words(_around(draft, evidence))),
        "echo": covered(answer, asked),
        "kind_fits": _kind_fits(question, short),
    }


def _around(draft: Draft, evidence: Sequence[Passage]) -> str:
    """The text around the short answer; of a draft without one, the quotes themselves."""
    texts = {passage.id: passage.text for passage in evidence}
    pieces = []
    for citation in draft.citations:
        text = texts.get(citation.passage_id, "")
        start = text.find(draft.short, citation.start) if draft.short else citation.start
        start = max(start, citation.start)
        end = start + len(draft.short) if draft.short else citation.end
        pieces.append(text[max(0, start - NEAR) : end + NEAR])
    return " ".join(pieces)


def _kind_fits(question: str, answer: str) -> float:
    """1 when the answer holds what the question word asks for, 0 when not, a half for others."""
    for asks, wanted in _KINDS:
        if asks.search(question):
            return float(wanted.search(answer) is not None)
    return 0.5
