"""Labelled questions to outcomes: every row is drafted once, and the draft is right or wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.deadline import Deadline
from app.ports import DraftRequest, Embedder, Generator, Vectors
from guardrails.contract import Draft, Passage
from guardrails.features import risk_features
from training.scoring import is_wrong

BATCH = 32
"""Rows drafted together."""
DEADLINE_S = 3600.0
KNOWN_VECTORS = 4096
"""Passages whose vectors are kept: many questions stand over one passage."""


@dataclass(frozen=True)
class LabelledDraft:
    """One drafted row; ``features`` are those of the risk, ``wrong`` is meaningless if it
    abstained."""

    row: Mapping[str, Any]
    passages: tuple[Passage, ...]
    draft: Draft
    features: Mapping[str, float]
    wrong: bool


def passages_of(row: Mapping[str, Any]) -> tuple[Passage, ...]:
    """The contexts of a row {contexts, title or context_titles} as evidence; blank ones are not."""
    contexts = row["contexts"]
    titles = row.get("context_titles") or [str(row.get("title") or "")] * len(contexts)
    return tuple(
        Passage(f"p{n}", f"d{n}", "benchmark", title, text, 0, len(text))
        for n, (title, text) in enumerate(zip(titles, contexts, strict=True))
        if text.strip()
    )


def answer_text(draft: Draft) -> str:
    """What is scored: the extracted span, or the sentences without their markers."""
    return draft.short or " ".join(sentence.text for sentence in draft.sentences)


def draft_outcomes(
    rows: Sequence[Mapping[str, Any]], generator: Generator, embedder: Embedder | None
) -> Iterator[LabelledDraft]:
    """An outcome for each row {question, contexts, answers, answerable}, in order, in batches.

    Without an embedder the outcomes have no figures of the search.
    """
    similar = _Similarities(embedder) if embedder is not None else None
    for first in range(0, len(rows), BATCH):
        batch = rows[first : first + BATCH]
        evidence = [passages_of(row) for row in batch]
        requests = [
            DraftRequest(row["question"], passages, Deadline(DEADLINE_S))
            for row, passages in zip(batch, evidence, strict=True)
        ]
        drafts = generator.draft(requests)
        found = similar.of(requests) if similar is not None else [[] for _ in requests]
        for row, passages, draft, near in zip(batch, evidence, drafts, found, strict=True):
            features = risk_features(row["question"], draft, passages, near)
            wrong = is_wrong(answer_text(draft), row["answers"], bool(row["answerable"]))
            yield LabelledDraft(row, passages, draft, features, wrong)


class _Similarities:
    """Cosines of questions and their passages, as the service's search gives them."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Vectors] = {}

    def of(self, requests: Sequence[DraftRequest]) -> list[list[float]]:
        texts = [
            [f"{p.title}\n{p.text}" if p.title else p.text for p in r.evidence] for r in requests
        ]
        new = list(dict.fromkeys(t for some in texts for t in some if t not in self._known))
        if len(self._known) + len(new) > KNOWN_VECTORS:
            self._known.clear()
            new = list(dict.fromkeys(text for some in texts for text in some))
        if new:
            self._known |= dict(zip(new, self._embedder.embed(new), strict=True))
        questions = self._embedder.embed([request.question for request in requests])
        return [
            [float(question @ self._known[text]) for text in some]
            for question, some in zip(questions, texts, strict=True)
        ]
