"""``ingest``: files and folders in as jobs; jobs shown, cancelled and tried again."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app.access.principals import LOCAL
from app.corpus.corpus import Corpus
from app.corpus.documents import USUAL_COLLECTION
from app.corpus.jobs import JobView
from app.corpus.registering import AS_IT_IS, ValidDays
from app.errors import Invalid
from app.settings import Settings
from app.wiring import Services, open_database, open_services
from cli.output import MOST_ROWS, Json, console, print_json, print_table, progress
from cli.signals import stop_at_signal
from ingestion.formats.registry import IMAGES, format_of
from ingestion.pipeline import Failure, Report, pipeline_for
from ingestion.sources import LIST, find_closed, find_files, find_folders, find_skipped, is_address


class PathsFirst(TyperGroup):
    """``ingest PATH…`` means ``ingest files PATH…``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any group, but what is no command of the group is taken for a path."""
        if args and args[0] not in (*self.commands, "--help"):
            args = ["files", *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The group's help, and below it that of its command ``files``, which has the options."""
        super().format_help(ctx, formatter)
        files = self.commands["files"]
        files.format_help(files.make_context("files", [], ctx, resilient_parsing=True), formatter)


COUNTS = ("items", "pending", "ready", "unchanged", "failed", "cancelled", "replaced", "passages")
JOB_COLUMNS = "job_id state items pending failed ready passages collection created_at by".split()
JOB_COLUMNS += ["unchanged", "cancelled", "replaced"]
MOST_ITEMS = 10_000
SKIPPED_NAMED = 5


ingest_commands = typer.Typer(
    cls=PathsFirst,
    help="Ingest files and folders; jobs, and what failed.\n\n"
    "`countersign ingest PATH...` is `countersign ingest files PATH...`: its options stand below.",
    no_args_is_help=True,
)


