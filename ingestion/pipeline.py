"""One document: register, claim, extract in a jail, cut, embed, save; then one new index version.

Every step can be repeated: after a crash the next run takes up what was left, without loss
and without duplicates.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import structlog

from app.corpus.documents import Corpus
from app.corpus.passages import NewPassage
from app.corpus.tables import DocumentRow
from app.errors import CountersignError, DocumentRefused
from app.files import sha256_file
from app.ports import Embedder
from app.settings import Settings
from app.wiring import Services
from ingestion.formats.document import Extracted
from ingestion.indexing import build_and_promote
from ingestion.stages import Prepared, Stages
from ingestion.suspects import Suspects

LEASE = timedelta(minutes=10)
IDLE_S = 1.0
RETRY_S = 30.0
"""After a failure: a full disk must not be tried, and logged, every second."""
SOURCE_CHARS = 1000
"""The longest path that the documents table can hold."""
OnDocument = Callable[[str], None]
log = structlog.get_logger()


@dataclass(frozen=True)
class Failure:
    """A document that could not be ingested, and why."""

    source: str
    code: str
    message: str


@dataclass
class Report:
    """What one run did; ``passages`` counts those stored durably, ``suspects`` those of them
    that seem to give orders."""

    ingested: int = 0
    unchanged: int = 0
    passages: int = 0
    suspects: int = 0
    failures: list[Failure] = field(default_factory=list)
    index_version: str | None = None


class Pipeline:
    """Ingestion over one corpus."""

    def __init__(
        self, corpus: Corpus, embedder: Embedder, settings: Settings, suspects: Suspects
    ) -> None:
        self._corpus, self._embedder, self._settings = corpus, embedder, settings
        self._suspects = suspects
        self._stages: Stages | None = None

    def ingest(
        self,
        files: Sequence[Path],
        collection: str,
        on_document: OnDocument = lambda _source: None,
        valid_until: date | None = None,
    ) -> Report:
        """Ingest ``files``, then build and promote an index version if anything changed.

        ``valid_until`` is the last valid day of those that do not state one themselves.
        A file that cannot be read is in the report's failures; the rest goes on.
        """
        report = Report()
        changed = []
        for file in files:
            document_id = self._register(file, collection, report, valid_until)
            if document_id is None:
                on_document(_shown(file.name))
            else:
                changed.append(document_id)
        while (document := self._corpus.claim_pending(LEASE, changed)) is not None:
            self.process(document, report)
            on_document(Path(document.source).name)
        if self._corpus.unindexed():
            report.index_version = self.build()
        return report

    def process(self, document: DocumentRow, report: Report) -> None:
        """Take one claimed document to ready or failed."""
        try:
            passages, extracted = self._passages(document)
            saved = self._corpus.save_passages(
                document.id,
                document.sha256,
                title=extracted.title,
                media_type=extracted.media_type,
                embedder=self._embedder.name,
                passages=passages,
                valid_until=extracted.valid_until,
            )
            if saved:
                report.ingested += 1
                report.passages += len(passages)
                report.suspects += sum(p.suspect is not None for p in passages)
        except DocumentRefused as error:
            self._fail(document, error.reason, error.message, report)
        except OSError as error:
            self._fail(
                document, "unreadable", f"The file cannot be read: {error.strerror}.", report
            )

    def build(self) -> str:
        """A new index version of all that is ready, promoted."""
        return build_and_promote(
            self._corpus,
            self._embedder.name,
            self._settings.index_dir,
            keep=self._settings.keep_index_versions,
            device=self._settings.device,
        )

    def _register(
        self, file: Path, collection: str, report: Report, valid_until: date | None
    ) -> str | None:
        source = str(file)
        if len(source) > SOURCE_CHARS or source != _shown(source):
            why = f"The path is longer than {SOURCE_CHARS} characters, or is not text."
            report.failures.append(Failure(_shown(source), "bad_name", why))
            return None
        try:
            digest = sha256_file(file)
        except OSError as error:
            report.failures.append(Failure(source, "unreadable", str(error.strerror)))
            return None
        row, changed = self._corpus.add_document(
            collection, source, source, digest, self._embedder.name, valid_until=valid_until
        )
        report.unchanged += not changed
        return row.id if changed else None

    def _passages(self, document: DocumentRow) -> tuple[list[NewPassage], Extracted]:
        path = Path(document.stored_at)
        if sha256_file(path) != document.sha256:
            raise DocumentRefused("changed", "The file changed while it waited; ingest it again.")
        extracted, prepared = self._running().prepare(path, Path(document.source).name)
        return [_new_passage(one) for one in prepared], extracted

    def _running(self) -> Stages:
        if self._stages is None:
            from app.inference.embedder import load_tokenizer

            tokens = self._settings.passage_tokens
            self._stages = Stages(self._embedder, load_tokenizer(), self._suspects, tokens)
        return self._stages

    def _fail(self, document: DocumentRow, code: str, message: str, report: Report) -> None:
        self._corpus.fail_document(document.id, document.sha256, code, message)
        report.failures.append(Failure(document.source, code, message))


def _new_passage(prepared: Prepared) -> NewPassage:
    cut = prepared.cut
    return NewPassage(cut.text, cut.start, cut.end, cut.page, prepared.vector, prepared.suspect)


def pipeline_for(services: Services) -> Pipeline:
    """The ingestion of a running service."""
    suspects = Suspects(services.screens, services.policies.current().policy)
    return Pipeline(services.corpus, services.embedder, services.settings, suspects)


def _shown(name: str) -> str:
    """A file's name with the bytes that are not text escaped: it can be stored and printed."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def worker(services: Services) -> Iterator[None]:
    """Ingest pending uploads beside the service until the block is left."""
    stop = threading.Event()
    pipeline = pipeline_for(services)
    thread = threading.Thread(target=_work, args=(pipeline, services.corpus, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=30)


def _work(pipeline: Pipeline, corpus: Corpus, stop: threading.Event) -> None:
    while not stop.is_set():
        pause = RETRY_S
        try:
            pause = 0.0 if _drain(pipeline, corpus, stop) else IDLE_S
        except CountersignError as error:
            log.warning("ingestion_failed", code=error.code)
        except Exception:  # the worker loop: one bad document must not end ingestion
            log.exception("ingestion_crashed")
        stop.wait(pause)


def _drain(pipeline: Pipeline, corpus: Corpus, stop: threading.Event) -> bool:
    """Process what is pending, then index it; False when there was nothing to do."""
    report = Report()
    while not stop.is_set() and (document := corpus.claim_pending(LEASE)) is not None:
        pipeline.process(document, report)
    if corpus.unindexed():
        report.index_version = pipeline.build()
        log.info("ingested", documents=report.ingested, index_version=report.index_version)
    return bool(report.ingested or report.failures or report.index_version)
