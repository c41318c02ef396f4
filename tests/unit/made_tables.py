"""Tables without lines as PDFs of many layouts, each with what stands in its rows."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from fpdf import FPDF

NAMES = "Alder Beck Cove Dunmore Elm Fenwick Glen Harrow Inver Juniper Kestrel Lowick".split()
PHRASES = [
    "Paid on the first day of each month, in advance",
    "Only for members who have paid their yearly fee",
    "With a heater and a lamp, from October on",
    "Needs a key that the warden keeps at the gate",
    "Not in August",
    "Ask at the desk",
    "Free of charge for children under 12 who come with an adult",
    "Within 14 days, in writing, to the office in Beck Street",
]
HEADS = ["Fee", "Deposit", "Notice", "Hours", "Places", "Term", "Limit"]
INTRO = "The table below says what holds at each place, and from when on. All sums include tax."
END = "Write to the office if anything here is not clear to you. It is open on all days but one."
WIDTH, LEFT = 475, 60


@dataclass
class Layout:
    """How a table is set; lengths in sizes of print."""

    size: int
    lead: float
    row_gap: float
    gap: float
    widest: int
    stands: str = "top"
    by_cell: bool = False
    to_right: bool = False


@dataclass
class Made:
    """A table as people see it: ``rows`` with labels that stand once as empty cells."""

    heads: list[list[str]]
    rows: list[list[str]]
    layout: Layout
    data: bytes = b""
    kinds: set[str] = field(default_factory=set)

    @property
    def told(self) -> list[list[str]]:
        """The rows, each with the label that it stands under."""
        rows = [[*row] for row in self.rows]
        for above, row in pairwise(rows if "labels" in self.kinds else ()):
            row[0] = row[0] or above[0]
        return rows


def value(pick: random.Random) -> str:
    """A short cell."""
    kind = pick.randrange(6)
    if kind == 0:
        return f"£{pick.randint(2, 980)}"
    if kind == 1:
        return f"{pick.randint(8, 11)}.00 - {pick.randint(14, 21)}.30"
    return [f"{pick.randint(2, 60)} days", f"{pick.randint(3, 40)} %", "none", "on request"][
        kind - 2
    ]


def made(seed: int) -> Made:
    """One table; always the same for one seed."""
    pick = random.Random(seed)
    layout = Layout(
        size=pick.choice((9, 10, 11)),
        lead=pick.choice((1.15, 1.3)),
        row_gap=pick.choice((0, 0.15, 0.5, 0.9)),
        gap=pick.choice((1.2, 1.6, 2.4)),
        widest=pick.choice((90, 120, 150)),
        by_cell=pick.random() < 0.3,
        to_right=pick.random() < 0.3,
    )
    table = Made([], [], layout)
    kinds = [one for one in ("labels", "wrapped", "two heads") if pick.random() < 0.45]
    table.kinds = set(kinds)
    names = pick.sample(NAMES, pick.randint(4, 8))
    values = 4 if "two heads" in kinds else pick.randint(1, 3)
    heads = pick.sample(HEADS, values)
    table.rows = [[name, *(value(pick) for _ in range(values))] for name in names]
    table.heads = [["Name", *heads]]
    if "two heads" in kinds:
        table.heads = [["", "Summer", "", "Winter", ""], ["Name", *["Adult", "Child"] * 2]]
    if "wrapped" in kinds:
        layout.stands = pick.choice(("top", "top", "foot", "middle"))
        for row in table.rows:
            row.append(pick.choice(PHRASES))
        table.heads = [[*head, "Terms" if at else ""] for at, head in enumerate(table.heads, 1)]
        table.heads = [
            [*head[:-1], "Terms" if head is table.heads[-1] else ""] for head in table.heads
        ]
    if "labels" in kinds:
        for at, row in enumerate(table.rows):
            row.insert(0, f"Zone {at // 3 + 1}" if at % 3 == 0 else "")
        for head in table.heads:
            head.insert(0, "Zone" if head is table.heads[-1] else "")
    table.data = drawn(table)
    return table


def wrapped(pdf: FPDF, text: str, width: float) -> list[str]:
    """The lines of a cell."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and pdf.get_string_width(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]


def drawn(table: Made) -> bytes:
    """The table between two paragraphs."""
    layout = table.layout
    pdf = FPDF(unit="pt", format=(1000, 842))
    pdf.set_auto_page_break(False)
    pdf.add_page()
    pdf.set_font("helvetica", size=layout.size)
    step, y = layout.size * layout.lead, 80.0
    for line in wrapped(pdf, INTRO, WIDTH):
        pdf.text(LEFT, y, line)
        y += step
    cells = list(zip(*table.heads, *table.rows, strict=True))
    natural = [max(map(pdf.get_string_width, column)) for column in cells]
    widths = [min(one, layout.widest) for one in natural]
    starts = [LEFT + sum(widths[:n]) + n * layout.gap * layout.size for n in range(len(widths))]
    y += 1.5 * layout.size
    for row in [*table.heads, *table.rows]:
        lines = [wrapped(pdf, text, widths[n] + 0.5) for n, text in enumerate(row)]
        height = max(map(len, lines))
        share = {"top": 0.0, "middle": 0.5, "foot": 1.0}[layout.stands]
        items = [
            (at + share * (height - len(cell)), n, line)
            for n, cell in enumerate(lines)
            for at, line in enumerate(cell)
            if line
        ]
        items.sort(key=lambda one: (one[1], one[0]) if layout.by_cell else one[:2])
        for at, n, line in items:
            right = layout.to_right and n and natural[n] == widths[n]
            x = starts[n] + (widths[n] - pdf.get_string_width(line) if right else 0)
            pdf.text(x, y + at * step, line)
        y += height * step + layout.row_gap * layout.size
    y += 1.5 * layout.size
    for line in wrapped(pdf, END, WIDTH):
        pdf.text(LEFT, y, line)
        y += step
    return bytes(pdf.output())


def in_lines(rows: Sequence[Sequence[str]], gaps: Sequence[float], size: int = 10) -> bytes:
    """Rows that are a line each, with so many sizes of print between them."""
    pdf = FPDF(unit="pt", format="A4")
    pdf.set_auto_page_break(False)
    pdf.add_page()
    pdf.set_font("helvetica", size=size)
    widths = [max(map(pdf.get_string_width, column)) for column in zip(*rows, strict=True)]
    y = 80.0
    for row, gap in zip(rows, gaps, strict=True):
        y += gap * size
        for n, text in enumerate(row):
            if text:
                pdf.text(LEFT + sum(widths[:n]) + n * 2 * size, y, text)
    return bytes(pdf.output())
