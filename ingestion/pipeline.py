"""One document: register, claim, extract in a jail, cut, embed, save; then one new index version.

Every step can be repeated: after a crash the next run takes up what was left, without loss
and without duplicates.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog

from app.corpus.corpus import Corpus
from app.corpus.documents import ClaimedDocument, Outcome, check_collection_name
from app.corpus.leases import renewed
from app.corpus.passages import NewPassage, batches
from app.corpus.tables import FAILED, PENDING, READY
from app.corpus.uploads import Uploads
from app.errors import CountersignError, DependencyFailed, DocumentRefused, NotFound, NotReady
from app.ports import Embedder
from app.retrieval.live_index import LiveIndex
from app.retrieval.retriever import Retriever
from app.settings import Settings
from app.wiring import Services
from ingestion.build_process import build_apart
from ingestion.executor import Executor, Inline, Places, Processes
from ingestion.formats.document import Extracted
from ingestion.indexing import FOLD_SHARE, IndexBuilder
from ingestion.likeness import signature_of
from ingestion.metadata import check_access, content_sha256, metadata_of
from ingestion.stages import Prepared, Spent, Stages
from ingestion.suspects import Suspects

IDLE_S = 0.3
TURN_S = 0.2
SMALL_BYTES = 1 << 17
UPDATE_S = 0.5
"""Between two index versions while documents are read."""
RETRY_S = 30.0
"""After a failure: a full disk must not be tried, and logged, every second."""
TIDY_S = 600.0
MAY_PASS = frozenset({"timeout", "crashed", "changed", "unrecognised"})
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
    """What became of the documents of one run, whoever ingested them: another worker may take
    some. ``passages`` counts those stored durably, ``suspects`` those of them that seem to give
    orders."""

    ingested: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    passages: int = 0
    suspects: int = 0
    failures: list[Failure] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Documents within others that could not be read."""
    index_version: str | None = None
    job_id: str | None = field(default=None, compare=False)


