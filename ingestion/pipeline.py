"""One document: register, claim, extract in a jail, cut, embed, save; then one new index version.

Every step can be repeated: after a crash the next run takes up what was left, without loss
and without duplicates.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import structlog

from app.corpus.corpus import Corpus
from app.corpus.documents import ClaimedDocument
from app.corpus.leases import renewed
from app.corpus.passages import NewPassage
from app.corpus.uploads import Uploads
from app.errors import CountersignError, DependencyFailed, DocumentRefused, NotReady
from app.files import sha256_file
from app.ports import Embedder
from app.retrieval.live_index import LiveIndex
from app.retrieval.retriever import Retriever
from app.settings import Settings
from app.wiring import Services
from ingestion.formats.document import Extracted
from ingestion.indexing import FOLD_SHARE, IndexBuilder
from ingestion.stages import Prepared, Stages
from ingestion.suspects import Suspects

IDLE_S = 0.3
UPDATE_S = 0.5
"""Between two index versions while documents are read."""
RETRY_S = 30.0
"""After a failure: a full disk must not be tried, and logged, every second."""
TIDY_S = 600.0
MAY_PASS = frozenset({"timeout", "crashed", "changed"})
"""Reasons to refuse a document that another try may not meet: its file is kept."""
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
        self,
        corpus: Corpus,
        embedder: Embedder,
        settings: Settings,
        suspects: Suspects,
        live_index: LiveIndex | None = None,
    ) -> None:
        self._corpus, self._embedder, self._settings = corpus, embedder, settings
        self._suspects = suspects
        self._uploads = Uploads(settings.upload_dir, settings.max_upload_bytes)
        self._stages: Stages | None = None
        self.index = IndexBuilder(
            corpus,
            embedder.name,
            settings.index_dir,
            keep=settings.keep_index_versions,
            hours=settings.keep_index_hours,
            device=settings.device,
            live_index=live_index,
        )

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
        return self._finish(changed, report, on_document)

    def retry(self, document_ids: Sequence[str]) -> Report:
        """Ingest documents again that failed, all of them without ids; then as ``ingest``."""
        return self._finish(self._corpus.documents.retry(document_ids), Report())

    def process(self, document: ClaimedDocument, report: Report) -> None:
        """Take one claimed document to ready or failed, or put it back for another attempt."""
        try:
            with renewed(partial(self._corpus.documents.renew, document)):
                self._take_in(document, report)
        except DocumentRefused as error:
            self._fail(document, error.reason, error.message, report)
            if error.reason not in MAY_PASS:
                self._uploads.remove(document.stored_at)
        except OSError as error:
            self._fail(
                document, "unreadable", f"The file cannot be read: {error.strerror}.", report
            )
        except CountersignError as error:
            self._put_back(document, error.code, error.message, report)
        except Exception as error:  # the worker: one bad document must not end ingestion
            log.exception("ingestion_crashed", document=document.id)
            why = f"Ingestion crashed ({type(error).__name__}); the log says more."
            self._put_back(document, CountersignError.code, why, report)

    def tidy(self) -> None:
        """Remove what crashes left behind: uploads, and index versions of dead builders."""
        self._uploads.sweep(self._corpus.documents.files())
        self.index.forget_old()

    def build(self) -> str:
        """A new index version of all that is ready, promoted."""
        return self.index.build_and_promote()

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
        added = self._corpus.documents.add(
            collection, source, source, digest, self._embedder.name, valid_until=valid_until
        )
        report.unchanged += not added.changed
        return added.document_id if added.changed else None

    def _finish(
        self,
        document_ids: Sequence[str],
        report: Report,
        on_document: OnDocument = lambda _source: None,
    ) -> Report:
        while (document := self._corpus.documents.claim(document_ids)) is not None:
            self.process(document, report)
            on_document(Path(document.source).name)
        if self._corpus.versions.unindexed():
            # Nobody folds changes in later, so a version with many is a full build.
            report.index_version = self.index.update(FOLD_SHARE)
        return report

    def _take_in(self, document: ClaimedDocument, report: Report) -> None:
        passages, extracted = self._passages(document)
        saved = self._corpus.documents.save(
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

    def _passages(self, document: ClaimedDocument) -> tuple[list[NewPassage], Extracted]:
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

    def _fail(self, document: ClaimedDocument, code: str, message: str, report: Report) -> None:
        self._corpus.documents.fail(document, code, message)
        report.failures.append(Failure(document.source, code, message))

    def _put_back(self, document: ClaimedDocument, code: str, message: str, report: Report) -> None:
        self._corpus.documents.put_back(document, code, message)
        report.failures.append(Failure(document.source, code, message))


def _new_passage(prepared: Prepared) -> NewPassage:
    cut, vector, suspect = prepared.cut, prepared.vector, prepared.suspect
    return NewPassage(
        cut.text, cut.start, cut.end, cut.page, vector, suspect, cut.headings, cut.last_page
    )


def pipeline_for(services: Services) -> Pipeline:
    """The ingestion of a running service."""
    suspects = Suspects(services.screens, services.policies.current().policy)
    live_index = services.retriever.live_index
    return Pipeline(services.corpus, services.embedder, services.settings, suspects, live_index)


def _shown(name: str) -> str:
    """A file's name with the bytes that are not text escaped: it can be stored and printed."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def worker(services: Services) -> Iterator[None]:
    """Ingest pending uploads beside the service until the block is left."""
    stop = threading.Event()
    pipeline = pipeline_for(services)
    thread = threading.Thread(target=_work, args=(pipeline, services, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=30)


def _work(pipeline: Pipeline, services: Services, stop: threading.Event) -> None:
    tidied, folding = float("-inf"), threading.Thread()
    while not stop.is_set():
        pause = RETRY_S
        try:
            if time.monotonic() - tidied > TIDY_S:
                pipeline.tidy()
                tidied = time.monotonic()
            pause = 0.0 if _drain(pipeline, services, stop) else IDLE_S
            if not folding.is_alive() and pipeline.index.fold_is_due():
                folding = threading.Thread(target=_fold, args=(pipeline,), daemon=True)
                folding.start()
        except CountersignError as error:
            log.warning("ingestion_failed", code=error.code)
        except Exception:  # the worker loop: one bad document must not end ingestion
            log.exception("ingestion_crashed")
        stop.wait(pause)
    if folding.is_alive():
        folding.join(timeout=30)


def _fold(pipeline: Pipeline) -> None:
    """Beside the worker, so that what is added meanwhile need not wait for it."""
    try:
        log.info("index_folded", index_version=pipeline.index.fold())
    except CountersignError as error:
        log.warning("index_not_folded", code=error.code)
    except Exception:  # the worker loop: it is due again, and tried again
        log.exception("index_not_folded")


def _drain(pipeline: Pipeline, services: Services, stop: threading.Event) -> bool:
    """Process what is pending and index it as it comes; False when there was nothing to do."""
    report, corpus = Report(), services.corpus
    due = time.monotonic() + UPDATE_S
    while not stop.is_set() and (document := corpus.documents.claim()) is not None:
        pipeline.process(document, report)
        if time.monotonic() >= due:
            due = _indexed_until(pipeline, services, report)
    _indexed_until(pipeline, services, report)
    return bool(report.ingested or report.failures or report.index_version)


def _indexed_until(pipeline: Pipeline, services: Services, report: Report) -> float:
    """Index what is ready; returns when that should be done again, by the monotonic clock.

    Indexing takes a fifth of the time at most, however large the index is.
    """
    begun = time.monotonic()
    version_id = None
    if _is_damaged(services.retriever):
        version_id = pipeline.build()
    elif services.corpus.versions.unindexed():
        version_id = pipeline.index.update()
    if version_id is not None:
        report.index_version = version_id
        log.info("ingested", documents=report.ingested, index_version=version_id)
    ended = time.monotonic()
    return ended + max(UPDATE_S, 4 * (ended - begun))


def _is_damaged(retriever: Retriever) -> bool:
    """Whether the live index must be built anew; another embedder's is not damaged."""
    try:
        retriever.live_passages()
    except NotReady:
        return False
    except DependencyFailed:
        return True
    return bool(retriever.problem)
