"""Text as a reader sees it, and the linear-time patterns that are looked for in it."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import re2

LOOK_ALIKES = dict(
    zip(
        "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u0501\u04bb\u03bf\u03b1\u03b5"
        "\u03b9\u03bd\u03c1\u0131\u0142\u00f8\u2019\u2018\u02bc\u201c\u201d\u201e",
        "aeopcyxisjdhoaeivpilo'''\"\"\"",
        strict=True,
    )
)
"""Letters of other scripts that pass for Latin ones, and curly quotation marks."""


UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)
"""Controls, fillers, and what turns the direction of a text, so that it reads otherwise than it is.
``review_ui/shared/dom.js`` shows none of them. Joiners stay: several scripts need them."""


class PatternInvalid(ValueError):
    """A pattern that RE2 does not accept."""


def pattern(expression: str) -> Any:
    """A compiled RE2 expression, case-insensitive; raises ``PatternInvalid``."""
    try:
        return re2.compile(expression, _options())
    except re2.error as error:
        why = error.args[0]
        raise PatternInvalid(why.decode() if isinstance(why, bytes) else str(why)) from error


class Needed:
    """The words that each of some expressions needs to match: one look at a text tells which of
    them may, and mostly none can."""

    def __init__(self, expressions: Sequence[str]) -> None:
        self._filter = re2.Filter()
        for expression in expressions:
            self._filter.Add(expression, _options())
        self._filter.Compile()

    def possible(self, folded_text: str) -> Sequence[int]:
        """The places of those that may match a text that is ``folded``, in their order."""
        return sorted(self._filter.Match(folded_text, potential=True) or ())


def _options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return options


def as_seen(text: str) -> str:
    """The text as the pages show it: without ``UNSEEN``, letter by letter the same otherwise."""
    return text if text.isascii() and text.isprintable() else UNSEEN.sub("", text)


def readable(text: str) -> str:
    """NFKC, without the characters nobody sees; tabs and line feeds stay."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text  # as nearly always
    text = unicodedata.normalize("NFKC", text)
    return replaced(text, {char: "" for char in set(text) if not _is_seen(char)})


def folded(text: str) -> str:
    """``readable``, lower case, without accents, look-alike letters read as Latin ones."""
    text = readable(text).lower()
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKD", text)
    marks = {char: "" for char in set(text) if unicodedata.combining(char)}
    return replaced(text, marks | {c: LOOK_ALIKES[c] for c in set(text) & LOOK_ALIKES.keys()})


def replaced(text: str, spellings: Mapping[str, str]) -> str:
    """``text`` with each character that ``spellings`` names spelled as it says.

    Few characters differ in a text, so each is replaced in all of it: far faster than to look at
    every place. No spelling may hold another character that is named.
    """
    for char, spelling in spellings.items():
        text = text.replace(char, spelling)
    return text


def _is_seen(char: str) -> bool:
    return char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cn", "Co", "Cs")
