"""A question and its short answer as one sentence, where simple rules of English suffice.

"Who wrote the letter?" and "Ada" give "Ada wrote the letter."; "When was the treaty signed?"
and "1839" give "The treaty was signed in 1839." Where no rule is sure (most often because a
verb would have to change its form), the answer stands alone: that is never wrong.
"""

import re
from dataclasses import dataclass

_BE = r"is|are|was|were"
_AUXILIARY = re.compile(
    rf"\b(?:{_BE}|do|does|did|has|have|had|can|could|will|would|should|may|might|must)\b", re.I
)
_DETERMINER = re.compile(r"^(?:the|a|an|his|her|its|their|our|your|this|that|these|those)\b", re.I)
_PREPOSITIONS = "in on at of for from to by with as into about after before during between under"
_IRREGULAR = (
    "born made known found built held written given taken seen shown sold paid led won lost sent "
    "begun chosen broken driven grown drawn thought taught brought bought left kept set put cut "
    "said told heard laid spread hidden worn torn sung struck spent spoken stolen sworn forbidden"
)
_PAST = (
    "won led made became began wrote ran came went gave took had held lost sold built found said "
    "told saw grew drew fell rose chose broke drove sang caught brought bought taught thought paid "
    "sent spent left met beat shot spoke stood sat fought flew knew swam threw wore hid bore"
)
_PRESENT = (
    "makes means causes contains includes provides represents describes gives takes has runs leads "
    "uses produces allows requires helps shows controls owns plays lies lives works comes goes"
)
_PARTICIPLE = rf"(?:[a-z]{{2,}}ed|{'|'.join(_IRREGULAR.split())})"
_ACTIVE = rf"(?:[a-z]{{2,}}ed|{'|'.join((_PAST + ' ' + _PRESENT).split())})"
_MONTH = re.compile(
    r"^(?:january|february|march|april|may|june|july|august|september|october|november|december)"
    r"\b(.*)",
    re.I,
)
_MAX_WORDS = 18
"""A longer question makes a sentence nobody wants to read; the answer then stands alone."""


@dataclass(frozen=True)
class Statement:
    """``before`` + answer + ``after`` is the sentence; both are empty when no rule was sure."""

    before: str
    answer: str
    after: str

    @property
    def text(self) -> str:
        """The whole sentence with a capital first letter and a full stop."""
        body = f"{self.before}{self.answer}{self.after}".strip()
        body = body[:1].upper() + body[1:]
        return body if body.endswith((".", "!", "?")) else body + "."


def statement(question: str, answer: str) -> str:
    """The answer as a full sentence, or the answer itself with a full stop."""
    return state(question, answer).text


def state(question: str, answer: str) -> Statement:
    """Like ``statement``, in three parts."""
    answer = answer.strip()
    asked = question.strip().rstrip("?!. ").strip()
    if asked and answer and len(asked.split()) <= _MAX_WORDS and len(answer.split()) <= 12:
        for rule in (_of_subject, _of_equation, _of_participle, _of_count, _of_active):
            if found := rule(asked, answer):
                return found
    return Statement("", answer, "")


def _of_subject(asked: str, answer: str) -> Statement | None:
    """Who wrote X → A wrote X; what caused X → A caused X; who was born in X → A was born in X."""
    match = re.match(rf"(?:who|what|which) ((?:{_ACTIVE})\b.*)$", asked, re.I)
    if match is None:
        passive = rf"(?:{_BE}) (?:{_PARTICIPLE}) (?:{'|'.join(_PREPOSITIONS.split())})\b"
        match = re.match(rf"(?:who|what|which) ({passive}.+)$", asked, re.I)
    if match is None or _ends_open(asked):
        return None
    return Statement("", answer, " " + match[1])


def _of_equation(asked: str, answer: str) -> Statement | None:
    """What is the name of X → The name of X is A."""
    match = re.match(rf"(?:who|what) ({_BE}) (.+)$", asked, re.I)
    if match is None or not _DETERMINER.match(match[2]) or _ends_open(asked):
        return None
    if _AUXILIARY.search(match[2]) or re.search(rf"\b{_PARTICIPLE}$", match[2], re.I):
        return None
    return Statement(f"{_upper(match[2])} {match[1].lower()} ", answer, "")


def _of_participle(asked: str, answer: str) -> Statement | None:
    """When was X signed → X was signed in 1839; where is X located → X is located in A."""
    asks = r"(when|where|in (?:what|which) year|in (?:what|which) \w+)"
    match = re.match(rf"{asks} ({_BE}) (.+) ({_PARTICIPLE})$", asked, re.I)
    if match is None or _AUXILIARY.search(match[3]):
        return None
    link = _preposition(match[1].lower(), answer)
    if link is None:
        return None
    return Statement(f"{_upper(match[3])} {match[2].lower()} {match[4]} {link}", answer, "")


def _preposition(asked: str, answer: str) -> str | None:
    first = answer.split()[0].lower()
    if first in {*_PREPOSITIONS.split(), "since", "until", "around", "near"}:
        return ""
    if re.fullmatch(r"(?:1\d|20)\d\d", answer):
        return "in "
    if month := _MONTH.match(answer):
        return "on " if re.match(r"\s+\d{1,2}\b(?!\d)", month[1]) else "in "
    if asked == "where" and (answer[:1].isupper() or first in {"the", "a", "an"}):
        return "in "
    return None


def _of_count(asked: str, answer: str) -> Statement | None:
    """How many X are there in Y → There are A X in Y; how many X live in Y → A X live in Y."""
    match = re.match(r"how many (.+?) (are|were) there\b(.*)$", asked, re.I)
    if match and re.match(r"[\d,.]+$|[a-z]+$", answer, re.I):
        return Statement(f"There {match[2].lower()} ", answer, f" {match[1]}{match[3]}")
    match = re.match(rf"how many ((?:\w+ ){{1,2}}?(?:{_BE}) (?:{_PARTICIPLE})\b.*)$", asked, re.I)
    if match and re.fullmatch(r"[\d,.]+", answer) and not _ends_open(asked):
        return Statement("", answer, " " + match[1])
    return None


def _of_active(asked: str, answer: str) -> Statement | None:
    """Which team represented X → A represented X; what river is located in X → A is located."""
    verb = rf"(?:{_PAST.replace(' ', '|')}|[a-z]{{2,}}ed|{_PRESENT.replace(' ', '|')})"
    match = re.match(rf"(?:what|which) (?:[\w'-]+ ){{1,3}}?({verb}\b.+)$", asked, re.I)
    if match is None:
        passive = rf"(?:{_BE}) (?:{_PARTICIPLE}|{'|'.join(_PREPOSITIONS.split())})\b"
        match = re.match(rf"(?:what|which) (?:[\w'-]+ ){{1,3}}?({passive}.+)$", asked, re.I)
        if match is None or _ends_open(asked):
            return None
        return Statement("", answer, " " + match[1])
    if _AUXILIARY.search(asked) or _ends_open(asked):
        return None
    return Statement("", answer, " " + match[1])


def _ends_open(asked: str) -> bool:
    """A preposition at the end waits for the answer: the order of words would be wrong."""
    return asked.split()[-1].lower() in _PREPOSITIONS.split()


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
