"""Tables of PDFs without lines: close columns, wrapped cells, labels that stand once, two heads."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from fpdf import FPDF

from ingestion.formats.extract import extract
from tests.effort import cpu_within
from tests.unit.made_tables import INTRO, in_lines, made, value, wrapped

WORDS = re.compile(r"\w+")


def told(data: bytes) -> list[str]:
    return [line.rstrip(" |") for line in extract(data, "a.pdf").text.split("\n") if line]


def row(*cells: str) -> str:
    return " | ".join(cells).rstrip(" |")


def test_most_rows_are_told_cell_by_cell_and_no_value_stands_in_another_row() -> None:
    rows = right = 0
    for seed in range(160):
        table = made(seed)
        lines = told(table.data)
        for own in table.told:
            name = next(cell for cell in own[bool("labels" in table.kinds) :] if cell)
            rows += 1
            right += row(*own) in lines
            others = {
                cell for other in table.told if other is not own for cell in other if len(cell) > 4
            } - set(own)
            for line in lines:
                cells = line.split(" | ")
                if name in cells:
                    assert not others & set(cells), (seed, line)
    assert rows > 800 and right >= 0.93 * rows, (rows, right)


def test_no_word_of_a_table_is_lost_or_doubled() -> None:
    for seed in range(1000, 1120):
        table = made(seed)
        said = Counter(WORDS.findall(extract(table.data, "a.pdf").text))
        rows = Counter(WORDS.findall(" ".join(cell for own in table.told for cell in own)))
        heads = Counter(WORDS.findall(" ".join(cell for head in table.heads for cell in head)))
        around = Counter(WORDS.findall(f"{INTRO} "))
        printed = Counter(WORDS.findall(" ".join(cell for own in table.rows for cell in own)))
        assert printed + heads <= said, (seed, printed + heads - said)
        for word in set(rows) - set(heads) - set(around) - {"the", "to", "on", "at", "is", "all"}:
            if not word.islower():
                assert printed[word] <= said[word] <= rows[word], (seed, word)


def test_lines_that_are_rows_stay_rows() -> None:
    """Labels, sections, gaps and notes look like wrapped cells, and are none."""
    pick = random.Random(9)
    notes = ["Ask at the desk by the gate", "Not in August", "Only for members of the club"]
    for _ in range(120):
        kind = pick.choice(("labels", "sections", "sparse", "headings"))
        rows, gaps = [["Zone", "Name", "Fee", "Note"]], [1.3]
        for n in range(pick.randint(5, 10)):
            own = [
                "",
                f"{pick.choice(('North', 'South'))} quay {n}",
                value(pick),
                pick.choice(notes),
            ]
            if kind != "labels" or n % 3 == 0:
                own[0] = f"Area {n}"
            if kind == "sparse":
                own[2 + pick.randrange(2)] = ""
            if kind == "headings" and n % 4 == 3:
                own = [f"Moorings of kind {n}", "", "", ""]
            rows.append(own)
            gaps.append(2.4 if kind == "sections" and n % 2 == 0 else 1.3)
        lines = told(in_lines(rows, gaps))
        if kind == "labels":
            for above, own in pairwise(rows[1:]):
                own[0] = own[0] or above[0]
        for own in rows[1:]:
            assert row(*own) in lines, (kind, own, lines)


HOURS = ["one hour", "half a day", "a day", "a week"]


@pytest.mark.parametrize("sizes", [(3, 3), (2, 4, 3), (3, 1, 2), (4, 3, 1)])
@pytest.mark.parametrize("stands", [0.0, 0.5])
def test_a_label_that_stands_once_is_in_each_row_it_is_for(
    sizes: Sequence[int], stands: float
) -> None:
    """At the first of its rows, or in their middle, on a line of its own where these are even."""
    pdf = FPDF(unit="pt", format="A4")
    pdf.add_page()
    pdf.set_font("helvetica", size=10)
    for x, head in zip((60, 200, 300), ("Boat", "For", "Fee"), strict=True):
        pdf.text(x, 100, head)
    at, wanted = 1, []
    for label, size in zip(("Canoe", "Skiff", "Punt"), sizes, strict=False):
        pdf.text(60, 100 + 14 * (at + stands * (size - 1)), label)
        for hours in HOURS[:size]:
            pdf.text(200, 100 + 14 * at, hours)
            pdf.text(300, 100 + 14 * at, f"{7 * at} euros")
            wanted.append(row(label, hours, f"{7 * at} euros"))
            at += 1
    assert told(bytes(pdf.output())) == [row("Boat", "For", "Fee"), *wanted]


def test_a_sum_without_a_label_gains_none() -> None:
    rows = [["Post", "May", "June"], ["Rent", "120", "131"], ["Wages", "455", "470"]]
    rows += [["", "575", "601"], ["Sales", "700", "640"], ["Gifts", "15", "22"], ["", "715", "662"]]
    lines = told(in_lines(rows, [1.3] * len(rows)))
    assert " | 575 | 601" in lines and " | 715 | 662" in lines


def test_two_columns_of_print_are_no_table() -> None:
    pdf = FPDF(unit="pt", format="A4")
    pdf.add_page()
    pdf.set_font("helvetica", size=10)
    texts = [f"{INTRO} " * 4, "Boats must be out of the harbour by the last of October. " * 6]
    for at, text in enumerate(texts):
        for n, line in enumerate(wrapped(pdf, text, 200)):
            pdf.text(60 + 212 * at, 80 + 13 * n, line)
    text = extract(bytes(pdf.output()), "a.pdf").text
    assert " | " not in text and " ".join(texts[0].split()) in " ".join(text.split())


@pytest.mark.parametrize("side", [60, 12])
def test_time_grows_with_the_rows_only(side: int) -> None:
    pdf = FPDF(unit="pt", format=(40 * side, 40 * side))
    pdf.set_auto_page_break(False)
    pdf.add_page()
    pdf.set_font("helvetica", size=6)
    for n in range(4 * side):
        for column in range(side):
            pdf.text(20 + 38 * column, 20 + 9 * n, f"{n % 7}x {column}")
    data = bytes(pdf.output())
    with cpu_within(side):
        assert extract(data, "a.pdf").text
