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


BOILERPLATE = re.compile(
    r"\s*(?:(?:strictly )?(?:private (?:and|&) )?confidential|draft(?: copy)?"
    r"|internal(?: use only)?|for internal use only|(?:table of )?contents|copy|original|void"
    r"|page \d+(?: (?:of|/) \d+)?|public|restricted|sample|specimen|do not (?:copy|distribute)"
    r"|all rights reserved.*"
    r"|(?:©|copyright|\(c\)).*|https?://\S*|www\.\S*|[\d\s./:-]*|vertraulich|entwurf|inhalt"
    r"|inhaltsverzeichnis|brouillon|confidentiel|arxiv:.*|doi:.*)\s*",
    re.IGNORECASE,
)


def is_boilerplate(text: str) -> bool:
    """True for print that stands on any document: stamps, dates, page numbers, addresses."""
    return BOILERPLATE.fullmatch(text) is not None
