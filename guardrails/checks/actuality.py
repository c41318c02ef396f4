"""Is what a source says so today, or was it once, is it planned, or only supposed?

"Until 2022 the tram ran every ten minutes", "the board proposes that quiet hours begin at nine" and
"suppose a firm gives forty days of leave" are all quoted word for word, and none says what is so. A
question that itself asks for the past, a plan or a case that is supposed may be answered by them.
"""

import re
from functools import lru_cache

from guardrails.checks.roles import HELPERS
from guardrails.checks.wording import folded

_WORD = re.compile(r"[a-z]+")
_NOW = frozenset("is are am does do can may has have isn aren doesn don".split())
_OPEN = re.compile(
    r"\b(?:plan\w*|propos\w*|suggest\w*|would|will|if|suppos\w*|should|future|next|upcoming|coming"
    r"|soon|drafts?|was|were|did|had|used|once|formerly|histor\w*|past|previous\w*|origin\w*"
    r"|examples?|imagin\w*|expect\w*|might|could|going|intend\w*|why|roadmap|in (?:19|20)\d\d)\b"
)
"""What a question says that asks for more than what is so today."""
_USED_TO = re.compile(
    r"^(?:[\w'-]+ ){1,5}used to \w+"
    r"|\buntil (?:19|20)\d\d\b[^.]* (?:was|were)\b|\b(?:was|were)\b[^.]* until (?:19|20)\d\d\b"
)
"""What is over: "a ride used to cost", but not "data is used to" nor "cookies used to"."""
_ONCE = re.compile(
    r"\b(?:until (?:19|20)\d\d"
    r"|(?:in|during|before) (?:our|its|their|the) (?:first|early|earliest|old|former) \w+"
    r"|formerly|in former (?:years|times|days)|in the past|previously|back then|in those days"
    r"|at that time|in (?:the )?(?:19|20)\d\ds?|originally|once)\b"
)
_PAST = re.compile(
    r"\b(?:was|were|had|did|ran|swam|paid|got|gave|took|came|went|sold|kept|held|left|met|made"
    r"|stood|began|drove|rode|wrote|spoke|sat|ate|drank|flew|grew|knew|threw|drew|bought|brought"
    r"|taught|thought|found|lost|won|sent|spent|built|lent|slept|felt|led|fed|became|chose"
    r"|\w{3,}ed)\b"
)
_PRESENT = re.compile(
    r"\b(?:is|are|am|has|have|do|does|can|cannot|may|must|will|shall|now|today|currently)\b"
)
_ENDED = re.compile(
    r"\b(?:stopped|ceased|ended|no longer|no more|abolished|withdrawn|discontinued|closed|moved"
    r"|replaced)\b"
)
"""Says of the past what holds today."""
_PLANNED = re.compile(
    r"\b(?:(?:is|are|was|were) (?:being )?(?:planned (?:to|for)|proposed (?:to|for)"
    r"|(?:intended|expected|hoped|going) to)"
    r"|(?<!you )(?:plan(?:s|ned)?|hope[sd]?|hoping|intend(?:s|ed)?) to|proposes"
    r"|(?:proposed|suggested) that"
    r"|(?:is|are|were) (?:considering|thinking (?:of|about)|discussing)"
    r"|(?<!you )(?<!we )(?<!i )would like"
    r"|(?:is|are) to be (?:re)?(?:built|opened|introduced|added|replaced|extended|launched"
    r"|installed|created|merged|raised|lowered|abolished|renamed|set up)"
    r"|(?:has|have) been (?:proposed|suggested|planned|discussed)"
    r"|(?:may|might) (?:one day|in future|soon|later)|one day (?:may|might|will))\b"
)
"""A plan; "is to be paid" is a duty."""
_SUPPOSED = re.compile(
    r"\bwould(?:n't| not)? have\b|^(?:let us |let's )?(?:suppose|imagine|assume)\b"
    r"|\b(?:if|had) .{1,80} (?:were|was) to\b"
)
_DRAFT = re.compile(r"\b(?:drafts?|proposals?|roadmap|for discussion|for consultation)\b")


def not_so(question: str, quote: str, place: str) -> str:
    """What tells that ``quote`` says nothing of today, where the question asks for that; or "".

    ``place`` are the title and headings of the quote.
    """
    asked = folded(question)
    if _NOW.isdisjoint(_WORD.findall(asked)) or _OPEN.search(asked):
        return ""
    return _not_so(folded(quote).strip()) or _first(_DRAFT.search(folded(place)))


@lru_cache(maxsize=256)
def _not_so(said: str) -> str:
    return _over(said) or _first(_PLANNED.search(said)) or _first(_SUPPOSED.search(said))


def _over(said: str) -> str:
    """What a quote says of the past only."""
    over = _USED_TO.search(said)
    passive = over and "used to" in over[0] and not HELPERS.isdisjoint(_WORD.findall(said))
    if over and not passive:
        return over[0]
    only_past = _PAST.search(said) and not _PRESENT.search(said) and not _ENDED.search(said)
    return _first(_ONCE.search(said)) if only_past else ""


def _first(found: re.Match[str] | None) -> str:
    return found[0] if found else ""
