"""Measures: SQuAD's exact match and F1, recall at k, reciprocal rank, percentiles."""

import re
import string
from collections import Counter
from collections.abc import Sequence

from guardrails.words import STOP_WORDS, WORD

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """SQuAD's normal form: lower case, no punctuation, no articles, single spaces."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1.0 when the answer equals any reference in normal form."""
    return float(any(normalise(answer) == normalise(reference) for reference in references))


def f1(answer: str, references: Sequence[str]) -> float:
    """The best token F1 against any reference, in [0, 1]."""
    return max((_f1(answer, reference) for reference in references), default=0.0)


def _f1(answer: str, reference: str) -> float:
    found, wanted = normalise(answer).split(), normalise(reference).split()
    if not found or not wanted:
        return float(found == wanted)
    shared = sum((Counter(found) & Counter(wanted)).values())
    return 2 * shared / (len(found) + len(wanted))


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


def share(part: float, whole: float) -> float | None:
    """``part / whole`` with four decimals; None of nothing."""
    return round(part / whole, 4) if whole else None


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