class Pipeline:
    """Ingestion over one corpus."""

    def __init__(
        self,
        corpus: Corpus,
        embedder: Embedder,
        settings: Settings,
        suspects: Suspects,
        live_index: LiveIndex | None = None,
        executor: Executor | None = None,
    ) -> None:
        """``executor`` prepares the documents; None: this process, with these models."""
        self._corpus, self._embedder, self._settings = corpus, embedder, settings
        self.documents, self.embedder_name = corpus.documents, embedder.name
        self._suspects = suspects
        self._uploads = Uploads(settings.upload_dir, settings.max_upload_bytes)
        self.spent = Spent()
        self._executor = executor or Inline(self._stages)
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
        *,
        by: str = "",
        prune: Sequence[Path] = (),
    ) -> Report:
        """Ingest ``files`` as one job of ``by``, then promote an index version if anything changed.

        ``valid_until`` is the last valid day of those that do not state one themselves.
        A file that cannot be read is in the report's failures; the rest goes on. What a running
        service takes up of them is waited for. Documents of the folders ``prune`` whose file is
        gone are deleted; a file that was moved is still the same document.
        """
        check_collection_name(collection)
        report = Report(job_id=self._corpus.jobs.create(collection, by) if files else None)
        changed = []
        for file in files:
            with self.spent.on("register"):
                document_id = self._register(file, collection, report, valid_until)
            if document_id is None:
                on_document(_shown(file.name))
            else:
                changed.append(document_id)
        for folder in prune:
            report.removed += self._prune(folder, collection)
        return self.finish(changed, report, on_document)

    def retry(self, ids: Sequence[str]) -> Report:
        """Ingest again what failed of these documents and jobs, of all without ids; then as
        ``ingest``."""
        jobs = [one for one in ids if self._corpus.jobs.exists(one)]
        again = [document for job in jobs for document in self._corpus.jobs.retry(job)]
        documents = [one for one in ids if one not in jobs]
        if documents or not ids:
            again += self._corpus.documents.retry(documents)
        return self.finish(again, Report())

    def catch_up(self) -> Report:
        """Ingest what waits for its turn or for another attempt, whoever gave it; then as
        ``ingest``."""
        taken = []
        while (document := self._corpus.documents.claim()) is not None:
            self.process(document)
            taken.append(document.id)
        return self.finish(taken, Report())

    def process(self, document: ClaimedDocument) -> None:
        """Take one claimed document to ready or failed, or put it back for another attempt."""
        documents = self._corpus.documents
        try:
            with renewed(partial(documents.renew, document)):
                self._take_in(document)
        except DocumentRefused as error:
            refuse = documents.withdraw if error.reason == "wrong_access" else documents.fail
            refuse(document, error.reason, error.message)
            if error.reason not in MAY_PASS:
                self._uploads.remove(document.stored_at)
        except FileNotFoundError:
            documents.fail(document, "unreadable", "Its file is not there any more; add it again.")
        except OSError as error:
            documents.fail(document, "unreadable", f"The file cannot be read: {error.strerror}.")
        except CountersignError as error:
            documents.put_back(document, error.code, error.message)
        except Exception as error:  # the worker: one bad document must not end ingestion
            log.exception("ingestion_crashed", document=document.id)
            why = f"Ingestion crashed ({type(error).__name__}); the log says more."
            documents.put_back(document, CountersignError.code, why)

    def places(self) -> Places:
        """As many as its executor has."""
        return Places(self._executor.places)

    def close(self) -> None:
        """End what its executor started."""
        self._executor.close()

    def tidy(self) -> None:
        """Remove what crashes left behind: uploads, and index versions of dead builders."""
        self._uploads.sweep(self._corpus.documents.files())
        self._corpus.jobs.purge()
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
            self.refuse(report, _shown(source), "bad_name", why)
            return None
        try:
            digest, size = content_sha256(file), file.stat().st_size
        except OSError as error:
            self.refuse(report, source, "unreadable", str(error.strerror))
            return None
        report.moved += self._moved(source, collection, digest)
        added = self._corpus.documents.add(
            collection,
            source,
            source,
            digest,
            self._embedder.name,
            valid_until=valid_until,
            size=size,
            job_id=report.job_id,
        )
        report.unchanged += not added.changed
        return added.document_id if added.changed else None

    def _moved(self, source: str, collection: str, digest: str) -> bool:
        """Whether this is the file of a document that is not where it was."""
        documents = self._corpus.documents
        same = documents.with_content(collection, digest)
        if source in (before for _, before in same):
            return False
        return any(
            not Path(before).exists() and documents.move(document_id, before, source)
            for document_id, before in same
        )

    def _prune(self, folder: Path, collection: str) -> int:
        """Delete the documents that were read from files below the folder that are gone."""
        gone = [
            document_id
            for document_id, source in self._corpus.documents.below(collection, str(folder))
            if not Path(source).exists()
        ]
        for document_id in gone:
            with suppress(NotFound):  # somebody else deleted it
                self._corpus.documents.delete(document_id)
        return len(gone)

    def refuse(self, report: Report, source: str, code: str, message: str) -> None:
        """A file that does not become a document, and why; the report and its job say so."""
        report.failures.append(Failure(source, code, message))
        if report.job_id is not None:
            self._corpus.jobs.refuse(report.job_id, source[:SOURCE_CHARS], code, message)

    def finish(
        self,
        document_ids: Sequence[str],
        report: Report,
        on_document: OnDocument = lambda _source: None,
    ) -> Report:
        """Ingest these registered documents, or wait until another worker has; then promote an
        index version if anything changed."""
        for some in batches(document_ids):
            self._work_off(some, on_document)
        _tell(report, self._corpus.documents.outcomes(document_ids))
        if self._corpus.versions.unindexed():
            # Nobody folds changes in later, so a version with many is a full build.
            with self.spent.on("index"):
                report.index_version = self.index.update(FOLD_SHARE)
        elif report.ingested and (live := self._corpus.versions.live()) is not None:
            report.index_version = live.id
        return report

    def _work_off(self, document_ids: Sequence[str], on_document: OnDocument) -> None:
        """Until none of these documents is still to be ingested, by whomever."""
        waiting = list(document_ids)

        def done(document: ClaimedDocument) -> None:
            self.process(document)
            on_document(Path(document.source).name)

        with self.places() as places:
            while waiting:
                places.wait()
                document = self._corpus.documents.claim(waiting)
                if document is not None:
                    waiting.remove(document.id)
                    places.run(partial(done, document))
                    continue
                # Another worker has them, has done them, or they were deleted.
                outcomes = self._corpus.documents.outcomes(waiting)
                waiting = [name for name, found in outcomes.items() if _is_to_do(found)]
                for name, found in outcomes.items():
                    if name not in waiting:
                        on_document(Path(found.source).name)
                if waiting:
                    time.sleep(TURN_S)

    def _take_in(self, document: ClaimedDocument) -> None:
        passages, extracted = self._passages(document)
        metadata = metadata_of(Path(document.stored_at), extracted.media_type)
        check_access(metadata, document.collection)
        until = metadata.valid_until or extracted.valid_until
        with self.spent.on("store"):
            self._corpus.documents.save(
                document.id,
                document.sha256,
                title=extracted.title,
                media_type=extracted.media_type,
                embedder=self._embedder.name,
                passages=passages,
                left_out=extracted.left_out,
                metadata=replace(metadata, valid_until=until),
                signature=signature_of(extracted.text),
            )

    def _passages(self, document: ClaimedDocument) -> tuple[list[NewPassage], Extracted]:
        path = Path(document.stored_at)
        if content_sha256(path) != document.sha256:
            raise DocumentRefused("changed", "The file changed while it waited; ingest it again.")
        extracted, prepared = self._executor.prepare(path, _name_of(document.source))
        return [_new_passage(one) for one in prepared], extracted

    def _stages(self) -> Stages:
        from app.inference.embedder import load_tokenizer

        settings = self._settings
        return Stages(
            self._embedder,
            load_tokenizer(),
            self._suspects,
            settings.passage_tokens,
            settings.ocr_languages,
            self.spent,
        )


