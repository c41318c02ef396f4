"""``gaps``: questions that got no answer, those that ask the same together."""

from dataclasses import asdict
from typing import Annotated

import typer

from app import backends
from app.access.principals import LOCAL
from app.answering.gaps import Gaps, NearestQuotes
from app.deadline import Deadline
from app.review.quotes import QuotesView, QuoteView
from app.settings import Settings
from app.wiring import open_database, open_services
from cli.output import Json, console, in_short, pages_of, print_json, print_table

COLUMNS = "gap_id question asked askers abstained refused expired last_at".split()


def gaps(
    days: Annotated[int, typer.Option(help="How far to look back.", min=1, max=365)] = 30,
    collection: Annotated[str | None, typer.Option(help="Asked of this collection.")] = None,
    quotes: Annotated[
        str | None, typer.Option(help="Quote what comes nearest to an answer of this gap.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Questions that got no answer, those that ask the same together; the most asked first."""
    settings = Settings()
    if quotes is not None:
        _show_quotes(_quotes(settings, quotes), as_json)
        return
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
            [one.gap_id, in_short(one.question), *(getattr(one, name) for name in COLUMNS[2:])]
            for one in found.gaps
        ]
        print_table("Questions without an answer", COLUMNS, rows)


def _quotes(settings: Settings, gap_id: str) -> QuotesView:
    services = open_services(settings)
    try:
        nearest = NearestQuotes(
            Gaps(services.database, services.embedder.embed),
            services.retriever,
            services.quotes,
            settings.evidence_passages,
        )
        return nearest.of(LOCAL, gap_id, Deadline(settings.deadline_s))
    finally:
        services.close()


def _show_quotes(found: QuotesView, as_json: bool) -> None:
    if as_json:
        print_json(asdict(found))
        return
    for quote in found.quotes:
        console.print(_place(quote), markup=False, highlight=False, style="bold")
        for sentence in quote.answer.sentences:
            console.print(f"    {sentence.text}", markup=False, highlight=False)
    if not found.quotes:
        console.print("The search finds nothing that could be quoted.", highlight=False)


def _place(quote: QuoteView) -> str:
    """Title and headings from the outside in, and the pages."""
    (first, *_) = quote.answer.citations
    path = dict.fromkeys([first.title, *quote.headings])
    return " › ".join(filter(None, path)) + pages_of(first.page, first.last_page)
