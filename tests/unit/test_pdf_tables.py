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


def page() -> FPDF:
    pdf = FPDF(unit="pt", format="A4")
    pdf.set_auto_page_break(False)
    pdf.add_page()
    pdf.set_font("helvetica", size=10)
    return pdf


LONG = [
    ["Entry to all floors and to the", "roof when the weather allows it"],
    ["Boat hire"],
    ["Night tour with a supper in the", "cellar for at most twelve guests"],
    ["Photo permit for one day, but", "without any flash or a stand"],
]
SEASONS = ["Summer", "Summer", "Winter", "Winter"]


@pytest.mark.parametrize("amid", [False, True], ids=["at the left", "in the middle"])
@pytest.mark.parametrize("shift", [0, 6], ids=["top", "middle"])
def test_a_head_in_two_rows_stands_above_wrapped_cells(amid: bool, shift: float) -> None:
    """Over two columns each, whether the values stand beside the first line or in the middle."""
    pdf = page()
    xs = (220, 270, 320, 370)
    for at, name in enumerate(("Summer", "Winter")):
        left = xs[2 * at]
        pdf.text(left + (37 - pdf.get_string_width(name) / 2 if amid else 0), 100, name)
    pdf.text(60, 112, "Offer")
    for x, name in zip(xs, ("Adult", "Child") * 2, strict=True):
        pdf.text(x, 112, name)
    y, wanted = 132.0, [row("Offer", *SEASONS), row("Offer", "Adult", "Child", "Adult", "Child")]
    for n, lines in enumerate(LONG):
        for at, line in enumerate(lines):
            pdf.text(60, y + 12 * at, line)
        values = [f"{10 * n + m}.50" for m in range(3, 7)]
        for x, said in zip(xs, values, strict=True):
            pdf.text(x, y + (shift if len(lines) > 1 else 0), said)
        wanted.append(row(" ".join(lines), *values))
        y += 12 * len(lines) + 8
    assert told(bytes(pdf.output())) == wanted


@pytest.mark.parametrize("way", ["rules", "shades"])
def test_what_parts_rows_tells_which_lines_are_one_row(way: str) -> None:
    """No line is the first of its row for sure, where cells stand in the middle."""
    pdf = page()
    pdf.set_fill_color(228)
    notes = [["On request"], ["Booking three days ahead by", "telephone or by letter", "to us"]]
    y, wanted = 120.0, []
    for x, name in zip((60, 230, 380), ("Offer", "Terms", "Fee"), strict=True):
        pdf.text(x, 100, name)
    for n, lines in enumerate([*LONG, ["Locker"]]):
        cells = [lines, notes[n % 2], [f"{n + 3}.50"]]
        height = 12.0 * max(map(len, cells)) + 6
        if way == "rules":
            pdf.line(58, y - 12, 420, y - 12)
        elif n % 2:
            pdf.rect(58, y - 12, 362, height, style="F")
        for x, cell in zip((60, 230, 380), cells, strict=True):
            top = y + (height - 6 - 12 * len(cell)) / 2
            for at, line in enumerate(cell):
                pdf.text(x, top + 12 * at, line)
        wanted.append(row(*map(" ".join, cells)))
        y += height
    pdf.line(58, y - 12, 420, y - 12)
    assert told(bytes(pdf.output()))[1:] == wanted


def test_items_of_a_list_are_one_cell() -> None:
    pdf = page()
    y, wanted = 120.0, []
    for x, name in zip((60, 200, 380), ("Package", "Includes", "Fee"), strict=True):
        pdf.text(x, 100, name)
    items = ["a key to the gate", "light and heating", "use of the boats"]
    for n, name in enumerate(("Alder", "Beck", "Cove")):
        own = [f"- {one}" for one in items[: n % 2 + 2]]
        pdf.text(60, y, name)
        pdf.text(380, y, f"{n + 4}.50")
        for at, item in enumerate(own):
            pdf.text(200, y + 12 * at, item)
        wanted.append(row(name, " ".join(own), f"{n + 4}.50"))
        y += 12 * len(own) + 7
    assert told(bytes(pdf.output()))[1:] == wanted


