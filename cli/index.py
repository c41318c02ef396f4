"""``index``: index versions listed, built, promoted and rolled back; suspect passages."""

from dataclasses import asdict
from typing import Annotated

import typer

from app.corpus.corpus import Corpus
from app.settings import Settings
from app.wiring import build_corpus, open_database, open_services
from cli.output import Json, console, print_json, print_table
from ingestion.pipeline import pipeline_for

index_commands = typer.Typer(help="Index versions.", no_args_is_help=True)


@index_commands.command("list")
def list_versions(as_json: Json = False) -> None:
    """All index versions, newest first."""
    database = open_database(Settings())
    versions = [asdict(version) for version in Corpus(database).versions.all()]
    database.close()
    if as_json:
        print_json(versions)
        return
    columns = ["version_id", "state", "passages", "promoted_at", "created_at", "embedder"]
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
        versions = services.corpus.versions
        # A service beside may have indexed what became ready since this one was begun.
        is_live = promote and versions.promote(version_id, over_newer=False)
    finally:
        services.close()
    _say(as_json, version_id, "live" if is_live else "verified")
    if promote and not (is_live or as_json):
        console.print("A version that was begun later is live; it holds all that this one does.")


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
    columns = ["passage_id", "reason", "source", "page", "collection"]
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
