"""Measures: SQuAD's exact match and F1, recall at k, reciprocal rank, percentiles."""

from collections.abc import Sequence
from typing import Any

from guardrails.words import STOP_WORDS, WORD
from training.scoring import exact_match as exact_match
from training.scoring import f1 as f1
from training.scoring import normalise as normalise


def percent(values: Sequence[float]) -> float:
    """The mean of values in [0, 1], in percent with two decimals; 0 for none."""
    return round(100 * sum(values) / len(values), 2) if values else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value at ``share`` of the sorted values (nearest rank); 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def words(text: str) -> list[str]:
    """The words and numbers of ``text`` in order, case-folded."""
    return WORD.findall(text.casefold())


def unsupported_words(answer: str, sources: Sequence[str]) -> tuple[int, int]:
    """(words of ``answer`` that neither a source nor the function words hold, all its words).

    Each occurrence counts; a word in another form ("pay", "paid") is another word.
    """
    known = STOP_WORDS.union(*map(words, sources))
    said = words(answer)
    return sum(word not in known for word in said), len(said)


def rounded(value: Any) -> float | None:
    """Four decimals; None stays None."""
    return None if value is None else round(float(value), 4)


def share(part: float, whole: float) -> float | None:
    """``part / whole`` with four decimals; None of nothing."""
    return rounded(part / whole) if whole else None


def ranking_scores(rankings: Sequence[Sequence[str]], gold: Sequence[set[str]]) -> dict[str, float]:
    """recall@1, @5, @10 (share of questions with a gold document among the first k) and mrr@10."""
    scores = {}
    for k in (1, 5, 10):
        hits = [bool(set(found[:k]) & wanted) for found, wanted in zip(rankings, gold, strict=True)]
        scores[f"recall@{k}"] = round(sum(hits) / max(1, len(hits)), 4)
    ranks = [_reciprocal(found[:10], wanted) for found, wanted in zip(rankings, gold, strict=True)]
    scores["mrr@10"] = round(sum(ranks) / max(1, len(ranks)), 4)
    return scores


def _reciprocal(found: Sequence[str], wanted: set[str]) -> float:
    return next((1 / rank for rank, name in enumerate(found, start=1) if name in wanted), 0.0)
