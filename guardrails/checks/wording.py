"""Text as a reader sees it, and the linear-time patterns that are looked for in it."""

import unicodedata
from typing import Any

import re2

LOOK_ALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u0501\u04bb\u03bf\u03b1\u03b5"
    "\u03b9\u03bd\u03c1\u0131\u0142\u00f8\u2019\u2018\u02bc\u201c\u201d\u201e",
    "aeopcyxisjdhoaeivpilo'''\"\"\"",
)
"""Letters of other scripts that pass for Latin ones, and curly quotation marks."""


class PatternInvalid(ValueError):
    """A pattern that RE2 does not accept."""


def pattern(expression: str) -> Any:
    """A compiled RE2 expression, case-insensitive; raises ``PatternInvalid``."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        why = error.args[0]
        raise PatternInvalid(why.decode() if isinstance(why, bytes) else str(why)) from error


def readable(text: str) -> str:
    """NFKC, without the characters nobody sees; tabs and line feeds stay."""
    text = unicodedata.normalize("NFKC", text)
    return text if text.isascii() and text.isprintable() else "".join(filter(_is_seen, text))


def folded(text: str) -> str:
    """``readable``, lower case, without accents, look-alike letters read as Latin ones."""
    text = readable(text).lower()
    if text.isascii():
        return text
    bare = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(bare).translate(LOOK_ALIKES)


def _is_seen(char: str) -> bool:
    return char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cn", "Co", "Cs")
