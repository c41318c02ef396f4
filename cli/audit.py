"""``audit``: is the database as the audit chain says; checkpoints, and proofs for others."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.errors import AuditBroken
from app.files import replace_text
from app.proof.audit_checks import verified
from app.proof.checkpoints import Checkpoints, read_checkpoint
from app.proof.export import CHECKER, signed_proof_of
from app.proof.sealing import seal_earlier_rows
from app.proof.verify import AuditReport
from app.settings import Settings
from app.wiring import open_database
from cli.output import Json, console, print_json, print_table

audit_commands = typer.Typer(help="The audit chain: verify, sign, export.", no_args_is_help=True)
DOES_NOT_HOLD = 2
"""Exit status when something is not as the chain says."""
Out = Annotated[Path | None, typer.Option(help="Also write it here.")]


@audit_commands.command()
def verify(
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint that was kept elsewhere (repeatable).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare every row that matters with its link, and the chain with signed checkpoints."""
    settings = Settings()
    database = open_database(settings)
    try:
        report = verified(database, settings, [read_checkpoint(path) for path in checkpoint or []])
    finally:
        database.close()
    if as_json:
        print_json(report.wire())
    else:
        _print(report)
    if not report.sound:
        raise typer.Exit(DOES_NOT_HOLD)


@audit_commands.command()
def checkpoint(out: Out = None, as_json: Json = False) -> None:
    """Sign the chain as it is now; keep the file where nobody can change the database."""
    settings = Settings()
    database = open_database(settings)
    try:
        made = Checkpoints(database, settings).make(out)
    finally:
        database.close()
    if as_json:
        print_json(asdict(made))
    else:
        console.print(f"Signed at link {made.number} by {made.key}.", highlight=False)


@audit_commands.command()
def rotate(as_json: Json = False) -> None:
    """Make a new signing key; checkpoints of earlier keys still verify."""
    settings = Settings()
    database = open_database(settings)
    try:
        checkpoints = Checkpoints(database, settings)
        checkpoints.make()
        key = checkpoints.keys.rotate()
    finally:
        database.close()
    if as_json:
        print_json({"key": key})
    else:
        console.print(f"From now on {key} signs.", highlight=False)


@audit_commands.command()
def seal(as_json: Json = False) -> None:
    """Seal rows from before there were seals, once after an upgrade; refused while anything
    does not fit."""
    settings = Settings()
    database = open_database(settings)
    try:
        report = verified(database, settings)
        if not report.sound:
            raise AuditBroken("Something does not fit; see `countersign audit verify`.")
        sealed = seal_earlier_rows(database)
    finally:
        database.close()
    if as_json:
        print_json({"sealed": sealed})
    else:
        console.print(f"Sealed {sealed} rows as they are.", highlight=False)


@audit_commands.command("export")
def export_answer(
    answer_id: str,
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    as_json: Json = False,
) -> None:
    """Write all evidence of one answer with its proof; verify_answer.py checks it anywhere."""
    write_export(answer_id, out, as_json)


def write_export(answer_id: str, out: Path, as_json: bool) -> None:
    """Write the file of one answer; exit status 2 when its record does not fit."""
    settings = Settings()
    database = open_database(settings)
    try:
        proof = signed_proof_of(Checkpoints(database, settings), database, answer_id)
    finally:
        database.close()
    replace_text(out, [json.dumps(proof, ensure_ascii=False, indent=1), "\n"])
    checks = proof["checks"]
    erased = checks["content_sha256_fits"] is None
    sound = (erased or checks["content_sha256_fits"]) and checks["broken_audit_link"] is None
    told = {"sound": sound, **checks, "checker": str(CHECKER)}
    if as_json:
        print_json({"out": str(out), **told})
    else:
        fit = "its words were erased, and what is left fits" if erased else "all hashes fit"
        words = fit if sound else f"HASHES DO NOT FIT: {checks}"
        console.print(f"Written to {out}; {words}. Check it with {CHECKER}.", markup=False)
    if not sound:
        raise typer.Exit(DOES_NOT_HOLD)


def _print(report: AuditReport) -> None:
    if report.problems:
        rows = [(one.where, one.key, one.message) for one in report.problems]
        print_table("Not as the chain says", ["where", "key", "what"], rows)
    named = "none" if report.checkpoint is None else f"up to link {report.checkpoint}"
    counts = [
        ("links", report.links),
        ("rows", report.rows),
        ("problems", report.problem_count),
        ("erased on purpose", report.erased),
        ("links without seals", report.links_without_seals),
        ("rows without seals", report.rows_without_seals),
        ("signed checkpoint", named),
    ]
    print_table("Audit", ["", ""], counts)
