"""``countersign``: the command line, and how an error is shown."""

import gc
import sys
from io import TextIOWrapper
from typing import Annotated

import typer
from typer.exceptions import TyperException

from app.errors import CountersignError, Invalid, from_os_error
from cli.commands import Commands
from countersign import __version__

app = typer.Typer(
    name="countersign",
    cls=Commands,
    help="Answers from your documents, and nothing risky goes out without a signature.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may be keys
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"countersign {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_say_version),
    ] = False,
) -> None:
    """Settings come from COUNTERSIGN_* variables; ``countersign doctor`` shows them."""


def main() -> None:
    """Run a command; a coded error is one line on standard error, and exit status 1."""
    _write_any_character()
    gc.disable()  # until a command is imported: looking for garbage takes a tenth of that
    try:
        if "--json" in sys.argv:  # typer would draw its box for people
            ended = app(standalone_mode=False)
            sys.exit(ended if isinstance(ended, int) else 0)
        app()
    except TyperException as error:  # wrong arguments
        _show(Invalid(error.format_message()))
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(1)
    except CountersignError as error:
        _show(error)
        sys.exit(1)
    except UnicodeEncodeError as error:
        _show(Invalid(f"What was given holds {error.object[error.start]!r}, which is no text."))
        sys.exit(1)
    except OSError as error:  # whoever types commands knows where the files lie
        _show(from_os_error(error, error.filename or ""))
        sys.exit(1)


def _write_any_character() -> None:
    """What an encoding lacks is written as an escape: what a command has done, or a password that
    is shown once, must not be lost for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a test's own is none
            stream.reconfigure(errors="backslashreplace")


def _show(error: CountersignError) -> None:
    from rich.markup import escape

    from cli.output import errors, message_of, print_json

    if "--json" in sys.argv:
        print_json({**error.wire(request_id=""), "message": message_of(error)})
    else:
        said = f"[bold red]{error.code}[/]: {escape(message_of(error))}"
        errors.print(said, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