@ingest_commands.command("files")
def ingest(
    named: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH_OR_ADDRESS",
            help="Files and folders, or addresses: pages, sitemaps, s3://, gs://, abfs://, "
            "sftp://, and index+https:// for a folder that a server lists.",
        ),
    ] = None,
    collection: Annotated[str, typer.Option(help="Collection to put them in.")] = USUAL_COLLECTION,
    create: Annotated[bool, typer.Option("--create", help="The collection may be new.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete documents of the folders whose file is gone.")
    ] = False,
    valid_until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Their last valid day; answers from them are held afterwards.",
        ),
    ] = None,
    valid_from: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Their first valid day; answers from them are held before."
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on, and ingest what changes, until it is stopped.")
    ] = False,
    listed: Annotated[
        list[Path] | None,
        typer.Option("--list", help="A file with one address a line.", exists=True, dir_okay=False),
    ] = None,
    all_skipped: Annotated[
        bool, typer.Option("--all-skipped", help="Name every file that no reader knows.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ingest documents as one job, then promote an index version if anything changed.

    Exit status 2 when some documents could not be ingested; the others are.
    """
    paths, sources = _meant(named or [], listed or [], watch)
    valid = ValidDays(*(given and given.date() for given in (valid_from, valid_until)))
    services = open_services(Settings())
    try:
        if not create:
            services.corpus.documents.require_collection(collection)
        if watch:
            _watch(services, paths, collection, as_json, valid, prune=prune)
            return
        if sources:
            from ingestion.remote import remote_for

            remote = remote_for(pipeline_for(services), services.settings, services.corpus)
            report = remote.ingest(sources, collection, valid, by=LOCAL.name, prune=prune)
        else:
            report = ingest_paths(services, paths, collection, as_json, valid, prune=prune)
    finally:
        services.close()
    _end(report, as_json, all_skipped=all_skipped)


def _meant(named: list[str], listed: list[Path], watch: bool) -> tuple[list[Path], list[str]]:
    """The paths and the addresses; raises ``Invalid`` for both at once, or none."""
    sources = [one for one in named if is_address(one)]
    sources += [f"{LIST}{file.resolve()}" for file in listed]
    paths = [Path(one) for one in named if not is_address(one)]
    if bool(sources) == bool(paths) or (sources and watch):
        raise Invalid("Name files and folders, or addresses; only files can be watched.")
    return paths, sources


def _watch(
    services: Services,
    paths: list[Path],
    collection: str,
    as_json: bool,
    valid: ValidDays,
    *,
    prune: bool,
) -> None:
    """Until SIGINT or SIGTERM; one report, or one line of JSON, whenever something was done."""
    from ingestion.watching import Watch

    stop = stop_at_signal()
    told = print_line if as_json else print_report
    watched = Watch(pipeline_for(services), paths, collection, told, prune, valid, by=LOCAL.name)
    if not as_json:
        console.print("Watching; stop it with Ctrl-C.")
    watched.run(stop)


@ingest_commands.command()
def jobs(
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=MOST_ROWS)] = 20,
    as_json: Json = False,
) -> None:
    """Ingestion jobs, newest first, and how far each is."""
    with _corpus() as corpus:
        page = corpus.jobs.page(list(corpus.jobs.collections()), limit=limit)
    if as_json:
        print_json(asdict(page))
        return
    rows = [asdict(job) | {"state": "waits" if job.waits else job.state} for job in page.jobs]
    print_table("Jobs", JOB_COLUMNS, [[row[name] for name in JOB_COLUMNS] for row in rows])


@ingest_commands.command()
def show(job_id: str, as_json: Json = False) -> None:
    """One job with its files, and why some were not ingested."""
    with _corpus() as corpus:
        details = corpus.jobs.get(job_id, limit=MOST_ITEMS)
    if as_json:
        print_json(asdict(details))
        return
    _print_job(details.job)
    rows = [
        (i.source, i.state, i.error_code, i.error_message, "\n".join(i.left_out))
        for i in details.items
    ]
    print_table("Files", ["file", "state", "code", "reason", "left out"], rows)


@ingest_commands.command()
def cancel(job_id: str, as_json: Json = False) -> None:
    """Do not read what is still pending of a job; what is ready stays."""
    with _corpus() as corpus:
        job = corpus.jobs.cancel(job_id)
    if as_json:
        print_json(asdict(job))
    else:
        _print_job(job)


@ingest_commands.command()
def retry(
    ids: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of documents or jobs; without any, all that failed."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ingest again what failed, was given up or cancelled; exit status as for ingest."""
    services = open_services(Settings())
    try:
        report = pipeline_for(services).retry(ids or [])
    finally:
        services.close()
    _end(report, as_json)


def _end(report: Report, as_json: bool, *, all_skipped: bool = False) -> None:
    if as_json:
        print_json(asdict(report))
    else:
        print_report(report, all_skipped=all_skipped)
    if report.failures:
        raise typer.Exit(2)


def ingest_paths(
    services: Services,
    paths: list[Path],
    collection: str,
    quiet: bool,
    valid: ValidDays = AS_IT_IS,
    *,
    prune: bool = False,
) -> Report:
    """Ingest with a progress bar on standard error."""
    files = find_files(paths)
    pruned = find_folders(paths) if prune else []
    pipeline = pipeline_for(services)
    with progress(quiet) as bar:
        task = bar.add_task("Ingesting", total=len(files))
        report = pipeline.ingest(
            files, collection, lambda _name: bar.advance(task), valid, by=LOCAL.name, prune=pruned
        )
    for folder in find_closed(paths):
        pipeline.refuse(report, str(folder), "unreadable", "The folder cannot be looked into.")
    named = {str(path.resolve()) for path in paths}
    pictures = [one for one in report.failures if _is_picture(one) and one.source not in named]
    report.failures = [one for one in report.failures if one not in pictures]
    report.skipped = [str(one) for one in find_skipped(paths)] + [one.source for one in pictures]
    return report


def _is_picture(failure: Failure) -> bool:
    """Whether it is a photo or a drawing: an image in which no text was found."""
    path = Path(failure.source)
    if failure.code != "empty" or format_of(path.name) not in IMAGES:
        return False
    return path.is_file() and path.stat().st_size > 0


def print_line(report: Report) -> None:
    """The report as one line of JSON, written at once."""
    print(json.dumps(asdict(report)), flush=True)


def _counted(count: int, one: str) -> str:
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def print_report(report: Report, *, all_skipped: bool = False) -> None:
    """What an ingestion did, and why a document was refused."""
    console.print(
        f"{report.ingested} ingested ({_counted(report.passages, 'passage')}), "
        f"{report.unchanged} unchanged, {len(report.failures)} failed"
        + (f", {report.moved} moved" if report.moved else "")
        + (f", {report.removed} removed" if report.removed else "")
        + (f", {_counted(report.suspects, 'suspect passage')}" if report.suspects else "")
        + (f"; index version {report.index_version} is live" if report.index_version else ""),
        highlight=False,
    )
    if report.failures:
        rows = [(f.source, f.code, f.message) for f in report.failures]
        print_table("Not ingested", ["document", "code", "reason"], rows)
    if report.left_out:
        print_table("Left out", ["document and reason"], [[one] for one in report.left_out])
    if report.skipped:
        words = _skipped_words(report.skipped, named=all_skipped)
        console.print(words, markup=False, highlight=False, soft_wrap=True)


def _skipped_words(skipped: list[str], *, named: bool) -> str:
    """How many files no reader knows, and which: their names where they are few, each path where
    that is asked for, else how many of each ending."""
    pictures = any(format_of(one) in IMAGES for one in skipped)
    told = f"{len(skipped)} skipped, of a kind that is not read"
    told += ", or images without text:" if pictures else ":"
    if named:
        return "\n".join([told, *skipped])
    if len(skipped) <= SKIPPED_NAMED:
        return f"{told} {', '.join(Path(one).name for one in skipped)}"
    endings = Counter(Path(one).suffix.lower() or "no ending" for one in skipped)
    counts = [f"{count} {ending}" for ending, count in endings.most_common(SKIPPED_NAMED)]
    more = ["…"] if len(endings) > SKIPPED_NAMED else []
    return f"{told} {', '.join(counts + more)} (--all-skipped names each)"


@contextmanager
def _corpus() -> Iterator[Corpus]:
    database = open_database(Settings())
    try:
        yield Corpus(database)
    finally:
        database.close()


def _print_job(job: JobView) -> None:
    counted = ", ".join(f"{getattr(job, name)} {name}" for name in COUNTS)
    state = "waiting for a service to go on" if job.waits else job.state
    told = f"Job {job.job_id} in {job.collection} is {state}: {counted}."
    console.print(told, markup=False, highlight=False)
