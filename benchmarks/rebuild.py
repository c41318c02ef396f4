"""How long searches take while the index is built anew and promoted, beside a quiet time."""

import gc
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from app.corpus.corpus import Corpus
from app.db import Database, migrate
from app.deadline import Deadline
from app.ports import Vectors
from app.retrieval.retriever import Retriever
from app.settings import Settings
from benchmarks.index import COLLECTION, EMBEDDER, PER_DOCUMENT, Made, made_questions
from cli.workers import SWITCH_S
from ingestion.build_process import build_apart
from ingestion.indexing import IndexBuilder

RATE, HITS, ASKING, QUESTIONS = 50.0, 10, 8, 400
QUIET_S = 20.0
BEFORE_S = 0.5
"""Asked before each measuring, and left out: a service's threads are there when a build begins."""
ROUNDS = 3
WAYS = ("quiet", "inside", "apart")
"""Nothing is built; it is built in the process that answers; in a process of its own."""


def measure_rebuild(passages: int) -> dict[str, Any]:
    """Milliseconds of searches of both kinds, reranking left out, that arrive at a fixed rate;
    a late one counts from when it should have begun. The ways take turns; threads switch as soon
    as those of a service do, and what is loaded is left out of garbage collections as there."""
    sys.setswitchinterval(SWITCH_S)
    with tempfile.TemporaryDirectory(prefix="countersign-rebuild-") as name:
        settings = Settings(data_dir=Path(name), device="cpu")
        database = Database(settings.database)
        try:
            migrate(database)
            return _measured(settings, database, passages)
        finally:
            database.close()


def _measured(settings: Settings, database: Database, passages: int) -> dict[str, Any]:
    made = Made(Corpus(database), np.random.default_rng(3))
    for number in range(passages // PER_DOCUMENT):
        made.store(f"{number}.txt")
    asked = dict(made_questions(made, QUESTIONS))
    retriever = Retriever(
        made.corpus, lambda question, _: asked[question], EMBEDDER, settings.index_dir, "cpu"
    )
    builder = IndexBuilder(
        made.corpus, EMBEDDER, settings.index_dir, keep=3, live_index=retriever.live_index
    )
    builder.build_and_promote()
    gc.collect()
    gc.freeze()
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    failures = Counter[str]()
    for _ in range(ROUNDS):
        for way in WAYS:
            builder.apart = partial(build_apart, settings, EMBEDDER) if way == "apart" else None
            work = partial(time.sleep, QUIET_S) if way == "quiet" else builder.build_and_promote
            some, wrong, spent = _asked_beside(retriever, asked, work)
            took[way] += some
            seconds[way].append(spent)
            failures += wrong
    figures = {way: _figures(took[way], seconds[way]) for way in WAYS}
    quiet = figures["quiet"]["ms"][-1]
    ratios = {f"p99_{way}": round(figures[way]["ms"][-1] / quiet, 2) for way in WAYS[1:]}
    told = {"passages": passages, "rate": RATE, "failed": failures.total(), "failures": failures}
    return {**told, **ratios, **figures}


def _asked_beside(
    retriever: Retriever, asked: dict[str, Vectors], work: Callable[[], object]
) -> tuple[list[float], Counter[str], float]:
    """Milliseconds of each search while ``work`` is done, why others failed, and its seconds."""
    done = threading.Event()
    before = round(BEFORE_S * RATE)
    took: list[float] = []
    empty: list[str] = []
    questions = list(asked)

    def ask(number: int, due: float) -> None:
        question = questions[number % len(questions)]
        found = retriever.retrieve(question, [COLLECTION], HITS, Deadline(30))
        if number >= before:
            took.append((time.perf_counter() - due) * 1000)
        if not found.hits:
            empty.append(question)

    def arrive() -> None:
        begun = time.perf_counter()
        number = 0
        while not done.is_set():
            due = begun + number / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            futures.append(threads.submit(ask, number, due))
            number += 1

    futures: list[Any] = []
    with ThreadPoolExecutor(ASKING) as threads:
        arriving = threading.Thread(target=arrive)
        arriving.start()
        time.sleep(BEFORE_S)
        began = time.perf_counter()
        work()
        spent = time.perf_counter() - began
        done.set()
        arriving.join()
    errors = [error for future in futures if (error := future.exception()) is not None]
    wrong = Counter(f"{type(error).__name__}: {error}" for error in errors)
    return took, wrong + Counter({"nothing found": len(empty)}), spent


def _figures(times: Sequence[float], seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "n": len(times),
        "ms": [round(float(np.percentile(times, at)), 2) for at in (50, 95, 99)],
        "seconds": round(float(np.median(seconds)), 1),
    }
