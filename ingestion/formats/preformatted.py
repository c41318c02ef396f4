"""Text as it is set, in ``<pre>`` and between fences: the tables in it, and no code and no log."""

import re
from collections.abc import Sequence
from typing import Any

from ingestion.formats.aligned import MOST_LINE, aligned_rows, blocks_of
from ingestion.formats.document import Block

LANGUAGE = re.compile(
    r"\b(?:lang(?:uage)?-|brush:|highlight(?:-source)?-|sourceCode\b ?|prettyprint\b|hljs\b)"
    r"(?!(?:te?xt|plain|plaintext|none|table)\b)",
    re.IGNORECASE,
)
"""In a class: what follows is written in a language of machines."""
CODE = re.compile(
    r"[;{}\\]\s*$"
    r"|^\s*(?:[$%>*#]|>>>|\.\.\.|//|/\*|--)\s"
    r"|[!=<>:+*/-]=|=>|->|::|&&|\|\||\w\(\w*\)|\(['\"]|<[/A-Za-z!?]|\$[A-Za-z{(]|[{}]|\w\[|0x[0-9a-f]"
    r"|^\s*[\w.$\[\]'\"-]+\s*=|^\s*#\w|<<|/\*|\*/|[a-z][A-Z][a-z]|%[a-z]\b"
    r"|^\s*(?:import|def|return|var|const|function|export|sudo|pip3?|npm|git|curl|docker|cd|echo"
    r"|select|elif|else|end|set|get|add|run|copy|use|local|goto|mov|push|pop|call|jmp|ret|let)\b"
    r"|^\s*(?:SELECT|FROM|WHERE|INSERT|CREATE|UPDATE|SET|AND|RUN|COPY|ENV|CMD)\s"
    r"|^\s*-{1,2}[A-Za-z][\w-]*(?:[ ,=<\[]|$)"
    r"|^\s*(?:[./~][\w.-]*)?/[\w.-]+/|[├└]|^\s*\|--"
    r"|\s{2,}(?:#|//|<!--|;)\s"
    r"|\w_\w|\w\.\w+\.\w"
    r"|^\s*[A-Za-z]{2,6}\s+[\w%$#\[\]]+,\s*\S+\s*$"
    r"|\b\d{1,2}:\d{2}:\d{2}\b|\b\d{4}-\d{2}-\d{2}T"
    r"|\b(?:INFO|DEBUG|WARN|WARNING|ERROR|FATAL|TRACE)\b"
    r"|\.\.\. \d+%"
    r"|^[0-9a-fA-F]{6,}[: ]|^\s*@|^diff |^[-+]\s?\S.*[:;(]$"
)
"""A line that people write for machines, or machines for people who run them."""
SETTING = re.compile(r"\s*(?:- )?[\w.-]+:(?:\s|$)")
MOST_LINES, LEAST_ROWS = 3_000, 3


def is_marked_up_code(node: Any) -> bool:
    """Whether an element of HTML says that it is code, by a class or by colours of its words."""
    near = [node, node.parent, *node.css("code")]
    named = " ".join((one.attributes.get("class") or "") for one in near if one is not None)
    return bool(LANGUAGE.search(named)) or len(node.css("span[class]")) > 1


def tables_within(text: str, gap: str) -> list[Block]:
    """The text in blocks, its tables as rows with bars; [] where it has none."""
    lines = text.split("\n")
    if not 2 <= len(lines) <= MOST_LINES:
        return []
    is_code = _is_code(lines)
    blocks: list[Block] = []
    found = False
    for part in re.split(r"\n(?:[ \t]*\n)+", text):
        aligned = not is_code and any(map(_says_figures, aligned_rows(part.split("\n"))))
        told = list(blocks_of(part, gap, aligned=aligned))
        found = found or told[0].text != part
        blocks += told
        gap = "\n\n"
    return blocks if found else []


def _says_figures(rows: Sequence[Sequence[str]]) -> bool:
    """Whether most rows tell a figure beside their name, or more than one thing."""
    figures = [any(map(str.isdigit, " ".join(row[1:]))) for row in rows]
    return len(rows) >= LEAST_ROWS and (len(rows[0]) > 2 or 2 * sum(figures) >= len(rows))


def _is_code(lines: Sequence[str]) -> bool:
    said = [line for line in lines if line.strip()]
    if any(len(line) > MOST_LINE for line in said):
        return True
    settings = sum(bool(SETTING.match(line)) for line in said)
    return 2 * settings > len(said) or any(map(CODE.search, said))