def _is_to_do(outcome: Outcome) -> bool:
    return outcome.state == PENDING and not outcome.waits


def _tell(report: Report, outcomes: Mapping[str, Outcome]) -> None:
    for outcome in outcomes.values():
        report.ingested += outcome.state == READY
        report.passages += outcome.passages
        report.suspects += outcome.suspects
        report.left_out += [f"{outcome.source}: {member}" for member in outcome.left_out]
        if outcome.state == FAILED or outcome.waits:
            code, message = outcome.error_code or "", outcome.error_message or ""
            report.failures.append(Failure(outcome.source, code, message))


def _new_passage(prepared: Prepared) -> NewPassage:
    cut, vector, suspect = prepared.cut, prepared.vector, prepared.suspect
    return NewPassage(
        cut.text, cut.start, cut.end, cut.page, vector, suspect, cut.headings, cut.last_page
    )


def pipeline_for(services: Services) -> Pipeline:
    """The ingestion of a running service."""
    suspects = Suspects(services.screens, services.policies.current().policy)
    live_index = services.retriever.live_index
    settings = services.settings
    executor = executor_for(settings)
    return Pipeline(services.corpus, services.embedder, settings, suspects, live_index, executor)


def executor_for(settings: Settings) -> Executor | None:
    """What the settings select to prepare documents; None for this process."""
    if settings.ingest_executor == "inline":
        return None
    if settings.ingest_executor == "processes":
        return Processes(settings)
    from ingestion.on_ray import OnRay

    return OnRay(settings)


def _name_of(source: str) -> str:
    """The file's name in a path or in an address."""
    if "://" not in source:
        return Path(source).name
    return unquote(urlsplit(source).path).rstrip("/").rsplit("/", 1)[-1] or "index"


def _shown(name: str) -> str:
    """A file's name with the bytes that are not text escaped: it can be stored and printed."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def worker(services: Services) -> Iterator[None]:
    """Ingest pending documents beside the service until the block is left.

    Two threads take them up, one of them small ones only: those are never all held up by large
    ones.
    """
    stop = threading.Event()
    pipeline = pipeline_for(services)
    pipeline.index.apart = partial(build_apart, services.settings, services.embedder.name)
    threads = [
        threading.Thread(target=_work, args=(pipeline, services, stop, largest), daemon=True)
        for largest in (SMALL_BYTES, None)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)
        pipeline.close()


def _work(
    pipeline: Pipeline, services: Services, stop: threading.Event, largest: int | None
) -> None:
    tidied, folding = float("-inf"), threading.Thread()
    tidies = largest is not None  # the thread that large documents never keep
    while not stop.is_set():
        pause = RETRY_S
        try:
            if tidies and time.monotonic() - tidied > TIDY_S:
                pipeline.tidy()
                tidied = time.monotonic()
            drained = _drain(pipeline, services, stop, largest, mends=tidies)
            pause = 0.0 if drained else IDLE_S
            if tidies and not folding.is_alive() and pipeline.index.fold_is_due():
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


def _drain(
    pipeline: Pipeline,
    services: Services,
    stop: threading.Event,
    largest: int | None = None,
    *,
    mends: bool = True,
) -> bool:
    """Process what is pending and index it as it comes; False when there was nothing to do.

    ``mends``: build a damaged index anew, which one thread must do.
    """
    claim = partial(services.corpus.documents.claim, largest=largest)
    documents, due = 0, time.monotonic() + UPDATE_S
    with pipeline.places() as places:
        while not stop.is_set():
            places.wait()
            if (document := claim()) is None:
                break
            places.run(partial(pipeline.process, document))
            documents += 1
            if time.monotonic() >= due:
                due = _indexed_until(pipeline, services, mends=mends)
    _indexed_until(pipeline, services, mends=mends)
    return documents > 0


def _indexed_until(pipeline: Pipeline, services: Services, *, mends: bool) -> float:
    """Index what is ready; returns when that should be done again, by the monotonic clock.

    Indexing takes a fifth of the time at most, however large the index is.
    """
    begun = time.monotonic()
    version_id = None
    if mends and _is_damaged(services.retriever):
        version_id = pipeline.build()
    elif services.corpus.versions.unindexed():
        version_id = pipeline.index.update_if_needed()
    if version_id is not None:
        log.info("indexed", index_version=version_id)
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
