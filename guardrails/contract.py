"""The product's vocabulary: what is judged, and what judgement says.

Everything here is immutable and knows only the standard library. Offsets are character
offsets (Python ``str`` indices), end exclusive.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from enum import StrEnum
from typing import Any, Literal, NotRequired, Protocol, TypedDict

from guardrails.abbreviations import REACH, ends_sentence

PLACE = " > "
"""Stands between a title and its headings."""


@dataclass(frozen=True)
class Passage:
    """A cut of a document, as indexed; ``start``/``end`` are offsets in the document's text.

    ``valid_from`` and ``valid_until`` are the document's first and last valid day (ISO 8601), None
    when it has none. ``suspect`` says why it seemed to give orders when it was ingested.
    ``headings`` is the path of headings it stands under, outermost first; ``last_page`` the page
    its last sentence ends on.
    """

    id: str
    document_id: str
    collection: str
    title: str
    text: str
    start: int
    end: int
    page: int | None = None
    valid_until: str | None = None
    suspect: str | None = None
    headings: tuple[str, ...] = ()
    last_page: int | None = None
    valid_from: str | None = None

    @property
    def place(self) -> str:
        """What the passage is about: the title and the headings, each once."""
        return PLACE.join(dict.fromkeys(name for name in (self.title, *self.headings) if name))


@dataclass(frozen=True)
class Citation:
    """Where a statement comes from: ``quote`` is ``passage.text[start:end]``, verbatim.

    ``number`` is the marker the reader of the answer sees, counted from 1. ``last_page`` is the
    page the quote ends on where that is not ``page``.
    """

    number: int
    passage_id: str
    document_id: str
    title: str
    page: int | None
    quote: str
    start: int
    end: int
    last_page: int | None = None


@dataclass(frozen=True)
class Sentence:
    """One sentence of a draft and the numbers of the citations that support it."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True)
class Draft:
    """A generator's proposal. No sentences means it abstains.

    ``short`` is the shortest form of the answer (an extracted span) where the generator has
    one. ``features`` are raw model figures for the risk score; they are not probabilities and
    never leave the service.
    """

    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    model: str
    short: str | None = None
    features: Mapping[str, float] = field(default_factory=dict)

    @property
    def abstained(self) -> bool:
        """True when the generator found no answer in its evidence."""
        return not self.sentences

    @property
    def text(self) -> str:
        """The sentences with their markers: ``The period is 30 days [1].``"""
        return " ".join(with_markers(sentence) for sentence in self.sentences)


def with_markers(sentence: Sentence) -> str:
    """The sentence with ``[n]`` markers before its closing punctuation."""
    marks = "".join(f" [{number}]" for number in sentence.citations)
    body = sentence.text.rstrip()
    if body and body[-1] in ".!?":
        return f"{body[:-1]}{marks}{body[-1]}"
    return body + marks


class Outcome(StrEnum):
    """What a check says. ``COULD_NOT_RUN`` never counts as a pass."""

    PASS = "pass"
    FAIL = "fail"
    COULD_NOT_RUN = "could_not_run"


@dataclass(frozen=True)
class Finding:
    """One check's result. ``label`` tells apart what the check looks for (a topic's name);
    ``excerpt`` is the offending text, shown to reviewers only."""

    check: str
    outcome: Outcome
    message: str
    label: str = ""
    excerpt: str = ""


class Action(StrEnum):
    """What the policy decides; ordered from mildest to strictest in ``SEVERITY``."""

    RELEASE = "release"
    REVIEW = "review"
    BLOCK = "block"


SEVERITY = {Action.RELEASE: 0, Action.REVIEW: 1, Action.BLOCK: 2}


URGENCIES = ("urgent", "high", "")
"""How soon a person must look at an answer, the most urgent first; "" is the usual."""


