"""Personal data taken out of an answer object before it is released."""

import re
from collections.abc import Collection, Iterable, Mapping

from guardrails.checks.wording import as_seen
from guardrails.contract import AnswerObject
from guardrails.personal_data.find import find_personal_data, mask

NUMBERED = frozenset({"iban", "card", "national_id", "phone"})
"""Kinds of which a part, cut off at the end of a quote, still gives something away."""
LEAST_PART = 6
"""Letters and digits in a row of which a part inside a text is known as one."""
_CODE = r"[A-Z0-9]*\d[A-Z0-9]*"
_CODES = re.compile(rf"(?<![A-Za-z0-9]){_CODE}(?:[\W_]{{1,3}}(?:{_CODE}|[A-Z]{{4}}\b))*")


def as_shown(answer: AnswerObject) -> AnswerObject:
    """The answer object as the pages show it: what nobody sees, nobody has signed. Quotes stay as
    they stand in their passages."""
    return {
        **answer,
        "text": as_seen(answer["text"]),
        "short": None if answer["short"] is None else as_seen(answer["short"]),
        "sentences": [{**one, "text": as_seen(one["text"])} for one in answer["sentences"]],
        "citations": [{**one, "title": as_seen(one["title"])} for one in answer["citations"]],
    }


def redacted(answer: AnswerObject, kinds: Collection[str]) -> AnswerObject:
    """The answer object with all data of these kinds masked: ``[card]``.

    What is found in one text is masked in all, also a part of a number, and in another spelling:
    a short form has none of the words that told what a number is, and a quote may end inside. A
    masked quote would not be verbatim any more, so it is left out: the citation keeps its number
    and its source, has the quote "" and says ``redacted``.
    """
    if not kinds:
        return answer
    known = _known_values(_texts(answer), kinds)

    def hide(text: str) -> str:
        return _hide(text, kinds, known)

    short = answer["short"]
    return {
        **answer,
        "text": hide(answer["text"]),
        "short": None if short is None else hide(short),
        "sentences": [{**one, "text": hide(one["text"])} for one in answer["sentences"]],
        "citations": [
            {**one, "title": hide(one["title"])}
            if hide(one["quote"]) == one["quote"]
            else {**one, "title": hide(one["title"]), "quote": "", "redacted": True}
            for one in answer["citations"]
        ],
    }


def _texts(answer: AnswerObject) -> Iterable[str]:
    yield from (answer["text"], answer["short"] or "")
    yield from (sentence["text"] for sentence in answer["sentences"])
    yield from (citation["quote"] for citation in answer["citations"])


def _known_values(texts: Iterable[str], kinds: Collection[str]) -> dict[str, str]:
    """Each piece of personal data and its kind, the longest first."""
    found = {
        text[match.start : match.end]: match.kind
        for text in texts
        for match in find_personal_data(text)
        if match.kind in kinds
    }
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


def _hide(text: str, kinds: Collection[str], known: Mapping[str, str]) -> str:
    text = mask(text, kinds)
    for value, kind in known.items():
        if text.strip() and text.strip() in value:  # a short form may be a part of it
            return f"[{kind}]"
        text = text.replace(value, f"[{kind}]")
        if kind in NUMBERED:
            text = _without_parts(text, value, kind)
    return text


def _without_parts(text: str, value: str, kind: str) -> str:
    """``text`` without what is a part of the number ``value``, however it is grouped."""
    whole = _bare(value)

    def hidden(match: re.Match[str]) -> str:
        part = _bare(match[0])
        at_edge = match.start() == 0 or match.end() == len(text.rstrip())
        is_part = part in whole and (len(part) >= LEAST_PART or (at_edge and len(part) > 1))
        return f"[{kind}]" if is_part else match[0]

    return _CODES.sub(hidden, text)


def _bare(text: str) -> str:
    return re.sub(r"[\W_]", "", text).upper()
