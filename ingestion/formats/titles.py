"""Titles that a program wrote and no author."""

import re

GARBAGE_TITLE = re.compile(
    r"\s*(?:microsoft (?:word|powerpoint|excel)\b.*|untitled.*|document\d*|word document|title"
    r"|.*\.(?:docx?|odt|rtf|tex|dvi|pdf|ps|indd|qxd|pptx?|xlsx?|html?|pages|p65|fm)"
    r"|[^ ]*\\[^ ]*|(?:/|file:)[^ ]*)?\s*",
    re.IGNORECASE | re.DOTALL,
)


def is_garbage_title(title: str) -> bool:
    """True for titles that a program wrote and no author: empty, file names, defaults."""
    return len(re.findall(r"[^\W\d_]", title)) < 2 or GARBAGE_TITLE.fullmatch(title) is not None
