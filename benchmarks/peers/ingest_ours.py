"""Countersign under the comparison of ingestion: jail, passages, screens, store and index."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import NamedTemporaryFile

from benchmarks.peers.ingest_talk import Ingested, IngestTask, run
from benchmarks.pipeline import temporary_service
from countersign import __version__
from ingestion.formats.jail import SERVERS, extract_jailed
from ingestion.pipeline import pipeline_for


def prepare(task: IngestTask) -> Callable[[], Ingested]:
    """The ingestion of a service on a temporary store, with its models loaded."""
    stack = ExitStack()
    services, _ = stack.enter_context(temporary_service())
    services.screens.warm_up()
    pipeline = pipeline_for(services)
    pipeline.warm_up()
    with NamedTemporaryFile(
        suffix=".html"
    ) as page:  # the readers' imports, as the peers have theirs
        page.write(b"<p>Nothing.</p>")
        page.flush()
        extract_jailed(Path(page.name), page.name)

    def ingest() -> Ingested:
        report = pipeline.ingest([Path(file) for file in task.files], "main")
        SERVERS.close()  # so that the CPU time of its children counts
        stages = {name: round(spent, 3) for name, spent in sorted(pipeline.spent.seconds.items())}
        stack.close()
        return Ingested(report.ingested, report.passages, stages)

    return ingest


if __name__ == "__main__":
    run(prepare, __version__)
