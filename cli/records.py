"""``replay`` and ``export``: judge a recorded answer again, and write down all that proves it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.proof.replay import Replayed
from app.settings import Settings
from app.wiring import open_services
from cli.audit import write_export
from cli.output import Json, console, print_json, print_rule, print_table
from cli.policies import read_policy_file

DIFFERENT = 2
"""Exit status when an answer's own policy gives another verdict."""


def replay(
    answer_id: str,
    policy: Annotated[
        Path | None, typer.Option(help="Judge by this policy and show the difference.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge a recorded answer again; its own policy must give the same verdict."""
    other = read_policy_file(policy) if policy is not None else None
    services = open_services(Settings())
    try:
        result = services.replayer.replay(answer_id, other)
    finally:
        services.close()
    if as_json:
        print_json(asdict(result))
    else:
        _print_replay(result)
    if other is None and not result.same:
        raise typer.Exit(DIFFERENT)


def export(
    answer_id: str,
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    as_json: Json = False,
) -> None:
    """Write all evidence of one answer with its proof, as `audit export` does."""
    write_export(answer_id, out, as_json)


def _print_replay(result: Replayed) -> None:
    print_rule(f"{'same' if result.same else 'different'} · {result.answer_id}")
    console.print(result.question, markup=False, style="bold")
    for warning in result.warnings:
        console.print(f"{warning.code}: {warning.message}", markup=False, style="yellow")
    sides = [("recorded", result.recorded), ("replayed", result.replayed)]
    rows = [(name, side.action, "; ".join(side.reasons)) for name, side in sides]
    print_table("Verdicts", ["", "action", "reasons"], rows)
    changed = [("new", one) for one in result.findings_added]
    changed += [("gone", one) for one in result.findings_gone]
    if changed:
        found = [(how, one.check, one.outcome, one.message) for how, one in changed]
        print_table("Findings", ["", "check", "outcome", "message"], found)
