"""``gold``: answers that are known to be wrong or right, to measure reviewers with."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.access.principals import LOCAL
from app.gold_import import GoldFile
from app.review.gold import add_gold_answer, gold_items
from app.settings import Settings
from app.wiring import open_database, open_services
from cli.output import Json, console, in_short, print_json, print_table

gold_commands = typer.Typer(help="Gold items, which measure reviewers.", no_args_is_help=True)
COLUMNS = "gold_item question state wrong called_wrong reviewer collection".split()


@gold_commands.command()
def add(
    answer_id: Annotated[str, typer.Argument(help="A decided answer.")],
    wrong: Annotated[bool, typer.Option("--wrong/--right", help="What you found it to be.")],
    as_json: Json = False,
) -> None:
    """Make a gold item of a decided answer whose decision you confirm."""
    database = open_database(Settings())
    try:
        item = add_gold_answer(database, answer_id, wrong=wrong, by=LOCAL.name)
    finally:
        database.close()
    if as_json:
        print_json({"gold_item": item, "wrong": wrong})
    else:
        console.print(f"Gold item {item} added.", highlight=False, markup=False)


@gold_commands.command("import")
def import_rows(
    file: Annotated[Path, typer.Argument(help="Rows {question, answer, passages, wrong}.")],
    collection: Annotated[str, typer.Option(help="Collection whose documents they cite.")],
    as_json: Json = False,
) -> None:
    """Add the rows of a file as gold items; all of them, or none."""
    services = open_services(Settings())
    try:
        made = GoldFile(services.database, services.corpus, services.answerer)
        counts = made.add(file, collection, LOCAL)
    finally:
        services.close()
    if as_json:
        print_json(asdict(counts))
    else:
        told = f"{counts.added} added, {counts.known} known already."
        console.print(told, highlight=False, markup=False)


@gold_commands.command("list")
def list_items(as_json: Json = False) -> None:
    """Every gold item, and what a reviewer said of it; keep it from reviewers."""
    database = open_database(Settings())
    try:
        found = gold_items(database)
    finally:
        database.close()
    if as_json:
        print_json({"gold_items": [asdict(item) for item in found]})
    else:
        rows = [asdict(item) | {"question": in_short(item.question)} for item in found]
        print_table("Gold items", COLUMNS, [[row[name] for name in COLUMNS] for row in rows])
