"""``ingest`` and ``index``: documents in, and index versions promoted or rolled back."""

from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app.corpus.corpus import Corpus
from app.settings import Settings
from app.wiring import Services, build_corpus, open_database, open_services
from cli.output import Json, console, print_json, print_table, progress
from ingestion.pipeline import Report, pipeline_for
from ingestion.sources import find_files


class PathsFirst(TyperGroup):
    """``ingest PATH…`` means ``ingest files PATH…``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any group, but what is no command of the group is taken for a path."""
        if args and args[0] not in (*self.commands, "--help"):
            args = ["files", *args]
        return super().parse_args(ctx, args)


index_commands = typer.Typer(help="Index versions.", no_args_is_help=True)
ingest_commands = typer.Typer(
    cls=PathsFirst, help="Ingest files and folders, or retry what failed.", no_args_is_help=True
)


@ingest_commands.command("files")
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders.")],
    collection: Annotated[str, typer.Option(help="Collection to put them in.")] = "main",
    valid_until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Their last valid day; answers from them are held afterwards.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ingest documents, then build and promote an index version if anything changed.

    Exit status 2 when some documents could not be ingested; the others are.
    """
    services = open_services(Settings())
    try:
        until = valid_until.date() if valid_until else None
        report = ingest_paths(services, paths, collection, as_json, until)
    finally:
        services.close()
    _end(report, as_json)


@ingest_commands.command()
def retry(
    document_ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of documents; without any, all that failed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ingest documents once more that failed or were given up; exit status as for ingest."""
    services = open_services(Settings())
    try:
        report = pipeline_for(services).retry(document_ids or [])
    finally:
        services.close()
    _end(report, as_json)


def _end(report: Report, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report))
    else:
        print_report(report)
    if report.failures:
        raise typer.Exit(2)


def ingest_paths(
    services: Services,
    paths: list[Path],
    collection: str,
    quiet: bool,
    valid_until: date | None = None,
) -> Report:
    """Ingest with a progress bar on standard error."""
    files = find_files(paths)
    pipeline = pipeline_for(services)
    with progress(quiet) as bar:
        task = bar.add_task("Ingesting", total=len(files))
        return pipeline.ingest(files, collection, lambda _name: bar.advance(task), valid_until)


def print_report(report: Report) -> None:
    """What an ingestion did, and why a document was refused."""
    console.print(
        f"{report.ingested} ingested ({report.passages} passages), "
        f"{report.unchanged} unchanged, {len(report.failures)} failed"
        + (f", {report.suspects} suspect passages" if report.suspects else "")
        + (f"; index version {report.index_version} is live" if report.index_version else ""),
        highlight=False,
    )
    if report.failures:
        rows = [(f.source, f.code, f.message) for f in report.failures]
        print_table("Not ingested", ["document", "code", "reason"], rows)


@index_commands.command("list")
def list_versions(as_json: Json = False) -> None:
    """All index versions, newest first."""
    database = open_database(Settings())
    versions = [asdict(version) for version in Corpus(database).versions.all()]
    database.close()
    if as_json:
        print_json(versions)
        return
    columns = ["version_id", "state", "passages", "embedder", "created_at", "promoted_at"]
    print_table("Index versions", columns, [[v[c] for c in columns] for v in versions])


@index_commands.command()
def build(
    promote: Annotated[bool, typer.Option(help="Make it live when it is verified.")] = True,
    as_json: Json = False,
) -> None:
    """Build and verify a version of everything that is ready."""
    services = open_services(Settings())
    try:
        version_id = pipeline_for(services).index.build()
        if promote:
            services.corpus.versions.promote(version_id)
    finally:
        services.close()
    _say(as_json, version_id, "live" if promote else "verified")


@index_commands.command()
def promote(version_id: str, as_json: Json = False) -> None:
    """Make a verified version live, in every process, at once."""
    settings = Settings()
    database = open_database(settings)
    try:
        build_corpus(settings, database).versions.promote(version_id)
    finally:
        database.close()
    _say(as_json, version_id, "live")


@index_commands.command()
def rollback(as_json: Json = False) -> None:
    """Make the version live that was live before."""
    settings = Settings()
    database = open_database(settings)
    try:
        version_id = build_corpus(settings, database).versions.rollback()
    finally:
        database.close()
    _say(as_json, version_id, "live")


@index_commands.command()
def suspects(as_json: Json = False) -> None:
    """Passages that seem to give orders: answers that rest on one are held."""
    database = open_database(Settings())
    found = [asdict(one) for one in Corpus(database).passages.suspects()]
    database.close()
    if as_json:
        print_json(found)
        return
    columns = ["passage_id", "collection", "source", "page", "reason"]
    print_table("Suspect passages", columns, [[one[c] for c in columns] for one in found])


@index_commands.command()
def admit(passage_id: str, as_json: Json = False) -> None:
    """A person has read the passage: it is suspect no more."""
    database = open_database(Settings())
    try:
        Corpus(database).passages.admit(passage_id)
    finally:
        database.close()
    if as_json:
        print_json({"passage_id": passage_id, "suspect": None})
    else:
        console.print("Admitted.", highlight=False)


def _say(as_json: bool, version_id: str, state: str) -> None:
    if as_json:
        print_json({"version_id": version_id, "state": state})
    else:
        console.print(f"Index version {version_id} is {state}.", highlight=False)
