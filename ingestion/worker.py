"""The worker beside a service: pending documents are ingested and indexed as they come."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import structlog

from app.errors import CountersignError, DependencyFailed, NotReady
from app.retrieval.retriever import Retriever
from app.wiring import Services
from ingestion.build_process import build_apart
from ingestion.pipeline import Pipeline, pipeline_for

IDLE_S, LOOK_S = 0.3, 1.0
"""Between two looks of somebody who has nothing to do: for small documents, and for large ones and
what else there may be, as an index that is damaged, lacks what was read, or is to be folded."""
SMALL_BYTES = 1 << 17
BESIDE = 8, SMALL_BYTES
"""How many documents are claimed together, and the bytes of their files: few, so that what comes
then need not wait."""
UPDATE_S = 0.5
"""Between two index versions while documents are read."""
RETRY_S = 30.0
"""After a failure: a full disk must not be tried, and logged, every second."""
TIDY_S = 600.0
log = structlog.get_logger()


@contextmanager
def worker(services: Services) -> Iterator[None]:
    """Ingest pending documents beside the service until the block is left.

    Two threads take them up, one of them small ones only: those are never all held up by large
    ones.
    """
    stop = threading.Event()
    pipeline = pipeline_for(services, beside=True)
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
    tidied = looked = float("-inf")
    folding = threading.Thread()
    tidies = largest is not None  # the thread that large documents never keep
    while not stop.is_set():
        pause = RETRY_S
        try:
            if tidies and time.monotonic() - tidied > TIDY_S:
                pipeline.tidy(whole=tidied > 0)  # a start has other things to do
                tidied = time.monotonic()
            if look := time.monotonic() - looked >= LOOK_S:
                looked = time.monotonic()
            drained = drain(pipeline, services, stop, largest, mends=tidies, look=look)
            idle = IDLE_S if tidies else LOOK_S
            pause = 0.0 if drained else idle
            if look and tidies and not folding.is_alive() and pipeline.index.fold_is_due():
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


def drain(
    pipeline: Pipeline,
    services: Services,
    stop: threading.Event,
    largest: int | None = None,
    *,
    mends: bool = True,
    look: bool = True,
) -> bool:
    """Process what is pending and index it as it comes; False when there was nothing to do.

    ``mends``: build a damaged index anew, which one thread must do. ``look``: see to the index
    also where nothing was pending.
    """
    claim = partial(services.corpus.documents.claim_some, *BESIDE, largest=largest)
    taken, due = 0, time.monotonic() + UPDATE_S
    with pipeline.places() as places:
        while not stop.is_set():
            places.wait()
            if not (documents := claim()):
                break
            places.run(partial(pipeline.process, *documents))
            taken += len(documents)
            if time.monotonic() >= due:
                due = _indexed_until(pipeline, services, mends=mends)
    if taken or look:
        _indexed_until(pipeline, services, mends=mends)
    return taken > 0


def _indexed_until(pipeline: Pipeline, services: Services, *, mends: bool) -> float:
    """Index what is ready; returns when that should be done again, by the monotonic clock.

    Indexing takes a fifth of the time at most, however large the index is.
    """
    begun = time.monotonic()
    version_id = None
    is_damaged = partial(_is_damaged, services.retriever)
    if mends and is_damaged():
        version_id = pipeline.index.mend(is_damaged)
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
