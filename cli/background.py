"""``background``: the periodic work of the service, without the service."""

import time
from typing import Annotated

import typer

from app.access.service import Access
from app.background import TICK_S, Background, background_of
from app.errors import Conflict
from app.gate.drift import DriftMonitors
from app.lease import PATIENCE_S
from app.review.desk import ReviewDesk
from app.settings import Settings
from app.wiring import open_database
from cli.output import Json, console, print_json
from cli.signals import stop_at_signal

background_commands = typer.Typer(
    help="Periodic work: expiry of reviews, drift, purge.", no_args_is_help=True
)


@background_commands.command()
def run(
    once: Annotated[bool, typer.Option("--once", help="Do everything once, and end.")] = False,
    as_json: Json = False,
) -> None:
    """Expire overdue reviews, look for drift, purge; one process at a time does it."""
    settings = Settings()
    database = open_database(settings)
    desk, access = ReviewDesk(database, settings), Access(database, settings)
    work = background_of(database, desk, DriftMonitors(database), access, settings)
    ran: list[str] = []
    try:
        if once:
            ran = _run_once(work)
        else:
            work.run_until(stop_at_signal())
    finally:
        work.end()
        database.close()
    if as_json:
        print_json({"ran": ran} if once else {"stopped": True})
    else:
        told = f"Done: {', '.join(ran) or 'nothing'}." if once else "Stopped."
        console.print(told, highlight=False)


def _run_once(work: Background) -> list[str]:
    """All jobs; a process that holds the lease and has ended is waited out."""
    ends = time.monotonic() + PATIENCE_S + 2 * TICK_S
    while (ran := work.run_due()) is None:
        if time.monotonic() > ends:
            raise Conflict("Another process does this work: a service that is running.")
        time.sleep(TICK_S)
    return ran
