"""Titles: which ones a program wrote and no author, and what tells one edition from another."""

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
    r"|all rights reserved.*|united states(?: of america)?"
    r"|(?:united states )?securities and exchange commission|washington,? d\.? ?c\.?[\s\d]*"
    r"|form \d+-?[a-z]{0,2}(?:/a)?|\(?mark one\)?|(?:annual|quarterly|current) report pursuant.*"
    r"|(?:©|copyright|\(c\)).*|https?://\S*|www\.\S*|[\d\s./:-]*|vertraulich|entwurf|inhalt"
    r"|inhaltsverzeichnis|brouillon|confidentiel|arxiv:.*|doi:.*)\s*",
    re.IGNORECASE,
)


def is_boilerplate(text: str) -> bool:
    """True for print that stands on any document: stamps, dates, page numbers, addresses."""
    return BOILERPLATE.fullmatch(text) is not None


MOST_READ = 3000
"""Characters at a document's beginning that may say which period it is of."""
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_EDITION = re.compile(
    r"(?<![^\W_])(?:(?:19|20)\d\d(?:-(?:0[1-9]|1[0-2])(?:-\d\d)?)?|Q[1-4]|[1-4]Q|FY\d\d"
    r"|v\d+(?:\.\d+)*)(?![^\W_])",
    re.IGNORECASE,
)
_PERIOD = re.compile(
    r"\b(?:for the )?((?:fiscal |financial )?(?:year|quarter|half[- ]year|quarterly period|period"
    r"|(?:three|six|nine|twelve) months) end(?:ed|ing):?\s+(?:[A-Z][a-z]{2,8}\.? \d{1,2},? |"
    r"\d{1,2}(?:st|nd|rd|th)? [A-Z][a-z]{2,8}\.?,? )(?:19|20)\d\d)"
)


def told_apart(title: str, stem: str, text: str) -> str:
    """The title with the year, quarter or version that only the file's name or the cover gives.

    The report of each year has the same title; an index of passages must know which is which.
    """
    known = title.lower()
    missing = [mark for mark in _EDITION.findall(stem) if mark.lower() not in known]
    if not missing and not _YEAR.search(title) and (period := _PERIOD.search(text, 0, MOST_READ)):
        missing = [" ".join(period[1].split())]
    return f"{title} ({' '.join(missing)})" if missing else title
