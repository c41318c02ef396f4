"""``countersign``: every command of the service, ingestion and review."""

import sys
from typing import Annotated

import typer
from rich.markup import escape

from app.errors import CountersignError
from cli import gate, gold, index, models, people, policies, records, review, serve
from cli.doctor import doctor
from cli.output import errors, print_json

app = typer.Typer(
    name="countersign",
    help="Answers from your documents, and nothing risky goes out without a signature.",
    no_args_is_help=True,
    add_completion=False,
)
app.command()(serve.serve)
app.add_typer(index.ingest_commands, name="ingest")
app.command()(serve.ask)
app.command()(records.replay)
app.command()(records.export)
app.add_typer(index.index_commands, name="index")
app.add_typer(review.review_commands, name="review")
app.add_typer(gate.gate_commands, name="gate")
app.add_typer(gold.gold_commands, name="gold")
app.add_typer(policies.policy_commands, name="policy")
app.add_typer(models.model_commands, name="models")
app.add_typer(people.key_commands, name="keys")
app.add_typer(people.user_commands, name="users")
app.command()(doctor)


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Settings come from COUNTERSIGN_* variables; ``countersign doctor`` shows them."""
    if version:
        typer.echo("countersign 0.1.0")
        raise typer.Exit


def main() -> None:
    """Run a command; a coded error is one line on standard error, and exit status 1."""
    try:
        app()
    except CountersignError as error:
        if "--json" in sys.argv:
            print_json(error.wire(request_id=""))
        else:
            errors.print(f"[bold red]{error.code}[/]: {escape(error.message)}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