@dataclass(frozen=True)
class Verdict:
    """The policy's decision on one draft.

    ``reasons`` are for reviewers; ``message`` is what the asker may read. ``queue``,
    ``urgency`` (one of ``URGENCIES``), ``four_eyes`` and ``deadline_hours`` (None: the setting's)
    say how it is reviewed.
    ``redact`` are kinds of personal data to mask, and ``disclaimers`` texts to show, in
    whatever is released in the end.
    """

    action: Action
    reasons: tuple[str, ...]
    message: str
    policy: str
    policy_sha256: str
    queue: str = ""
    four_eyes: bool = False
    deadline_hours: float | None = None
    redact: tuple[str, ...] = ()
    disclaimers: tuple[str, ...] = ()
    urgency: str = ""


@dataclass(frozen=True)
class Asker:
    """Who asks, as far as a policy may care."""

    name: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """What a check sees: the question, and at the second stage the draft and its evidence.

    ``caller_schema`` is the JSON schema the caller wants the answer object to satisfy.
    ``today`` is the day a recorded answer was judged; None: the check's own clock counts.
    ``risk`` is the probability that the answer is wrong, 0 to 1, where one is known.
    ``scores`` are the screens' probabilities for the question; None: they could not be computed.
    ``gated`` says that a gate weighs the risk after the policy: any of its modes but ``off``.
    """

    question: str
    draft: Draft | None = None
    evidence: tuple[Passage, ...] = ()
    caller_schema: Mapping[str, Any] | None = None
    asker: Asker = Asker()
    risk: float | None = None
    scores: Mapping[str, float] | None = None
    today: date | None = None
    gated: bool = False


@dataclass(frozen=True)
class Topic:
    """A sensitive or forbidden topic: RE2 patterns, looked for in question, answer or both.

    ``risk_class`` names the certificate that answers on it need ("": one of its own), ``loss`` is
    how much a wrong one counts there, above 0 and at most 1.
    """

    name: str
    description: str
    where: str
    patterns: tuple[Any, ...]
    risk_class: str = ""
    loss: float = 1.0

    def excerpt(self, text: str) -> str | None:
        """The first text that any pattern matches, or None."""
        for one in self.patterns:
            match = one.search(text)
            if match:
                return str(match.group(0))
        return None


@dataclass(frozen=True)
class Screen:
    """A question whose ``score`` (a probability) is ``at_least`` this fails with ``label``."""

    label: str
    description: str
    score: str
    at_least: float


Stage = Literal["question", "draft"]


class Check(Protocol):
    """One check. ``run`` returns at least one finding; it may raise, and may be late."""

    @property
    def name(self) -> str:
        """Its name in findings, policies and docs."""

    @property
    def stage(self) -> Stage:
        """Whether it looks at the question alone, or at the draft."""

    @property
    def timeout_s(self) -> float:
        """Seconds after which it counts as could not run."""

    def run(self, case: Case) -> list[Finding]:
        """What it found."""


class SentenceObject(TypedDict):
    """A sentence of an answer, with the numbers of its citations."""

    text: str
    citations: list[int]


class CitationObject(TypedDict):
    """A citation of an answer; ``removed`` and ``redacted`` say why there is no quote."""

    number: int
    passage_id: str
    document_id: str
    title: str
    page: int | None
    quote: str
    start: int
    end: int
    last_page: NotRequired[int]
    removed: NotRequired[bool]
    redacted: NotRequired[bool]


class AnswerObject(TypedDict):
    """The part of an answer that is judged, released and shown, as plain JSON types."""

    text: str
    short: str | None
    sentences: list[SentenceObject]
    citations: list[CitationObject]


def answer_object(draft: Draft) -> AnswerObject:
    """The draft as what is judged, released and shown."""
    return {
        "text": draft.text,
        "short": draft.short,
        "sentences": [
            {"text": sentence.text, "citations": list(sentence.citations)}
            for sentence in draft.sentences
        ],
        "citations": [citation_object(citation) for citation in draft.citations],
    }


def citation_object(citation: Citation) -> CitationObject:
    """The citation as JSON types."""
    stored: CitationObject = {
        "number": citation.number,
        "passage_id": citation.passage_id,
        "document_id": citation.document_id,
        "title": citation.title,
        "page": citation.page,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
    }
    if citation.last_page is not None:
        stored["last_page"] = citation.last_page
    return stored


