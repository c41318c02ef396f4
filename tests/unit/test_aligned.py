"""Tables of plain text, told by their columns: rows in, and nothing that only looks like one."""

import random
import re
from collections import Counter

import pytest

from ingestion.formats.aligned import blocks_of
from ingestion.formats.extract import extract

FEES = """\
               Adult    Child    Family
Single         £4.20    £2.10    £9.00
Day, zone 1    £7.50    £3.75    £16.00
Week           £24      £12      not sold"""

TABLES = {
    "columns at the left": (
        FEES,
        [
            " | Adult | Child | Family",
            "Single | £4.20 | £2.10 | £9.00",
            "Day, zone 1 | £7.50 | £3.75 | £16.00",
            "Week | £24 | £12 | not sold",
        ],
    ),
    "numbers at the right": (
        "Item      Count    Price\nBolts       120     3.40\nWashers   1,500    12.00",
        ["Item | Count | Price", "Bolts | 120 | 3.40", "Washers | 1,500 | 12.00"],
    ),
    "sums at the right of their currency": (
        "Seal      77-1   EUR   4\nSensor    77-2   EUR  31\nLink      77-3   EUR 265",
        ["Seal | 77-1 | EUR 4", "Sensor | 77-2 | EUR 31", "Link | 77-3 | EUR 265"],
    ),
    "a rule under the header": (
        "Code   Length\n----   ------\nA       10 m\nB       25 m",
        ["Code | Length", "A | 10 m", "B | 25 m"],
    ),
    "tabs": (
        "blue\t27 km\nred\t25 km\nblack\t10 km",
        ["blue | 27 km", "red | 25 km", "black | 10 km"],
    ),
    "tabs at any width": (
        "Service\tFee\nSame-day collection\t£19\nStandard delivery to the door\t£4",
        ["Service | Fee", "Same-day collection | £19", "Standard delivery to the door | £4"],
    ),
    "a cell of two lines": (
        "E1   Pump blocked    Clean the filter and start\n"
        "                     the program again\n"
        "E2   Door open       Close it\n"
        "E3   No water        Open the tap",
        [
            "E1 | Pump blocked | Clean the filter and start the program again",
            "E2 | Door open | Close it",
            "E3 | No water | Open the tap",
        ],
    ),
    "a cell that reaches up to the next": (
        "A2  amber, visits    none left\nA4  amber, time      too early\n"
        "A7  amber, duplicate same card used twice\nR1  red, expired     over",
        [
            "A2 | amber, visits | none left",
            "A4 | amber, time | too early",
            "A7 | amber, duplicate same card used twice | ",
            "R1 | red, expired | over",
        ],
    ),
    "a cell that pushes the next aside": (
        "              BASIC     PLUS      FULL\nVisits        1         2         as needed\n"
        "Wear parts    no        half      yes\nLoan machine  no        after 5 days  after 2 days",
        [
            " | BASIC | PLUS | FULL",
            "Visits | 1 | 2 | as needed",
            "Wear parts | no | half | yes",
            "Loan machine | no | after 5 days | after 2 days",
        ],
    ),
    "a cell over two columns": (
        "                March to May       June to August\n"
        "Weekdays        9.00 - 18.00       9.00 - 20.00\n"
        "Sunday          10.30 - 16.30      10.00 - 18.00\n"
        "Kiosk           shuts half an hour before the gate",
        [
            " | March to May | June to August",
            "Weekdays | 9.00 - 18.00 | 9.00 - 20.00",
            "Sunday | 10.30 - 16.30 | 10.00 - 18.00",
            "Kiosk | shuts half an hour before the gate | ",
        ],
    ),
    "dots that lead to the value": (
        "Draft ............ £15\nFast payment ..... £22\nCopy . . . . . . . free",
        ["Draft | £15", "Fast payment | £22", "Copy | free"],
    ),
    "names of any length": (
        "Telephone     555 0140\nLost or stolen card   555 0141, always\nPost          PO Box 7",
        ["Telephone | 555 0140", "Lost or stolen card | 555 0141, always", "Post | PO Box 7"],
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_cells_below_each_other_are_rows(kind: str) -> None:
    source, rows = TABLES[kind]
    (table,) = blocks_of(source)
    assert table.text.split("\n") == rows


WORDS = "a1 bee EUR 12 3.40 x longword ... .".split()


PROSE = {
    "two blanks after sentences": """\
It is shut.  We open on Monday.  Ring us.
Come early.  There is no queue.  Bring a card.
Cash is no use.  Dogs may come.  Cats too.""",
    "clauses": """\
A1  Rent is due on the first of each month. We take standing orders, and never cash.
A2  We charge interest at three per cent, from the day on which the rent became due.
A3  Rent may be raised once in any twelve months. We give notice of two months first.""",
    "numbered steps": "1   Put the kettle on\n2   Pour the water\n3   Wait for a minute",
    "letters of a list": "a)  oars\nb)  a bailer\nc)  a line",
    "a letterhead": "Harbour Office            Sheet 12\nAll boats must be out by 31 October.",
    "one line": "Opening hours    9 to 5",
    "a table with bars": "| a   | b   | c   |\n| 1   | 2   | 3   |\n| 4   | 5   | 6   |",
    "chapters and their pages": "Cleaning ......... 4\nDescaling ........ 9\nRepairs ......... 12",
    "two columns of print": """\
The ferry calls at the island twice a day in   In winter there is one crossing
summer, and goes on to the mainland once the   a day, which leaves the mainland
post has been loaded and the cars are lashed   at ten and comes back at noon.""",
}


@pytest.mark.parametrize("kind", PROSE)
def test_what_is_no_table_stays_as_it_is(kind: str) -> None:
    assert "\n".join(block.text for block in blocks_of(PROSE[kind])) == PROSE[kind]


def test_no_word_is_lost_wherever_the_lines_begin() -> None:
    """Whether a run of lines is a table or not, each of its words is there as often."""
    pick, word = random.Random(1), re.compile(r"\w+")
    tables = 0
    for _ in range(4000):
        widths = [pick.randint(3, 14) for _ in range(pick.randint(2, 4))]
        lines = [
            " " * pick.choice((0, 0, 1, 4, 8))
            + pick.choice(("\t", "  ", "   ")).join(
                " ".join(pick.choices(WORDS, k=pick.randint(0, 3))).ljust(width) for width in widths
            )
            for _ in range(pick.randint(2, 6))
        ]
        told = "\n".join(block.text for block in blocks_of("\n".join(lines)))
        tables += " | " in told
        assert Counter(word.findall(told)) >= Counter(word.findall("\n".join(lines))), lines
    assert tables > 400


def test_a_table_stands_between_its_paragraphs() -> None:
    found = list(blocks_of(f"Fares from May:\n{FEES}\nDogs travel free."))
    assert [block.text.split("\n")[0] for block in found] == [
        "Fares from May:",
        " | Adult | Child | Family",
        "Dogs travel free.",
    ]
    assert [block.gap for block in found] == ["\n\n", "\n", "\n"]


def test_a_number_and_title_above_a_table_are_no_row() -> None:
    found = list(blocks_of("3  FARES\n" + "\n".join(f"   {line}" for line in FEES.split("\n"))))
    assert [block.text.split("\n")[-1] for block in found] == [
        "3  FARES",
        "Week | £24 | £12 | not sold",
    ]


def test_a_long_table_tells_its_header_again() -> None:
    rows = "\n".join(f"Station {n:<12}platform {n:<10}{n * 3} minutes" for n in range(10, 40))
    found = list(blocks_of(f"Stop                Where              Wait\n{rows}"))
    assert len(found) > 2
    assert all(block.text.startswith("Stop | Where | Wait\n") for block in found)
    assert sum(block.text.count("Station") for block in found) == 30


def test_files_and_mails_tell_rows() -> None:
    head = "Subject: Fares\nContent-Type: text/plain; charset=utf-8\n"
    mail = f"{head}\nAs asked:\n\n{FEES}\n\nBest wishes"
    for data, name in ((f"Fares\n\n{FEES}\n", "fares.txt"), (mail, "fares.eml")):
        text = extract(data.encode(), name).text
        assert "Day, zone 1 | £7.50 | £3.75 | £16.00\nWeek | £24" in text
