"""What a text says beside its matter, so that it answers nothing: which edition it is of, where
something is told, what a figure is called, and the works that it cites.

Rules over words. A reader takes such lines for an answer to whatever they name.
"""

import re
from collections.abc import Iterator

from app.inference.evidence_selection import stems
from app.inference.tables import MOST_MISSED, Offsets
from app.inference.writing.grounding import quotable_bounds
from guardrails.contract import Passage

LONGEST_IMPRINT = 160
"""Characters."""
_IMPRINT = re.compile(
    r"\b(?:edition|version|revision|last (?:changed|updated|reviewed|modified|amended)|valid "
    r"(?:from|until|for|since)|in force|effective|applies to|apply from|next review|issued"
    r"|published)\b",
    re.IGNORECASE,
)
_ASKS_EDITION = re.compile(
    r"\b(?:edition|version|revision|valid|force|effect\w*|updated?|changed?|reviewed|current\w*|"
    r"latest|newest|recent|old|dated?|since|issued|published|apply|applies)\b",
    re.IGNORECASE,
)
_PLACE = r"(?:sections?|chapters?|appendix|appendices|tables?|figures?|fig\.|annex|clauses?|parts?)"
_NUMBERED = rf"{_PLACE} \(?[\dA-Z][\w.-]*\)?(?: and [\dA-Z][\w.]*)?"
_TELLS = (
    r"(?:explor|discuss|describ|present|show|explain|given|report|list|detail|illustrat|compar|"
    r"found|summari[sz]|introduc|analy[sz]|evaluat|document)\w*"
)
_POINTS = re.compile(
    rf"(?:(?:please )?(?:see|refer to|consult)\b|.*\b{_TELLS}\b)(?:[^.;:]{{0,80}}?\b"
    rf"(?:{_NUMBERED}|(?:in )?(?:the )?(?:following|next|remaining|previous) ?{_PLACE}?)| ?below)"
    r"(?: (?:for|of|on) [^.;:]{0,60})?\W*",
    re.IGNORECASE | re.DOTALL,
)
"""A sentence that ends with the place where something is told, and tells nothing itself."""
_OF_PLACES = re.compile(rf"\b{_NUMBERED}", re.IGNORECASE)
_CAPTION = re.compile(r"(?:figure|fig\.|table|abbildung|tabelle)\s?[\dA-Z][\w.]*[.:](?:\s|$)", re.I)
_ASKS_PLACE = re.compile(
    r"\bwhere\b|\b(?:sections?|chapters?|appendix|tables?|figures?|page|annex|clauses?)\b", re.I
)
_WORKS = re.compile(
    r"\W*(?:\d+\.?\s*)?(?:references|bibliography|works cited|literature(?: cited)?|"
    r"literaturverzeichnis|bibliographie)\W*",
    re.IGNORECASE,
)
_ASKS_WORKS = re.compile(
    r"\b(?:who|authors?|wrote|papers?|articles?|publi\w*|cit\w+|references?|bibliography|year|when)\b",
    re.IGNORECASE,
)
_FOLLOWING = re.compile(r"\b(?:following|below)\b")
_DIGIT = re.compile(r"\d")


def asides(question: str, passage: Passage, start: int) -> list[tuple[Offsets, int]]:
    """The parts of ``passage`` from ``start``, below its headings, that answer no question but one
    for just that; each counts as lacking the most words."""
    found = [*_imprint(question, passage, start), *_works(question, passage)]
    if not _ASKS_PLACE.search(question):
        found += pointing(passage.text)
    return [(span, MOST_MISSED) for span in found]


def _imprint(question: str, passage: Passage, start: int) -> list[Offsets]:
    """The lines below a title that say which edition it is of."""
    said = passage.text[start:]
    if len(said) > LONGEST_IMPRINT or not _IMPRINT.search(said) or _ASKS_EDITION.search(question):
        return []
    asked = stems(question) - stems(passage.place)
    return [] if asked & stems(said) else [(start, len(passage.text))]


def _works(question: str, passage: Passage) -> list[Offsets]:
    """All of a list of works that are cited."""
    names = passage.headings[-1:]
    if not any(_WORKS.fullmatch(name) for name in names) or _ASKS_WORKS.search(question):
        return []
    return [(0, len(passage.text))]


def pointing(text: str) -> Iterator[Offsets]:
    """The quotable spans that only say where something is told, and names of figures and tables."""
    if not _OF_PLACES.search(text) and not _FOLLOWING.search(text):
        return
    for start, end in quotable_bounds(text):
        said = text[start:end]
        if _CAPTION.match(text, start, end) or (
            _POINTS.fullmatch(said) and not _DIGIT.search(_OF_PLACES.sub("", said))
        ):
            yield start, end
