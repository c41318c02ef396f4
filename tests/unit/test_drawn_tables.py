"""Tables drawn with characters: each cell in its row and column, and drawings that are none."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest

from ingestion.formats.aligned import blocks_of
from ingestion.formats.extract import extract

GRID = """\
+----------------+----------+----------+----------+
| Ticket         | Adult    | Child    | Dog      |
| (both ways)    |          |          |          |
+================+==========+==========+==========+
| Single         | £4.20    | £2.10    | free     |
+----------------+----------+----------+----------+
| Week           | Only with a pass of May.       |
+----------------+----------+---------------------+
| Month          | Ask at   | - by post           |
+----------------+ the      | - at the            |
| Year           | counter. |   counter           |
+----------------+----------+---------------------+"""
ROWS = [
    "Ticket (both ways) | Adult | Child | Dog",
    "Single | £4.20 | £2.10 | free",
    "Week | Only with a pass of May. | Only with a pass of May. | Only with a pass of May.",
    "Month | Ask at the counter. | - by post - at the counter | - by post - at the counter",
    "Year | Ask at the counter. | - by post - at the counter | - by post - at the counter",
]
SIMPLE = "+-------+-----+\n| Plan  | Fee |\n+-------+-----+\n| Basic | £4  |\n| Plus  | £9  |\n"
SIMPLE += "+-------+-----+"
BOXED = """\
┏━━━━━━━━━━┳━━━━━━┓
┃ Plan     ┃ Fee  ┃
┡━━━━━━━━━━╇━━━━━━┩
│ Basic    │ £4   │
│ Plus,    │ £9   │
│ with dog │      │
└──────────┴──────┘"""
WIDE = """\
+-------+-----+
| Plan  | Fee |
+-------+-----+
| 价格  | £4  |
| Plus  | £9  |
+-------+-----+
| Total | £13 |
+-------+-----+"""
TABLES = {
    "spans and cells of several lines": (GRID, ROWS),
    "one line a row": (SIMPLE, ["Plan | Fee", "Basic | £4", "Plus | £9"]),
    "a box": (BOXED, ["Plan | Fee", "Basic | £4", "Plus, with dog | £9"]),
    "wide letters": (WIDE, ["Plan | Fee", "价格 | £4", "Plus | £9", "Total | £13"]),
}
DRAWINGS = {
    "two boxes": "+-------+      +------+\n| Web   |----->| DB   |\n+-------+      +------+",
    "bits": "+-+-+-+-+\n|Ver|IHL|\n+-+-+-+-+\n|Length |\n+-+-+-+-+",
    "one box": "+------+\n| Mind |\n| gap  |\n+------+",
    "a table without an end": "+---+---+\n| a | b |\n| c | d |",
    "bars that are elsewhere": "+----+----+\n| a | b  |\n| c    d |\n+----+----+",
    "nothing": "+----+----+\n+----+----+",
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_drawn_table_is_rows(kind: str) -> None:
    source, rows = TABLES[kind]
    told = "\n".join(block.text for block in blocks_of(source)).split("\n")
    assert [row for at, row in enumerate(told) if row != told[0] or not at] == rows


@pytest.mark.parametrize("kind", DRAWINGS)
def test_another_drawing_stays_as_it_is(kind: str) -> None:
    assert [block.text for block in blocks_of(DRAWINGS[kind])] == [DRAWINGS[kind]]


def test_what_stands_around_a_drawn_table_stays_around_it() -> None:
    found = list(blocks_of(f"Fares:\n{SIMPLE}\nDogs are free.\n{SIMPLE}"))
    assert [block.text.split("\n")[0] for block in found] == [
        "Fares:",
        "Plan | Fee",
        "Dogs are free.",
        "Plan | Fee",
    ]
    assert [block.gap for block in found] == ["\n\n", "\n", "\n", "\n"]


def drawn(rows: Sequence[Sequence[Sequence[str]]], style: str) -> str:
    """A table of rows of cells of lines; in "grid" a rule parts all rows."""
    columns = len(rows[0])
    widths = [max(2, *(len(line) for row in rows for line in row[n])) + 2 for n in range(columns)]
    rule = "+" + "+".join("-" * width for width in widths) + "+"
    out = [rule]
    for number, row in enumerate(rows):
        for at in range(max(map(len, row))):
            cells = [f" {cell[at]}" if at < len(cell) else "" for cell in row]
            out.append(f"|{'|'.join(map(str.ljust, cells, widths))}|")
        if style == "grid" or number in (0, len(rows) - 1):
            out.append(rule.replace("-", "=") if style == "grid" and not number else rule)
    return "\n".join(out)


WORDS = "Alder £4.20 beck 12 - | + Cove, x9 (d) free: --- ok. :-".split()


def test_random_tables_are_told_cell_by_cell() -> None:
    pick = random.Random(3)
    for _ in range(1500):
        style = pick.choice(("grid", "sql"))
        columns, deepest = pick.randint(2, 5), 3 if style == "grid" else 1
        words = [word for word in WORDS if word not in ("|", "+", "---", ":-")]
        rows = [
            [
                [" ".join(pick.choices(words, k=pick.randint(1, 3))) for _ in range(depth)]
                for depth in (pick.randint(1, deepest) for _ in range(columns))
            ]
            for _ in range(pick.randint(3, 6))
        ]
        told = "\n".join(block.text for block in blocks_of(drawn(rows, style))).split("\n")
        expected = [" | ".join(" ".join(cell) for cell in row) for row in rows]
        assert [row for at, row in enumerate(told) if not at or row != told[0]] == [
            row for at, row in enumerate(expected) if not at or row != expected[0]
        ], drawn(rows, style)


def test_no_word_is_lost_however_the_drawing_is_damaged() -> None:
    pick, word = random.Random(4), re.compile(r"[\w£.]+")
    told_as_rows = 0
    for _ in range(6000):
        source = pick.choice((GRID, SIMPLE, BOXED, WIDE, *DRAWINGS.values()))
        characters = list(source)
        for _ in range(pick.randint(0, 4)):
            at = pick.randrange(len(characters))
            characters[at] = pick.choice((" ", "|", "+", "-", "=", "x", "\n", "", "│", "  "))
        damaged = "".join(characters)
        told = "\n".join(block.text for block in blocks_of(damaged))
        told_as_rows += told != damaged
        assert Counter(word.findall(told)) >= Counter(word.findall(damaged)), damaged
        kept = [n for n in (a for a, _ in pairwise(damaged.split("\n"))) if word.search(n)]
        assert len(told) < 4 * len(damaged) + 100 * len(kept)
    assert told_as_rows > 1000


def test_files_mails_and_pages_tell_drawn_rows() -> None:
    head = "Subject: Fares\nContent-Type: text/plain; charset=utf-8\n"
    page = f"<h1>Fares</h1><p>As asked:</p><pre>{GRID}</pre><p>End</p>"
    mail_page = f"{head.replace('plain', 'html')}\n{page}"
    files = [
        (f"Fares\n\n{GRID}\n", "fares.txt"),
        (f"{head}\nAs asked:\n\n{GRID}\n\nBest wishes", "fares.eml"),
        (page, "fares.html"),
        (mail_page, "page.eml"),
        (f"# Fares\n\nAs asked:\n\n```\n{GRID}\n```\n\nEnd\n", "fenced.md"),
        (f"# Fares\n\nAs asked:\n\n{GRID}\n\nEnd\n", "fares.md"),
    ]
    for data, name in files:
        text = extract(data.encode(), name).text
        assert ROWS[0] in text and ROWS[1] in text and ROWS[4] in text and "+--" not in text, name
