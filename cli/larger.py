"""``larger``: which questions the larger generator is asked, and what it gains."""

from dataclasses import asdict

from app.backends import hard_questions, open_larger_gate
from app.gate.hard_questions import CellView
from app.settings import Settings
from app.wiring import open_database
from cli.output import Json, console, print_json, print_table

COLUMNS = ("hard", "question", "came", "asked", "worth without", "with", "gain", "chance now")


def larger(as_json: Json = False) -> None:
    """What the larger generator gains, by what is asked, and what is left of its budget."""
    settings = Settings()
    if not settings.larger_generator:
        _print_none(as_json)
        return
    database = open_database(settings)
    try:
        gate = open_larger_gate(settings, database)
        found = hard_questions(settings, database, gate).view(settings.larger_generator)
    finally:
        database.close()
    if as_json:
        print_json(asdict(found))
        return
    left = f"{found.spent:g} of {found.budget:g} {found.unit} spent this hour"
    print_table(f"{found.version}: {left}", COLUMNS, map(_cells, found.cells))


def _print_none(as_json: bool) -> None:
    if as_json:
        print_json(None)
    else:
        console.print("The setting larger_generator names none.", highlight=False)


def _cells(cell: CellView) -> tuple[str, ...]:
    return (
        cell.group,
        cell.kind,
        str(cell.questions),
        str(cell.asked),
        f"{cell.worth_without:.2f} of {cell.known_without}",
        f"{cell.worth_with:.2f} of {cell.known_asked}",
        f"{cell.gain:+.2f}",
        f"{cell.chance:.2f}",
    )
