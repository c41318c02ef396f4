"""``regress``: is any mistake that a reviewer corrected made again?"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import typer

from app.answering.regress import Regressed, corrections, replay_corrections
from app.errors import from_os_error
from app.settings import Settings
from app.wiring import open_services
from cli.output import MOST_ROWS, Json, console, print_json, progress
from cli.policies import read_policy_file


def regress(
    junit: Annotated[Path | None, typer.Option(help="Also write a JUnit file, for CI.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Another policy than that in force.")] = None,
    since: Annotated[
        float | None, typer.Option(min=0, max=36_500, help="Only corrections of the last days.")
    ] = None,
    approved: Annotated[
        int, typer.Option(min=0, max=MOST_ROWS, help="Also so many of the newest approved answers.")
    ] = 100,
    as_json: Json = False,
) -> None:
    """Ask every corrected question again; exit status 1 when a mistake would go out again."""
    if policy is not None:
        read_policy_file(policy)
    settings = Settings() if policy is None else Settings(policy_file=policy)
    services = open_services(settings)
    try:
        cases = corrections(services.database, since, approved)
        found = []
        with progress(as_json) as bar:
            replayed = replay_corrections(cases, services.answerer, services.corpus)
            for one in bar.track(replayed, total=len(cases), description="Asking again"):
                found.append(one)
    finally:
        services.close()
    if junit is not None:
        _write_junit(junit, found)
    bad = [one for one in found if one.outcome != "passed"]
    if as_json:
        print_json({**_counts(found), "failed": [asdict(one) for one in bad]})
    else:
        _print(found, bad)
    if bad:
        raise typer.Exit(1)


def _counts(found: list[Regressed]) -> dict[str, int]:
    kinds = [one.outcome for one in found]
    return {
        "cases": len(found),
        "regressions": kinds.count("regression"),
        "errors": kinds.count("error"),
    }


def _print(found: list[Regressed], bad: list[Regressed]) -> None:
    for one in bad:
        line = f"{one.outcome}: {one.question}\n    {one.detail}"
        console.print(line, markup=False, highlight=False, style="red")
    counts = _counts(found)
    console.print(
        f"{counts['cases']} cases, {counts['regressions']} regressions, "
        f"{counts['errors']} could not be asked.",
        highlight=False,
    )


def _write_junit(path: Path, found: list[Regressed]) -> None:
    counts = _counts(found)
    numbers = {"tests": counts["cases"], "failures": counts["regressions"]}
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": "countersign regress",
            "errors": str(counts["errors"]),
            **{name: str(value) for name, value in numbers.items()},
        },
    )
    for one in found:
        _add_case(suite, one)
    try:
        ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise from_os_error(error, path) from error


def _add_case(suite: Any, one: Regressed) -> None:
    said = {"classname": "corrections", "name": f"{one.answer_id} {_plain(one.question)}"}
    case = ElementTree.SubElement(suite, "testcase", said)
    if one.outcome != "passed":
        kind = "failure" if one.outcome == "regression" else "error"
        ElementTree.SubElement(case, kind, {"message": _plain(one.detail), "type": one.now})


def _plain(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return "".join(c for c in text if c.isprintable() or c == "\n")
