"""``gaps``: questions that got no answer, those that ask the same together."""

from dataclasses import asdict
from typing import Annotated

import typer

from app import backends
from app.access.principals import LOCAL
from app.answering.gaps import Gaps
from app.settings import Settings
from app.wiring import open_database
from cli.output import Json, in_short, print_json, print_table

COLUMNS = "question asked askers abstained refused expired last_at".split()


def gaps(
    days: Annotated[int, typer.Option(help="How far to look back.", min=1, max=365)] = 30,
    collection: Annotated[str | None, typer.Option(help="Asked of this collection.")] = None,
    as_json: Json = False,
) -> None:
    """Questions that got no answer, those that ask the same together; the most asked first."""
    settings = Settings()
    database = open_database(settings)
    try:
        embedder = backends.build_embedder(settings)
        found = Gaps(database, embedder.embed).list(LOCAL, days, collection)
    finally:
        database.close()
    if as_json:
        print_json(asdict(found))
    else:
        rows = [
            [in_short(one.question), *(getattr(one, name) for name in COLUMNS[1:])]
            for one in found.gaps
        ]
        print_table("Questions without an answer", COLUMNS, rows)
