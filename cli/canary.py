"""``canary``: try another version of the generator on a share of the questions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer

from app.access.principals import LOCAL
from app.gate.trials import Trials, TrialView
from app.settings import Settings
from app.wiring import open_database, trials_of
from cli.output import MOST_ROWS, Json, console, in_short, print_json, print_table

canary_commands = typer.Typer(
    help="Try another version of the generator on a share of the questions.", no_args_is_help=True
)
COLUMNS = ("version", "how", "share", "state", "tried", "other", "worse : better", "reason")


@canary_commands.command()
def start(
    version: Annotated[
        str, typer.Argument(help="A name of the setting generator_versions.", metavar="VERSION")
    ],
    share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the questions, up to 1.")
    ] = 0.1,
    shadow: Annotated[
        bool, typer.Option(help="Let it answer beside the other one; nobody sees its answers.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Begin a trial; it counts at once, in every process that has the version."""
    with _trials() as trials:
        _tell(trials.start(version, share, LOCAL.name, shadow=shadow), as_json)


@canary_commands.command()
def status(
    limit: Annotated[int, typer.Option(help="At most so many trials.", min=1, max=MOST_ROWS)] = 20,
    as_json: Json = False,
) -> None:
    """The newest trials, what became of their answers, and what the test says of them."""
    with _trials() as trials:
        found = trials.listed(limit)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    print_table("Trials", COLUMNS, map(_cells, found))


@canary_commands.command()
def stop(
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "",
    as_json: Json = False,
) -> None:
    """End the trial that runs: the version in use answers everything again."""
    with _trials() as trials:
        _tell(trials.stop(LOCAL.name, reason), as_json)


@canary_commands.command()
def answers(
    limit: Annotated[int, typer.Option(help="At most so many answers.", min=1, max=MOST_ROWS)] = 20,
    as_json: Json = False,
) -> None:
    """What versions in the shadow drafted, newest first, beside what was recorded."""
    with _trials() as trials:
        found = trials.shadow_answers(limit)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        (one.version, in_short(one.question), _text(one.recorded), _text(one.draft))
        for one in found
    ]
    print_table("In the shadow", ("version", "question", "recorded", "in the shadow"), rows)


@contextmanager
def _trials() -> Iterator[Trials]:
    settings = Settings()
    database = open_database(settings)
    try:
        yield trials_of(settings, database)
    finally:
        database.close()


def _tell(trial: TrialView, as_json: bool) -> None:
    if as_json:
        print_json(asdict(trial))
    else:
        how = "in the shadow" if trial.shadow else "as a canary"
        line = f"{trial.version} {how}, share {trial.share:g}: {trial.state}"
        console.print(line, markup=False, highlight=False)


def _cells(trial: TrialView) -> tuple[Any, ...]:
    pairs = (f"{name} {one['worse']}:{one['better']}" for name, one in trial.pairs.items())
    return (
        trial.version,
        "shadow" if trial.shadow else "canary",
        f"{trial.share:g}",
        trial.state,
        _counts(trial.answers.get("tried", {})),
        _counts(trial.answers.get("other", {})),
        ", ".join(pairs),
        trial.reason,
    )


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in found.items())


def _text(draft: Mapping[str, Any] | None) -> str:
    return "" if draft is None else str(draft.get("text", ""))
