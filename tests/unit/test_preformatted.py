"""Text as it is set: its tables are rows, code and logs stay as they are."""

import random
import re
from collections import Counter

import pytest

from ingestion.formats.extract import extract
from ingestion.formats.preformatted import tables_within
from tests.effort import cpu_within
from tests.unit.test_aligned import FEES, PROSE, TABLES
from tests.unit.test_drawn_tables import SIMPLE

STAYS = {
    "assignments": "x = 1        # first\nfoo = 22     # second\nname = 333   # third",
    "a shell": "$ countersign ingest   docs\n$ countersign ask      what\n$ countersign gate     5",
    "a log": """\
2026-11-30 09:12:01   INFO    worker 3 began
2026-11-30 09:12:04   WARN    disk at 91 %
2026-11-30 09:12:09   ERROR   disk at 97 %""",
    "options": "-h, --help     shows 1\n-v, --verbose  says 2 more\n-q, --quiet    says 3 less",
    "settings": "port:      80\nworkers:   4\ntimeout:   30",
    "a header file": "#define RED      1\n#define GREEN    2\n#define BLUE     3",
    "declarations": "int    first;     /* 1 */\nshort  second;    /* 2 */\nlong   third;   /* 3 */",
    "a query": "SELECT name,    age\nFROM   people,  towns\nWHERE  age >    30",
    "a machine's steps": "MOV   AX, 1\nADD   BX, 2\nINT   CX, 3",
    "a tree": "docs/        40\n├── a.md     20\n└── b.md     20",
    "names": "user_id    12\nuser_no    13\nuser_at    14",
    "a function": "def total(a, b):\n    first   = a.x * 2\n    second  = b.x * 3\n    return  4",
}


@pytest.mark.parametrize("kind", STAYS)
def test_code_and_logs_stay_as_they_are(kind: str) -> None:
    source = STAYS[kind]
    assert tables_within(source, "\n\n") == []
    escaped = source.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    found = extract(f"<h1>Use</h1><pre>{escaped}</pre><p>End</p>".encode(), "use.html")
    assert found.text == f"Use\n\n{source}\n\nEnd"


@pytest.mark.parametrize("kind", PROSE)
def test_what_is_no_table_stays_as_it_is(kind: str) -> None:
    assert tables_within(PROSE[kind], "\n\n") == []


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_tables_of_text_files_are_tables_in_pages_and_between_fences(kind: str) -> None:
    source, rows = TABLES[kind]
    expected = "\n".join(row.rstrip() for row in rows)
    for data, name in (
        (f"<h1>Fares</h1><p>From May:</p><pre>{source}</pre><p>End</p>", "a.html"),
        (f"# Fares\n\nFrom May:\n\n```\n{source}\n```\n\nEnd\n", "a.md"),
        (f"# Fares\n\nFrom May:\n\n~~~ text\n{source}\n~~~\n\nEnd\n", "a.md"),
    ):
        assert f"From May:\n\n{expected}\n\nEnd" in extract(data.encode(), name).text, data


def test_a_block_that_names_its_language_is_code() -> None:
    for data, name in (
        (f"# Fares\n\n```python\n{FEES}\n{SIMPLE}\n```\n\nEnd\n", "a.md"),
        (f'<pre><code class="language-js">{FEES}\n{SIMPLE}</code></pre>', "a.html"),
        (f'<div class="highlight-source-c"><pre>{FEES}\n{SIMPLE}</pre></div>', "a.html"),
        (f"<pre>{FEES}\n<span class=k>if</span> <span class=n>x</span>\n</pre>", "a.html"),
    ):
        text = extract(data.encode(), name).text
        assert " | Adult" not in text and "Day, zone 1    £7.50" in text, data


def test_a_drawn_table_below_a_command_is_told_and_the_command_stays() -> None:
    found = extract(f"<pre>mysql> select * from fees;\n{SIMPLE}\n2 rows</pre>".encode(), "a.html")
    assert found.text == ("mysql> select * from fees;\nPlan | Fee\nBasic | £4\nPlus | £9\n2 rows")


def test_a_table_in_an_item_or_cell_and_a_line_break_of_its_own_lose_nothing() -> None:
    lines = "<br>".join(FEES.split("\n"))
    found = extract(f"<p>Fares</p><pre>{lines}</pre>".encode(), "a.html")
    assert "Single | £4.20 | £2.10 | £9.00" in found.text
    for around in ("<ul><li>{}</li></ul>", "<table><tr><td>A</td><td>{}</td></tr></table>"):
        text = extract(around.format(f"<pre>{FEES}</pre>").encode(), "a.html").text
        assert {"£4.20", "£16.00", "sold"} <= set(text.split())


WORDS = "Alder £4 9.30 - | + no x; 7% # a=b Cove ... é".split()


def test_no_word_is_lost_and_none_is_added() -> None:
    pick, word = random.Random(5), re.compile(r"[\w£%#=;]+")
    told_rows = 0
    for _ in range(800):
        widths = [pick.randint(3, 14) for _ in range(pick.randint(2, 4))]
        words = WORDS if pick.random() < 0.3 else WORDS[:7]
        lines = [
            pick.choice(("", "", "", "  ", "\t"))
            + pick.choice(("  ", "   ", "\t")).join(
                " ".join(pick.choices(words, k=pick.randint(0, 2))).ljust(width) for width in widths
            )
            for _ in range(pick.randint(2, 7))
        ]
        lines.insert(pick.randint(0, len(lines)), pick.choice(("", "", "Fares:", "  ", SIMPLE)))
        text = "\n".join(lines)
        blocks = tables_within(text, "\n\n")
        told = "\n".join(block.text for block in blocks) if blocks else text
        told_rows += bool(blocks)
        page = f"<p>A</p><pre>\n{text.replace('<', '&lt;')}</pre><p>Z</p>".encode()
        for result in (told, extract(page, "a.html").text):
            assert Counter(word.findall(result)) >= Counter(word.findall(text)), text
    assert told_rows > 130


@pytest.mark.parametrize("unit", ["+--+--+\n", "a  1\n", "|  |  |\n", "+", " ", "-", "# ", "a   "])
def test_time_grows_with_the_length_only(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    with cpu_within(10):
        extract(f"<p>x</p><pre>x\n{text}\nx</pre>".encode(), "a.html")
