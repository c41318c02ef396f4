"""How often the right document is among the first hits: dense, lexical and fused."""

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.files import read_rows
from app.inference.embedder import MiniLMEmbedder, load_tokenizer
from app.retrieval.passage_index import Entry, PassageIndex, RankedPositions, fuse, write_index
from app.settings import Settings
from benchmarks.metrics import percentile, ranking_scores
from ingestion.chunk import cut_passages
from ingestion.extract import Extracted
from ingestion.indexing import embedding_text

DEPTH = 100
COLLECTION = "benchmark"


def measure_retrieval(corpus: Path, questions: Path, limit: int | None = None) -> dict[str, Any]:
    """Cut, embed and index ``corpus`` rows {doc_id, title, text}; rank documents for each question.

    Questions are rows {question, evidence_doc_ids}; one without evidence is left out.
    """
    rows = [row for row in read_rows(questions) if row.get("evidence_doc_ids")][:limit]
    embedder = MiniLMEmbedder()
    with tempfile.TemporaryDirectory() as folder:
        index = build_benchmark_index(read_rows(corpus), Path(folder) / "index", embedder)
        vectors = embedder.embed([row["question"] for row in rows])
        rankings: dict[str, list[list[str]]] = {"dense": [], "lexical": [], "fused": []}
        milliseconds = []
        for row, vector in zip(rows, vectors, strict=True):
            began = time.perf_counter()
            dense = index.dense(vector, [COLLECTION], DEPTH)
            lexical = index.lexical(row["question"], [COLLECTION], DEPTH)
            fused = fuse([dense[:50], lexical[:50]])
            milliseconds.append((time.perf_counter() - began) * 1000)
            for name, ranking in (("dense", dense), ("lexical", lexical), ("fused", fused)):
                rankings[name].append(documents(index, ranking))
    gold = [set(map(str, row["evidence_doc_ids"])) for row in rows]
    return {
        **{name: ranking_scores(found, gold) for name, found in rankings.items()},
        "n": len(rows),
        "passages": len(index),
        "search_ms_p50": round(percentile(milliseconds, 0.5), 3),
    }


def build_benchmark_index(
    corpus: Iterable[dict[str, Any]], folder: Path, embedder: MiniLMEmbedder
) -> PassageIndex:
    """Rows {doc_id, title, text}, cut and embedded as the service does."""
    tokenizer = load_tokenizer()
    most = Settings().passage_tokens
    entries: list[Entry] = []
    texts: list[tuple[str, str]] = []
    for row in corpus:
        title, text = str(row.get("title") or ""), str(row["text"])
        for cut in cut_passages(Extracted(title, text, "text/plain", ()), tokenizer, most):
            entries.append(Entry(f"p{len(entries)}", str(row["doc_id"]), COLLECTION))
            texts.append((title, cut.text))
    vectors = embedder.embed([embedding_text(title, text) for title, text in texts])
    write_index(folder, entries, texts, vectors, embedder.name)
    return PassageIndex(folder)


def documents(index: PassageIndex, ranking: RankedPositions) -> list[str]:
    """Documents in the order of their first passage."""
    return list(dict.fromkeys(index.entries[position].document_id for position, _ in ranking))
