"""Passages of mixed lengths to vectors, beside sentence-transformers, and what is found by them."""

import json
import random
import resource
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.backends import build_passage_embedder
from app.errors import Invalid
from app.files import read_rows
from app.inference.embedder import MiniLMEmbedder
from app.inference.networks.weights import base_folder
from app.ports import Vectors
from app.settings import Settings
from benchmarks.ingest import ENVIRONMENT, figures_of, peer_python
from benchmarks.machine import machine
from benchmarks.metrics import ranking_scores, share
from benchmarks.retrieval import DEPTH, cut_rows
from guardrails.contract import Passage
from ingestion.stages import embedding_text

PEER = "benchmarks.peers.embed_texts"
TOGETHER = 128
"""As many as ingestion embeds at once."""
SECONDS = 300.0
DOCUMENTS, SEED = 300, 7


def measure_embedding(
    corpus: Path,
    questions: Path,
    environment: Path = ENVIRONMENT,
    limit: int = DOCUMENTS,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """Our passage embedder and sentence-transformers over the passages of ``limit`` documents.

    ``corpus`` holds rows {doc_id, title, text}, ``questions`` rows {question, evidence_doc_ids}.
    Seconds and CPU seconds count after the models are loaded; ``ratio`` and ``cpu_ratio`` are
    theirs over ours. Questions are embedded in float32 on our side, and by the peer on its own.
    Raises ``Invalid`` where no question has its evidence, ``DependencyFailed`` without the peer.
    """
    python = peer_python(environment)
    rows = list(read_rows(corpus))
    random.Random(SEED).shuffle(rows)
    passages = cut_rows(rows[:limit])
    asked, gold = _asked(read_rows(questions), {passage.document_id for passage in passages})
    texts = [embedding_text(p.title, p.text, p.headings) for p in passages]
    ours, found = _ours(texts, asked)
    with tempfile.TemporaryDirectory(prefix="countersign-embedding-") as name:
        theirs, peer_found = _theirs(python, Path(name), texts, asked, seconds)
    return {
        **machine(),
        "passages": len(texts),
        "questions": len(asked),
        "ratio": share(theirs["seconds"], ours["seconds"]),
        "cpu_ratio": share(theirs["cpu_s"], ours["cpu_s"]),
        "ms_a_passage": _ms(ours["seconds"], texts),
        "cpu_ms_a_passage": _ms(ours["cpu_s"], texts),
        "peer_ms_a_passage": _ms(theirs["seconds"], texts),
        "peer_cpu_ms_a_passage": _ms(theirs["cpu_s"], texts),
        "peer_version": theirs["version"],
        "found": ranking_scores(_rankings(passages, *found), gold),
        "peer_found": ranking_scores(_rankings(passages, *peer_found), gold),
        "least_cosine": round(float((found[0] * peer_found[0]).sum(axis=1).min()), 5),
    }


def _asked(rows: Iterable[dict[str, Any]], documents: set[str]) -> tuple[list[str], list[set[str]]]:
    """Questions with evidence among the documents, and that evidence."""
    pairs = [
        (str(row["question"]), set(map(str, row.get("evidence_doc_ids") or ()))) for row in rows
    ]
    kept = [(question, gold & documents) for question, gold in pairs if gold & documents]
    if not kept:
        raise Invalid("No question has its evidence among these documents.")
    return [question for question, _ in kept], [gold for _, gold in kept]


def _ours(texts: Sequence[str], asked: Sequence[str]) -> tuple[dict[str, float], list[Vectors]]:
    usual = MiniLMEmbedder("cpu")
    embedder = build_passage_embedder(Settings(device="cpu"), usual)
    embedder.warm_up()
    embedder.embed(["warm"])
    began, cpu = time.perf_counter(), _cpu()
    parts = [embedder.embed(texts[at : at + TOGETHER]) for at in range(0, len(texts), TOGETHER)]
    spent = {"seconds": time.perf_counter() - began, "cpu_s": _cpu() - cpu}
    return spent, [np.concatenate(parts), usual.embed(asked)]


def _theirs(
    python: str, folder: Path, texts: Sequence[str], asked: Sequence[str], seconds: float
) -> tuple[dict[str, Any], list[Vectors]]:
    """Their figures over the texts; the questions are no part of these."""
    figures: dict[str, Any] = {}
    found: list[Vectors] = []
    for name, some in (("questions", asked), ("texts", texts)):
        path, task = folder / f"{name}.json", folder / "task.json"
        path.write_text(json.dumps(list(some)), "utf-8")
        task.write_text(json.dumps({"files": [str(path)], "embedder": str(base_folder())}), "utf-8")
        figures = figures_of([python, "-m", PEER, str(task)], seconds)
        found.insert(0, np.load(path.with_suffix(".npy")))
    return figures, found


def _rankings(passages: Sequence[Passage], vectors: Vectors, asked: Vectors) -> list[list[str]]:
    """The documents for each question, in the order of their nearest passage."""
    near = np.argsort(-(asked @ vectors.T), axis=1, kind="stable")[:, :DEPTH]
    return [list(dict.fromkeys(passages[at].document_id for at in one)) for one in near.tolist()]


def _ms(seconds: float, texts: Sequence[str]) -> float:
    return round(1000 * seconds / max(len(texts), 1), 2)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
