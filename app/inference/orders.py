"""The lines of a passage, as the order head reads them: each line and each sentence alone.

A passage as a whole says little about one line in it that gives orders.
"""

import itertools
import re
from collections.abc import Sequence

from guardrails.contract import sentence_bounds

LONGEST = 400
"""Characters of a line that are read together; longer ones are cut into pieces of words."""
FEWEST = 4
"""Words that a line must have: of fewer, one word alone would decide."""
REPLY = re.compile(
    r"\b(?:your|the) (?:\w+ )?(?:repl(?:y|ies)|(?:response|answer|output|message|completion)s?)\b",
    re.I,
)
REPLIES = ("repl", "response", "answer", "output", "message", "completion")
"""Without one of these ``REPLY`` finds nothing in plain letters."""
LABEL = re.compile(r"(?:question|answer|[qa])\s?\d{0,3}\s?[:.)]\s+", re.I)
"""Who speaks in a list of questions and answers: "Answer: Tell the desk." orders no reply."""
WORD = re.compile(r"[^\W\d_]{2,}")
BEGINS_WITH_WORDS = re.compile(rf"(?:{WORD.pattern} ){{{FEWEST}}}")
SENTENCE_SIGN = re.compile(r"[.!?\u3002\uff01\uff1f]")
"""Without one a line is all that can be read of it."""


def speaks_of_reply(line: str) -> bool:
    """Whether ``line`` speaks of "your answer", "the response" and the like."""
    if line.isascii() and not any(map(line.lower().__contains__, REPLIES)):
        return False  # nearly always, and far sooner than the pattern says it
    return REPLY.search(line) is not None


def read(line: str) -> str:
    """``line`` as the head reads it.

    Orders begin with their verb, so the begin is marked; and what they are about is whether this
    verb is done to the reply, so a word says so of the two together: words and pairs cannot.
    """
    first = WORD.search(line)
    both = f" {first[0]}_reply" if first and speaks_of_reply(line) else ""
    return f"^ {line}{both}"


def read_all(found: Sequence[str]) -> list[str]:
    """``read`` of each line."""
    together = "\n".join(found).lower()
    if together.isascii() and not any(map(together.__contains__, REPLIES)):
        return [f"^ {line}" for line in found]  # none speaks of a reply
    return [read(line) for line in found]


def lines(text: str) -> list[str]:
    """The lines of ``text``, and the sentences of each line and of all lines joined; each once,
    without the label of who speaks.

    Extraction wraps lines inside sentences, and a table's row may hold several.
    """
    rows = [_unlabelled(" ".join(row.split())) for row in text.splitlines()]
    # A row whose only sign is its last character is one sentence, and listed already.
    wholes = [row for row in rows if SENTENCE_SIGN.search(row, 0, len(row) - 1)]
    if len(rows) > 1 and SENTENCE_SIGN.search(together := " ".join(rows)):
        wholes.append(together)
    pieces = [whole[start:end] for whole in wholes for start, end in sentence_bounds(whole)]
    found = itertools.chain.from_iterable(map(_short, (*rows, *pieces)))
    return [line for line in dict.fromkeys(found) if _has_words(line)]


def _has_words(line: str) -> bool:
    if BEGINS_WITH_WORDS.match(line):
        return True
    return sum(1 for _ in itertools.islice(WORD.finditer(line), FEWEST)) == FEWEST


def _unlabelled(row: str) -> str:
    label = LABEL.match(row)
    return row[label.end() :] if label else row


def _short(text: str) -> list[str]:
    """``text`` in pieces of at most ``LONGEST`` characters, cut between words where it has any."""
    pieces = []
    while len(text) > LONGEST:
        cut = text.rfind(" ", 1, LONGEST)
        cut = cut if cut > 0 else LONGEST
        pieces.append(text[:cut])
        text = text[cut:].strip()
    return [*pieces, text]
