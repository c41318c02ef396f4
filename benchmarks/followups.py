"""Follow-up questions: how close the stand-alone form is to a person's, and what a search finds."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from app.answering.followup import StandAlone, make_stand_alone
from app.backends import build_generator
from app.deadline import Deadline
from app.errors import SettingsInvalid
from app.files import read_rows
from app.inference.embedder import MiniLMEmbedder
from app.ports import Rewriter, RewriteRequest, Vectors
from app.retrieval.passage_index import FUSION_DEPTH, fuse
from app.retrieval.retriever import mean_vector
from app.settings import Settings
from benchmarks.metrics import f1, percent, ranking_scores
from benchmarks.retrieval import COLLECTION, Corpus, build_corpus, documents
from guardrails.words import content_words

Form = Callable[[str, Sequence[str]], StandAlone]
"""What is searched for a question and the ones before it, oldest first."""
REWRITE_S = 30.0


def measure_followups(
    rewrites: Path | None,
    tasks: Path | None,
    corpus: Path | None = None,
    rewriter: Rewriter | None = None,
) -> dict[str, Any]:
    """Both measures, each over the file that is given; ``rewriter`` is a model that writes.

    ``rewrites`` are rows {history, question, rewrite}. ``tasks`` are rows {id, dialogue, question,
    contexts}: every context of the file, and every document of ``corpus``, is searched.
    """
    forms = _forms(rewriter)
    result: dict[str, Any] = {}
    if rewrites is not None:
        result["rewrite"] = _closeness(list(read_rows(rewrites)), forms)
    if tasks is not None:
        persons = read_rows(rewrites) if rewrites is not None else iter(())
        gold = {str(row["id"]): str(row["rewrite"]) for row in persons}
        result["retrieval"] = _retrieval(list(read_rows(tasks)), gold, corpus, forms)
    return result


def _forms(rewriter: Rewriter | None) -> dict[str, Form]:
    """Ours, and what one could do without it."""

    def rewrite(request: RewriteRequest, _deadline: Deadline) -> str:
        return rewriter.rewrite([request])[0] if rewriter else ""

    def ours(question: str, past: Sequence[str]) -> StandAlone:
        alone: list[str] = []
        for one in [*past, question]:
            model = rewrite if rewriter and one == question else None
            last = make_stand_alone(one, alone, model, Deadline(REWRITE_S))
            alone.append(last.question)
        return last

    return {
        "question": lambda question, past: StandAlone(question),
        "last_and_question": lambda question, past: StandAlone(" ".join([*past[-1:], question])),
        "all_turns": lambda question, past: StandAlone(" ".join([*past, question])),
        "ours": ours,
    }


def _closeness(rows: Sequence[dict[str, Any]], forms: dict[str, Form]) -> dict[str, Any]:
    """Of questions with a history: token F1, F1 of content words, cosine to a person's form."""
    rows = [row for row in rows if row["history"]]
    embedder = MiniLMEmbedder()
    wanted = [str(row["rewrite"]) for row in rows]
    target = embedder.embed(wanted)
    result: dict[str, Any] = {"n": len(rows)}
    for name, form in forms.items():
        said = [form(row["question"], row["history"]).question for row in rows]
        cosine = (embedder.embed(said) * target).sum(axis=1)
        result[name] = {
            "f1": percent([f1(one, [gold]) for one, gold in zip(said, wanted, strict=True)]),
            "words_f1": percent([_shared(*pair) for pair in zip(said, wanted, strict=True)]),
            "cosine": round(float(cosine.mean()), 4),
            "changed": sum(one != row["question"] for one, row in zip(said, rows, strict=True)),
        }
    return result


def _shared(one: str, other: str) -> float:
    left, right = content_words(one), content_words(other)
    return 2 * len(left & right) / (len(left) + len(right)) if left or right else 1.0


def _retrieval(
    tasks: Sequence[dict[str, Any]],
    gold: dict[str, str],
    corpus: Path | None,
    forms: dict[str, Form],
) -> dict[str, Any]:
    """Recall and reciprocal rank of the fused search, of questions with a history and contexts."""
    embedder = MiniLMEmbedder()
    rows = [row for row in tasks if row["contexts"] and len(_asked(row)) > 1]
    with tempfile.TemporaryDirectory() as folder:
        texts = _documents(tasks, corpus)
        built = build_corpus(texts, Path(folder) / "index", embedder)
        wanted = [{_name(text) for text in row["contexts"]} for row in rows]
        result: dict[str, Any] = {"n": len(rows), "passages": len(built.passages)}
        for name, form in forms.items():
            standing = [form(row["question"], _asked(row)[:-1]) for row in rows]
            result[name] = ranking_scores(_search(built, embedder, standing), wanted)
        known = [place for place, row in enumerate(rows) if row["id"] in gold]
        if known:
            result["a_person"] = ranking_scores(
                _search(built, embedder, [StandAlone(gold[rows[place]["id"]]) for place in known]),
                [wanted[place] for place in known],
            ) | {"n": len(known)}
    return result


def _search(
    built: Corpus, embedder: MiniLMEmbedder, standing: Sequence[StandAlone]
) -> list[list[str]]:
    def embed(text: str) -> Vectors:
        vector: Vectors = embedder.embed([text])[0]
        return vector

    found = []
    for one in standing:
        vector = mean_vector([(one.question, 1.0), *one.history], embed)
        dense = built.index.dense(vector, [COLLECTION], FUSION_DEPTH)
        words = built.index.lexical(one.question, [COLLECTION], FUSION_DEPTH, (), one.history)
        found.append(documents(built, [place for place, _ in fuse([dense, words])]))
    return found


def _asked(row: dict[str, Any]) -> list[str]:
    return [str(text) for speaker, text in row["dialogue"] if speaker == "user"]


def _documents(tasks: Sequence[dict[str, Any]], corpus: Path | None) -> Iterator[dict[str, Any]]:
    for text in dict.fromkeys(text for row in tasks for text in row["contexts"]):
        title, _, body = text.partition("\n")
        yield {"doc_id": _name(text), "title": title if body else "", "text": body or title}
    if corpus is not None:
        yield from read_rows(corpus)


def _name(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def rewriter_named(generator: str) -> Rewriter:
    """The model that the setting generator would select; raises ``SettingsInvalid``."""
    built = build_generator(Settings(generator=generator))
    if not isinstance(built, Rewriter):
        raise SettingsInvalid(f"The generator {generator} cannot rewrite questions.")
    return built
