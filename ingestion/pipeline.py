"""One document: register, claim, extract in a jail, cut, embed, save; then one new index version.

Every step can be repeated: after a crash the next run takes up what was left, without loss
and without duplicates.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog

from app.backends import build_passage_embedder
from app.corpus.corpus import Corpus
from app.corpus.documents import Added, ClaimedDocument, check_collection_name
from app.corpus.leases import renewed
from app.corpus.passages import NewPassage, batches
from app.corpus.registering import AS_IT_IS, NewFile, ValidDays
from app.corpus.saving import Metadata, NewRevision
from app.corpus.tables import FAILED, PENDING, READY, WRONG_ACCESS, iso_day
from app.corpus.uploads import Uploads
from app.corpus.views import Outcome
from app.errors import CountersignError, DocumentRefused, NotFound
from app.ports import Embedder
from app.retrieval.live_index import LiveIndex
from app.settings import Settings
from app.wiring import Services
from ingestion.executor import Executor, Inline, Places, Processes
from ingestion.formats.registry import format_of
from ingestion.indexing import FOLD_SHARE, IndexBuilder, asked_vectors
from ingestion.metadata import access_within, check_access, content_sha256, metadata_of
from ingestion.sources import is_gone
from ingestion.stages import Document, Prepared, Spent, Stages, Why, attempt
from ingestion.suspects import Suspects

REGISTERED_AT_ONCE = 100
TURN_S = 0.2
AT_ONCE = 64, 16 << 20
"""How many documents are claimed, read and stored together, and the bytes of their files."""
MAY_PASS = frozenset({"timeout", "crashed", "changed", "unrecognised"})
"""Reasons to refuse a document that another try may not meet: its file is kept."""
GARBAGE = 20_000
SOURCE_CHARS = 1000
"""The longest path that the documents table can hold."""
OnDocument = Callable[[str], None]
OnClaimed = Callable[[ClaimedDocument], None]
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
    skipped: list[str] = field(default_factory=list)
    """Files of the folders of which no document was made: no reader knows their ending, or they are
    images without text. Images that were named themselves are among the failures."""
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
        valid: ValidDays = AS_IT_IS,
        *,
        by: str = "",
        prune: Sequence[Path] = (),
    ) -> Report:
        """Ingest ``files`` as one job of ``by``, then promote an index version if anything changed.

        ``valid`` are the first and last valid day of those that do not state them themselves.
        A file that cannot be read is in the report's failures; the rest goes on. What a running
        service takes up of them is waited for. Documents of the folders ``prune`` whose file is
        gone are deleted; a file that was moved is still the same document.
        """
        check_collection_name(collection)
        report = Report(job_id=self._corpus.jobs.create(collection, by) if files else None)
        with self.spent.on("register"):
            changed = self._register(files, collection, report, valid, on_document)
        for folder in prune:
            report.removed += self._prune(folder, collection)
        return self.finish(changed, report, on_document)

    def retry(self, ids: Sequence[str]) -> Report:
        """Ingest again what failed of these documents and jobs, of all without ids; then as
        ``ingest``. Raises ``NotFound`` for what is none, before anything is done."""
        jobs = [one for one in ids if self._corpus.jobs.exists(one)]
        documents = [one for one in ids if one not in jobs]
        for one in documents:
            self._must_exist(one)
        again = [document for job in jobs for document in self._corpus.jobs.retry(job)]
        if documents or not ids:
            again += self._corpus.documents.retry(documents)
        return self.finish(again, Report())

    def _must_exist(self, document_id: str) -> None:
        try:
            self._corpus.documents.get(document_id)
        except NotFound:
            raise NotFound(f"There is no document and no job {document_id[:80]!r}.") from None

    def catch_up(self) -> Report:
        """Ingest what waits for its turn or for another attempt, whoever gave it; then as
        ``ingest``."""
        taken = []
        while documents := self._corpus.documents.claim_some(*AT_ONCE):
            self.process(*documents)
            taken += [document.id for document in documents]
        return self.finish(taken, Report())

    def process(self, *documents: ClaimedDocument, told: OnClaimed = lambda _one: None) -> None:
        """Take claimed documents to ready or failed, or put them back for another attempt.

        They are stored together. Each fails for itself: where they cannot be taken in together,
        they are one by one. ``told`` hears of each that is through.
        """
        left = dict.fromkeys(documents)
        with renewed(partial(self._corpus.documents.renew, *documents)):
            try:
                for document in self._taken_in(documents):
                    del left[document]
                    told(document)
                return
            except (CountersignError, OSError) as error:
                failed: Exception = error
            except Exception as error:  # the worker: one bad document must not end ingestion
                log.exception("ingestion_crashed", documents=[one.id for one in left])
                failed = error
            if len(documents) == 1:
                self._put_aside(documents[0], failed)
                told(documents[0])
                return
            for document in left:
                self.process(document, told=told)

    def _put_aside(self, document: ClaimedDocument, error: Exception) -> None:
        """Say why a document was not taken in, or put it back where that may pass."""
        documents = self._corpus.documents
        if isinstance(error, DocumentRefused):
            refuse = documents.withdraw if error.reason == WRONG_ACCESS else documents.fail
            refuse(document, error.reason, error.message)
            if error.reason not in MAY_PASS:
                self._uploads.remove(document.stored_at)
        elif isinstance(error, FileNotFoundError):
            documents.fail(document, "unreadable", "Its file is not there any more; add it again.")
        elif isinstance(error, OSError):
            documents.fail(document, "unreadable", f"The file cannot be read: {error.strerror}.")
        elif isinstance(error, CountersignError):
            documents.put_back(document, error.code, error.message)
        else:
            why = f"Ingestion crashed ({type(error).__name__}); the log says more."
            documents.put_back(document, CountersignError.code, why)

    def places(self) -> Places:
        """As many as its executor has."""
        return Places(self._executor.places)

    def warm_up(self) -> None:
        """Load what cuts and embeds in this process, for many passages."""
        from app.inference.embedder import shared_tokenizer

        shared_tokenizer()
        self._embedder.warm_up()
        self._embedder.embed(["warm"])

    def close(self) -> None:
        """End what its executor started."""
        self._executor.close()

    def tidy(self, *, whole: bool = True) -> None:
        """Remove what crashes left behind: uploads, and index versions of dead builders; with
        ``whole`` also passages that nobody can need again, which takes reading all versions."""
        self._uploads.sweep(self._corpus.documents.files())
        self._corpus.jobs.purge()
        self.index.forget_old(passages=whole)

    def build(self) -> str:
        """A new index version of all that is ready, promoted."""
        return self.index.build_and_promote()

    def _register(
        self,
        files: Sequence[Path],
        collection: str,
        report: Report,
        valid: ValidDays,
        on_document: OnDocument,
    ) -> list[str]:
        """Register the files in their order; returns the documents that are to be ingested."""
        changed: list[str] = []
        some: dict[str, NewFile] = {}

        def flush() -> None:
            for file, added in self._added([*some.values()], collection, report, valid):
                if added.changed:
                    changed.append(added.document_id)
                else:
                    on_document(Path(file.source).name)
            some.clear()

        for path in files:
            new = _new_file(path)
            if isinstance(new, Failure) or new.source in some or len(some) == REGISTERED_AT_ONCE:
                flush()
            if isinstance(new, Failure):
                self.refuse(report, new.source, new.code, new.message)
                on_document(_shown(path.name))
            else:
                some[new.source] = new
        flush()
        return changed

    def _added(
        self, files: Sequence[NewFile], collection: str, report: Report, valid: ValidDays
    ) -> list[tuple[NewFile, Added]]:
        if not files or report.job_id is None:
            return []
        report.moved += self._moved(files, collection)
        documents, embedder = self._corpus.documents, self._embedder.name
        added = documents.add_all(collection, files, embedder, report.job_id, valid)
        report.unchanged += sum(not one.changed for one in added)
        return list(zip(files, added, strict=True))

    def _moved(self, files: Sequence[NewFile], collection: str) -> int:
        """How many of these are files of documents that are not where they were."""
        documents = self._corpus.documents
        known = documents.with_content(collection, [file.sha256 for file in files])
        moved = 0
        for file in files:
            same = known.get(file.sha256, [])
            if file.source in (before for _, before in same):
                continue
            for at, (document_id, before) in enumerate(same):
                if is_gone(before) and documents.move(document_id, before, file.source):
                    same[at] = document_id, file.source
                    moved += 1
                    break
        return moved

    def _prune(self, folder: Path, collection: str) -> int:
        """Delete the documents that were read from files below the folder that are gone."""
        gone = [
            document_id
            for document_id, source in self._corpus.documents.below(collection, str(folder))
            if is_gone(source)
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
        with collected_seldom():
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

        def told(document: ClaimedDocument) -> None:
            on_document(Path(document.source).name)

        with self.places() as places:
            while waiting:
                places.wait()
                if documents := self._corpus.documents.claim_some(*AT_ONCE, waiting):
                    taken = {document.id for document in documents}
                    waiting = [one for one in waiting if one not in taken]
                    places.run(partial(self.process, *documents, told=told))
                    continue
                # Another worker has them, has done them, or they were deleted.
                outcomes = self._corpus.documents.outcomes(waiting)
                waiting = [name for name, found in outcomes.items() if _is_to_do(found)]
                for name, found in outcomes.items():
                    if name not in waiting:
                        on_document(Path(found.source).name)
                if waiting:
                    time.sleep(TURN_S)

    def _taken_in(self, documents: Sequence[ClaimedDocument]) -> Iterator[ClaimedDocument]:
        """The documents as they are through, stored or put aside; raises what would be the end of
        several."""
        whole = []
        for document in documents:
            if (refused := attempt(partial(_check_content, document))) is None:
                whole.append(document)
            else:
                self._put_aside(document, refused)
                yield document
        named = [(Path(one.stored_at), _name_of(one)) for one in whole]
        following = iter(whole)
        for group in self._executor.prepare_all(named):
            pairs = [(next(following), found) for found in group]
            self._store(pairs)
            yield from (document for document, _ in pairs)

    def _store(self, pairs: Sequence[tuple[ClaimedDocument, Document | Why]]) -> None:
        revisions = []
        for document, found in pairs:
            made = attempt(partial(_revision, document, found))
            if isinstance(made, NewRevision):
                revisions.append(made)
            else:
                self._put_aside(document, made)
        if revisions:
            with self.spent.on("store"):
                self._corpus.documents.save_all(revisions, self._embedder.name)

    def _stages(self) -> Stages:
        from app.inference.embedder import shared_tokenizer

        settings = self._settings
        return Stages(
            self._embedder,
            shared_tokenizer(),
            self._suspects,
            settings.passage_tokens,
            settings.ocr_languages,
            self.spent,
        )


@contextmanager
def collected_seldom() -> Iterator[None]:
    """In the block garbage is looked for after many more new objects: to look through all that the
    models' libraries have made takes as long as to read ten documents."""
    before = gc.get_threshold()
    gc.set_threshold(GARBAGE, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _new_file(file: Path) -> NewFile | Failure:
    source = str(file)
    if len(source) > SOURCE_CHARS or source != _shown(source):
        why = f"The path is longer than {SOURCE_CHARS} characters, or is not text."
        return Failure(_shown(source), "bad_name", why)
    try:
        return NewFile(source, source, content_sha256(file), file.stat().st_size)
    except OSError as error:
        return Failure(source, "unreadable", str(error.strerror))


def _check_content(document: ClaimedDocument) -> None:
    if content_sha256(Path(document.stored_at)) != document.sha256:
        raise DocumentRefused("changed", "The file changed while it waited; ingest it again.")


def _revision(document: ClaimedDocument, found: Document | Why) -> NewRevision:
    """What is to be stored; raises why there is nothing."""
    if isinstance(found, Exception):
        raise found
    extracted = found.extracted
    metadata = metadata_of(Path(document.stored_at), extracted.media_type)
    for said in (metadata, *access_within(extracted)):
        check_access(said, document.collection)
    metadata = replace(metadata, valid_until=metadata.valid_until or extracted.valid_until)
    _check_days(document, metadata)
    return NewRevision(
        document.id,
        document.sha256,
        extracted.title,
        extracted.media_type,
        [_new_passage(one) for one in found.passages],
        extracted.left_out,
        metadata,
        found.signature,
    )


def _check_days(document: ClaimedDocument, said: Metadata) -> None:
    """A day that the document states may not contradict one that was given with it."""
    first = iso_day(said.valid_from) or document.valid_from
    last = iso_day(said.valid_until) or document.valid_until
    if (said.valid_from or said.valid_until) and first and last and first > last:
        raise DocumentRefused(
            "bad_date",
            f"valid_from ({first}) lies after valid_until ({last}); correct one of them.",
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


def pipeline_for(services: Services, *, beside: bool = False) -> Pipeline:
    """The ingestion over a service's parts; ``beside`` questions that are answered meanwhile it
    embeds with the service's own embedder, and no other is loaded."""
    suspects = Suspects(services.screens, services.policies.current().policy)
    live_index = services.retriever.live_index
    settings = services.settings
    executor = executor_for(settings)
    embedder = services.embedder
    if not beside:
        embedder = build_passage_embedder(settings, embedder)
    pipeline = Pipeline(services.corpus, embedder, settings, suspects, live_index, executor)
    pipeline.index.asked = partial(asked_vectors, services.database, lambda: services.embedder)
    return pipeline


def executor_for(settings: Settings) -> Executor | None:
    """What the settings select to prepare documents; None for this process."""
    if settings.ingest_executor == "inline":
        return None
    if settings.ingest_executor == "processes":
        return Processes(settings)
    from ingestion.on_ray import OnRay

    return OnRay(settings)


def _name_of(document: ClaimedDocument) -> str:
    """The name that people know it by, with the ending of the file that is read: what replaces an
    upload may be of another format."""
    name, ending = _last_of(document.source), Path(document.stored_at).suffix
    if not ending or name.endswith(ending):
        return name
    return (name if format_of(name) is None else Path(name).stem) + ending


def _last_of(source: str) -> str:
    """The file's name in a path or in an address."""
    if "://" not in source:
        return Path(source).name
    return unquote(urlsplit(source).path).rstrip("/").rsplit("/", 1)[-1] or "index"


def _shown(name: str) -> str:
    """A file's name with the bytes that are not text escaped: it can be stored and printed."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