def ruled(rows: Sequence[Sequence[str]]) -> bytes:
    pdf = page()
    for n, cells in enumerate(rows):
        for at, text in enumerate(cells):
            pdf.set_xy(60 + 110 * at, 100 + 18 * n)
            pdf.cell(110, 18, text, border=1)
    return bytes(pdf.output())


def test_a_label_above_blank_cells_of_a_ruled_table_is_in_each_row() -> None:
    rows = [["Boat", "For", "Fee"]]
    for boat in ("Canoe", "Skiff"):
        rows += [[boat if n == 0 else "", HOURS[n], f"{n + 3} euros"] for n in range(3)]
    sums = [*rows, ["", "Total", "24 euros"]]
    for above, own in pairwise(rows[1:]):
        own[0] = own[0] or above[0]
    assert told(ruled(rows)) == [row(*one) for one in rows]
    assert told(ruled(sums)) == [*(row(*one) for one in rows), row("", "Total", "24 euros")]


def test_blank_cells_of_a_ruled_table_of_items_stay_blank() -> None:
    rows = [["Pos", "Item", "Amount"], ["1", "Rope", "54.00"], ["2", "Shackle", "31.20"]]
    rows += [["", "Postage", "4.90"], ["3", "Buoy", "12.00"], ["", "Packing", "3.10"]]
    assert told(ruled(rows)) == [row(*one) for one in rows]


@pytest.mark.parametrize("count", [3, 4, 6])
def test_each_name_in_smaller_print_is_with_the_value_below_it(count: int) -> None:
    names = ["Policy number", "Start of cover", "Excess", "Premium", "Payment", "Notice"][:count]
    pdf = page()
    for n, name in enumerate(names):
        x, y = 60 + 150 * (n % 3), 100 + 40 * (n // 3)
        pdf.set_font_size(7.5)
        pdf.text(x, y, name)
        pdf.set_font_size(10)
        pdf.text(x, y + 14, f"{n + 2}.50")
    pairs = [row(name, f"{n + 2}.50") for n, name in enumerate(names)]
    assert told(bytes(pdf.output())) == pairs


def test_names_of_columns_that_are_printed_upwards_are_the_head() -> None:
    pdf = page()
    heads = ["Adult", "Child", "Student", "Senior"]
    pdf.text(60, 150, "Place")
    for n, name in enumerate(heads):
        with pdf.rotation(90, 178 + 60 * n, 150):
            pdf.text(178 + 60 * n, 150, name)
    wanted = [row("Place", *heads)]
    for n, place in enumerate(("Alder", "Beck", "Cove", "Elm")):
        fees = [f"{n + m}.50" for m in range(3, 7)]
        for x, text in zip((60, 170, 230, 290, 350), (place, *fees), strict=True):
            pdf.text(x, 168 + 15 * n, text)
        wanted.append(row(place, *fees))
    assert told(bytes(pdf.output())) == wanted


QUESTIONS = {
    "When is the office open?": "The office is open from nine to five on all days of the week, and"
    " on Saturdays until noon.",
    "Can I bring a dog?": "Dogs on a lead are welcome in the garden but not in the halls; guide"
    " dogs are welcome in all of them.",
    "Where do I park a bus?": "There are eight places behind the gate, free of charge for two"
    " hours.",
}


def test_questions_on_lines_of_their_own_head_their_answers() -> None:
    pdf = page()
    y = 100
    for question, answer in QUESTIONS.items():
        for line in [question, *wrapped(pdf, answer, 300)]:
            pdf.text(60, y, line)
            y += 13
    found = extract(bytes(pdf.output()), "a.pdf")
    assert [heading.text for heading in found.headings] == [*QUESTIONS]
    assert all(" ".join(answer.split()) in found.text for answer in QUESTIONS.values())


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
