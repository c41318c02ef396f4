"""``erase``: the words of an answer, a document or a principal, for good."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Annotated

import typer

from app.access.principals import LOCAL
from app.corpus.corpus import Corpus
from app.db import Database
from app.errors import Conflict
from app.proof.erasure import Erased, Eraser
from app.settings import Settings
from app.wiring import build_corpus, open_database
from cli.output import Json, Yes, ask, console, print_json

erase_commands = typer.Typer(
    help="Erase the words of an answer, a document or a principal, for good.", no_args_is_help=True
)
Reason = Annotated[str, typer.Option(help="Why; it stays in the audit log.")]
Compact = Annotated[
    bool,
    typer.Option(
        "--compact/--no-compact", help="Rewrite the database's files, so that no old page stays."
    ),
]


@erase_commands.command()
def answer(
    answer_id: str,
    reason: Reason = "",
    compact: Compact = True,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase one answer: question, draft, evidence, release, and what reviewers wrote."""
    ask(f"Erase the words of answer {answer_id} for good?", yes, as_json)
    with _opened() as (_, _, eraser):
        _finish(eraser, lambda: eraser.answer(answer_id, LOCAL.name, reason), compact, as_json)


@erase_commands.command()
def principal(
    name: str,
    reason: Reason = "",
    compact: Compact = True,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase everything that a principal asked, with password, keys and sign-ins."""
    ask(f"Erase everything that {name} asked, with password and keys, for good?", yes, as_json)
    with _opened() as (_, _, eraser):
        _finish(eraser, lambda: eraser.principal(name, LOCAL.name, reason), compact, as_json)


@erase_commands.command()
def document(
    document_id: str,
    reason: Reason = "",
    compact: Compact = True,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase a document, its index files, and every answer that used it but for the question."""
    ask(f"Erase document {document_id} and every answer that used it, for good?", yes, as_json)

    def erase() -> Erased:
        erased = eraser.document(document_id, LOCAL.name, reason)
        build_without(settings, corpus)
        return erased

    with _opened() as (settings, corpus, eraser):
        _finish(eraser, erase, compact, as_json)


def build_without(settings: Settings, corpus: Corpus) -> None:
    """An index of what is left, and no earlier version: those hold words of what was erased."""
    from ingestion.indexing import IndexBuilder

    live = corpus.versions.live()
    embedder = live.embedder if live is not None else ""
    builder = IndexBuilder(corpus, embedder, settings.index_dir, keep=0, device=settings.device)
    if live is not None:
        try:
            builder.build_and_promote()
        except Conflict:  # nothing is left to be found
            corpus.versions.withdraw()
    builder.forget_old()


@contextmanager
def _opened() -> Iterator[tuple[Settings, Corpus, Eraser]]:
    settings = Settings()
    database: Database = open_database(settings)
    try:
        corpus = build_corpus(settings, database)
        yield settings, corpus, Eraser(database, settings, corpus)
    finally:
        database.close()


def _finish(eraser: Eraser, erase: Callable[[], Erased], compact: bool, as_json: bool) -> None:
    erased = erase()
    if compact:
        erased = replace(erased, compacted=eraser.compact())
    if as_json:
        print_json(asdict(erased))
        return
    counts = [_counted(erased.answers, "answer"), _counted(erased.documents, "document")]
    told = f"Erased {' and '.join(counts)}."
    if not erased.compacted:
        told += " Old pages of the database's files may still hold words: others use the database."
    console.print(told, highlight=False)


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
