"""``notices``: what is still to be told to people and programs."""

from dataclasses import asdict

import typer

from app.notices.sender import Sender, send_again, waiting_notices
from app.settings import Settings
from app.wiring import open_database
from cli.output import Json, console, print_json, print_table

notice_commands = typer.Typer(
    help="Notices: what waits, and a test of webhook and mail.", no_args_is_help=True
)
COLUMNS = "event_id kind destination problem attempts gave_up next_try_at subject".split()


@notice_commands.command("list")
def list_waiting(as_json: Json = False) -> None:
    """Notices that were not sent yet or were given up, and what the last try came to."""
    database = open_database(Settings())
    try:
        found = waiting_notices(database)
    finally:
        database.close()
    if as_json:
        print_json({"notices": [asdict(one) for one in found]})
    else:
        rows = [[getattr(one, name) for name in COLUMNS] for one in found]
        print_table("Notices", COLUMNS, rows)


@notice_commands.command()
def again(as_json: Json = False) -> None:
    """Send what was given up once more."""
    database = open_database(Settings())
    try:
        many = send_again(database)
    finally:
        database.close()
    if as_json:
        print_json({"due": many})
    else:
        console.print(f"{many} notices are due now.", highlight=False)


@notice_commands.command()
def test(as_json: Json = False) -> None:
    """Send a notice of nothing to the webhook and to the reviewers' addresses."""
    settings = Settings()
    database = open_database(settings)
    try:
        told = Sender(database, settings).test()
    finally:
        database.close()
    if as_json:
        print_json({"sent": told})
    else:
        console.print(f"Sent to: {', '.join(told) or 'nobody'}.", highlight=False, markup=False)
