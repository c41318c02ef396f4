"""How often the right document is among the first hits: dense, lexical, fused and reranked."""

import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.backends import rerank_depth
from app.deadline import Deadline
from app.files import read_rows
from app.inference.embedder import MiniLMEmbedder, load_tokenizer
from app.inference.reader import Reader
from app.ports import Vectors
from app.retrieval.entries import Entry
from app.retrieval.identity import asked_of
from app.retrieval.passage_index import PassageIndex, write_index
from app.retrieval.retriever import Hit, Rerank, meant_first, search_scores
from app.settings import Settings
from benchmarks.metrics import percentile, ranking_scores
from guardrails.contract import Passage
from ingestion.chunk import cut_passages
from ingestion.formats.document import Extracted
from ingestion.stages import embedding_text

DEPTH = 100
COLLECTION = "benchmark"


@dataclass(frozen=True)
class Corpus:
    """An index over the corpus, and its passages in the index's order."""

    index: PassageIndex
    passages: list[Passage]


@dataclass(frozen=True)
class Found:
    """The ranking of documents by each way of searching, and the milliseconds of two."""

    rankings: dict[str, list[str]]
    search_ms: float
    rerank_ms: float


def measure_retrieval(
    corpus: Path, questions: Path, limit: int | None = None, depth: int | None = None
) -> dict[str, Any]:
    """Cut, embed and index ``corpus`` rows {doc_id, title, text}; rank documents for each question.

    Questions are rows {question, evidence_doc_ids}; one without evidence is left out. The reader
    reranks the first ``depth`` passages (None: as the service does here; 0: none).
    """
    rows = [row for row in read_rows(questions) if row.get("evidence_doc_ids")][:limit]
    settings = Settings()
    chosen = rerank_depth(settings) if depth is None else depth
    rerank = _rerank(settings, chosen) if chosen else None
    embedder = MiniLMEmbedder()
    with tempfile.TemporaryDirectory() as folder:
        built = build_corpus(read_rows(corpus), Path(folder) / "index", embedder)
        vectors = embedder.embed([row["question"] for row in rows])
        found = [
            _search(built, row["question"], vector, rerank)
            for row, vector in zip(rows, vectors, strict=True)
        ]
    gold = [set(map(str, row["evidence_doc_ids"])) for row in rows]
    names = found[0].rankings if found else {}
    return {
        **{name: ranking_scores([one.rankings[name] for one in found], gold) for name in names},
        "n": len(rows),
        "passages": len(built.passages),
        "search_ms_p50": round(percentile([one.search_ms for one in found], 0.5), 3),
        "rerank_passages": chosen,
        "rerank_ms_p50": round(percentile([one.rerank_ms for one in found], 0.5), 2),
        "rerank_ms_p95": round(percentile([one.rerank_ms for one in found], 0.95), 2),
    }


def _rerank(settings: Settings, depth: int) -> Rerank:
    reader = Reader(settings.models_dir / "reader", settings.device)
    reader.warm_up()
    return Rerank(lambda question, passages, _: reader.read([(question, passages)])[0], depth)


def _search(built: Corpus, question: str, vector: Vectors, rerank: Rerank | None) -> Found:
    began = time.perf_counter()
    dense = built.index.dense(vector, [COLLECTION], DEPTH)
    lexical = built.index.lexical(question, [COLLECTION], DEPTH)
    scores = search_scores(dense, lexical)
    searched = time.perf_counter()
    ways = {
        "dense": [position for position, _ in dense],
        "lexical": [position for position, _ in lexical],
        "fused": list(scores),
    }
    rankings = {name: documents(built, positions) for name, positions in ways.items()}
    if rerank is None:
        return Found(rankings, (searched - began) * 1000, 0.0)
    hits = [Hit(built.passages[position], *found) for position, found in scores.items()]
    began_rerank = time.perf_counter()
    order = rerank(question, meant_first(asked_of(question), hits), Deadline(600))
    ended = time.perf_counter()
    rankings["reranked"] = documents(built, [int(hit.passage.id) for hit in order])
    return Found(rankings, (searched - began) * 1000, (ended - began_rerank) * 1000)


def build_corpus(rows: Iterable[dict[str, Any]], folder: Path, embedder: MiniLMEmbedder) -> Corpus:
    """Rows {doc_id, title, text}, cut and embedded as the service does."""
    passages = cut_rows(rows)
    vectors = embedder.embed([embedding_text(p.title, p.text, p.headings) for p in passages])
    entries = [Entry(p.id, p.document_id, COLLECTION) for p in passages]
    write_index(folder, entries, [(p.title, p.text) for p in passages], vectors, embedder.name)
    return Corpus(PassageIndex(folder), passages)


def cut_rows(rows: Iterable[dict[str, Any]]) -> list[Passage]:
    """The passages of rows {doc_id, title, text}; the ID of each is its number."""
    tokenizer = load_tokenizer()
    most = Settings().passage_tokens
    passages: list[Passage] = []
    for row in rows:
        title, text = str(row.get("title") or ""), str(row["text"])
        for cut in cut_passages(Extracted(title, text, "text/plain", ()), tokenizer, most):
            number, document = str(len(passages)), str(row["doc_id"])
            place = (title, cut.text, cut.start, cut.end)
            passages.append(Passage(number, document, COLLECTION, *place, headings=cut.headings))
    return passages


def documents(built: Corpus, positions: Iterable[int]) -> list[str]:
    """Documents in the order of their first passage."""
    return list(dict.fromkeys(built.passages[position].document_id for position in positions))
