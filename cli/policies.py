"""``policy``: check a policy file, run its tests, and see what it would have changed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app.access.principals import LOCAL
from app.backends import build_checks, build_support
from app.errors import NotFound, PolicyRefused, from_os_error
from app.proof.dry_run import dry_run, read_policy, shadow_report
from app.settings import Settings
from app.wiring import open_database
from cli.output import Json, console, in_short, print_json, print_table
from guardrails.policy.decide import Policy
from guardrails.policy.load import PolicyInvalid
from guardrails.policy.tests import path_of_tests, run_policy_tests, untested_rules

policy_commands = typer.Typer(help="Policies: check, test, try.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="The policy file (YAML).")]
Since = Annotated[
    float | None, typer.Option(min=0, max=36_500, help="Only answers of the last days.")
]


@policy_commands.command()
def check(file: File, as_json: Json = False) -> None:
    """Whether a policy file can be used, and its hash."""
    policy = read_policy_file(file)
    told = {
        "policy": f"{policy.name} {policy.version}",
        "sha256": policy.sha256,
        "rules": len(policy.rules),
        "topics": len(policy.topics),
    }
    if as_json:
        print_json(told)
    else:
        words = f"{told['policy']}: valid, {told['rules']} rules, {told['topics']} topics"
        line = f"{words}, SHA-256 {policy.sha256}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


@policy_commands.command()
def test(file: File, as_json: Json = False) -> None:
    """Run the tests that lie beside a policy file; exit status 1 when one fails."""
    policy, beside = read_policy_file(file), path_of_tests(file)
    if not beside.is_file():
        raise NotFound(f"There are no tests beside the policy: {beside.name} is missing.")
    try:
        support = build_support(Settings())
        results = run_policy_tests(
            policy, _text(beside), beside.name, lambda one: build_checks(one, support)
        )
    except PolicyInvalid as error:
        raise PolicyRefused(str(error)) from error
    failed = [{"name": one.name, "faults": list(one.faults)} for one in results if one.faults]
    untested = untested_rules(policy, results)
    if as_json:
        print_json({"cases": len(results), "failed": failed, "untested_rules": untested})
    else:
        _print_tests(len(results), failed, untested)
    if failed:
        raise typer.Exit(1)


def _print_tests(cases: int, failed: list[dict[str, Any]], untested: list[int]) -> None:
    for one in failed:
        console.print(f"{one['name']}: {'; '.join(one['faults'])}", markup=False, style="red")
    console.print(f"{cases - len(failed)} of {cases} cases passed.", highlight=False)
    if untested:
        console.print(f"Rules without a test: {', '.join(map(str, untested))}.", highlight=False)


@policy_commands.command()
def diff(file: File, since: Since = None, as_json: Json = False) -> None:
    """What a policy would have done with the recorded answers."""
    policy = read_policy_file(file)
    database = open_database(Settings())
    try:
        report = dry_run(database, LOCAL, policy, since)
    finally:
        database.close()
    if as_json:
        print_json(report)
        return
    words = f"Of {report['answers']} answers this policy would have: {report['summary']}."
    console.print(words, highlight=False, markup=False)
    _print_changed(report)


@policy_commands.command()
def shadow(since: Since = None, as_json: Json = False) -> None:
    """How far the policy in the shadow agreed with what happened."""
    database = open_database(Settings())
    try:
        report = shadow_report(database, LOCAL, since)
    finally:
        database.close()
    if as_json:
        print_json(report)
        return
    for policy in report["policies"]:
        console.print(f"Shadow policy: {policy}", highlight=False, markup=False)
    rows = sorted(report["agreement"].items())
    print_table("Shadow verdicts", ["agreement", "answers"], rows)
    _print_changed(report)


def _print_changed(report: dict[str, Any]) -> None:
    rows = [
        (
            *(one[name] for name in ("answer_id", "was", "becomes")),
            in_short(one["question"]),
            in_short("; ".join(one["reasons"])),
        )
        for one in report["changed"]
    ]
    if rows:
        print_table("Changed", ["answer", "was", "becomes", "question", "why"], rows)


def read_policy_file(file: Path) -> Policy:
    """A policy that is to be tried; raises ``PolicyRefused``, or ``Invalid`` without a file."""
    return read_policy(_text(file), file.name)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyRefused(f"{file.name}: cannot be read: it is not UTF-8") from error
    except OSError as error:
        raise from_os_error(error, file) from error