PASSAGE_FIELDS = tuple(one.name for one in fields(Passage))


def passage_object(passage: Passage) -> dict[str, Any]:
    """A passage of the evidence as the record keeps it: plain JSON types.

    What it lacks of valid days, ``suspect``, ``headings`` and ``last_page`` is left out, as before
    there were such: hashes of old records hold.
    """
    kept = {name: getattr(passage, name) for name in PASSAGE_FIELDS}
    kept["headings"] = list(passage.headings)
    for name in ("valid_from", "valid_until", "suspect", "headings", "last_page"):
        if not kept[name]:
            del kept[name]
    return kept


def canonical_json(value: Any) -> str:
    """A JSON value in one fixed spelling: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_sha256(value: Any) -> str:
    """SHA-256 of a JSON value in its fixed spelling, as UTF-8."""
    return hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()


SENTENCE_END = re.compile(
    r"[.!?\u3002\uff01\uff1f]"
    r"(?:(?<=[\u3002\uff01\uff1f])|(?<![.!?][.!?])[.!?]*+[\"')\]\u2019\u201d\u00bb]*(?=\s))"
)
"""Where a sentence may end; "." asks what stands before and after it. It begins with one of few
characters, so that all others are passed over fast."""
OPENING = re.compile(r"\s+[\"'(\[\u201c\u2018\u201e\u00ab\u00bf\u00a1]*([^\W_]+)?")

ITEM_NUMBER = re.compile(r"^[ \t]*(?:\d{1,3}(?:\.\d{1,3})*|[a-z]|[ivxl]{1,5})\.(?=\s)", re.M)
"""The "1.", "2.1." or "b." of a list belongs to its item; it ends nothing."""


LINE_END = re.compile(r"\n")
STARTS_BLOCK = re.compile(
    r"\s*$|\s*(?:[-*•]|\d+[.)]|\((?:\d{1,2}|[a-z]|[ivx]{1,4})\)|[a-z][.)])\s"
    r"|\s*\d+(?:\.\d+)+\.?\s+[A-Z]"
)
WRAPPED_LINE = 60
"""A shorter line was not wrapped, unless the next goes on in lower case: it is a heading or row."""


def block_ends(text: str) -> list[int]:
    """Where each paragraph, heading, list item and table row of ``text`` ends, in order.

    A line break inside a paragraph that was wrapped at a fixed width ends nothing.
    """
    ends = []
    line_start = 0
    for match in LINE_END.finditer(text):
        line = text[line_start : match.start()]
        following = text[match.end() : match.end() + 200].split("\n", 1)[0]
        short = len(line) < WRAPPED_LINE and not following.lstrip()[:1].islower()
        if short or "|" in line + following or STARTS_BLOCK.match(following):
            ends.append(match.start())
        line_start = match.end()
    return ends


def sentence_bounds(text: str) -> list[tuple[int, int]]:
    """(start, end) of each sentence of ``text``, without surrounding white space.

    No sentence goes beyond its block: headings, list items and table rows stand alone.
    """
    cuts = {match.end() for match in SENTENCE_END.finditer(text) if _ends(text, match)}
    if "\n" in text:
        cuts -= {match.end() for match in ITEM_NUMBER.finditer(text)}
        cuts.update(block_ends(text))
    elif item := ITEM_NUMBER.match(text):
        cuts.discard(item.end())
    edges = [0, *sorted(cuts), len(text)]
    bounds = []
    for left, right in itertools.pairwise(edges):
        piece = text[left:right]
        stripped = piece.strip()
        if stripped:
            start = left + len(piece) - len(piece.lstrip())
            bounds.append((start, start + len(stripped)))
    return bounds


def _ends(text: str, end: re.Match[str]) -> bool:
    """Whether a sentence ends with the signs that ``end`` matched."""
    at, signs = end.start(), end[0]
    if not signs[0].isascii():
        return True
    opening = OPENING.match(text, end.end())
    word = opening[1] if opening else None
    if not word or word[0].islower():
        return False
    if signs[0] != "." or signs.startswith(".."):
        return True
    return ends_sentence(text[max(0, at - REACH) : at], word)
