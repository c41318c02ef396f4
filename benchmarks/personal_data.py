"""Precision, recall and F1 of the recognisers of personal data, beside other ones."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from app.errors import DependencyFailed
from app.files import read_rows
from benchmarks.metrics import percentile, share
from guardrails.personal_data.find import KINDS, find_personal_data

Marked = tuple[str, int, int]
Finder = Callable[[str], Iterable[Marked]]
LABELS = {
    "STREET_ADDRESS": "address",
    "ZIP_CODE": "address",
    "CREDIT_CARD": "card",
    "PHONE_NUMBER": "phone",
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "US_SSN": "national_id",
    "US_DRIVER_LICENSE": "national_id",
    "IP_ADDRESS": "ip_address",
    **{kind: kind for kind in KINDS},
}
"""Types of the file and of presidio, and our kinds; other types are left out: names of people
and places need a model."""
PLAIN = {
    "email": re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
    "card": re.compile(r"\b(?:\d[ -]?){12,18}\d\b"),
    "iban": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b"),
    "national_id": re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
    "ip_address": re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),
    "phone": re.compile(r"\+?\(?\d[\d ().-]{7,}\d"),
    "address": re.compile(r"\b\d+ (?:[A-Z]\w+ )+(?:St|Street|Rd|Road|Ave|Avenue|Lane|Drive)\b"),
}
"""The baseline: one pattern for each kind, without checksums or words around it."""


def measure_personal_data(
    file: Path, limit: int | None = None, presidio: bool = False
) -> dict[str, Any]:
    """Figures by recogniser and kind over rows {text, spans: [{type, start, end}]}.

    A span counts as found when a span of the same kind overlaps it; ``exact_recall`` asks for
    the same start and end. Raises ``DependencyFailed`` when presidio is wanted and missing.
    """
    rows = [(str(row["text"]), _spans(row["spans"])) for row in read_rows(file)][:limit]
    finders: dict[str, Finder] = {"countersign": _ours, "plain patterns": _plain}
    if presidio:
        finders["presidio"] = _presidio()
    return {**{name: _measure(find, rows) for name, find in finders.items()}, "n": len(rows)}


def _measure(find: Finder, rows: Sequence[tuple[str, list[Marked]]]) -> dict[str, Any]:
    counts: Counter[tuple[str, str]] = Counter()
    times = []
    for text, wanted in rows:
        began = time.perf_counter()
        found = list(find(text))
        times.append((time.perf_counter() - began) * 1000)
        _count(counts, found, wanted)
    kinds = sorted({kind for kind, _ in counts})
    for kind, what in tuple(counts):
        counts["all", what] += counts[kind, what]
    return {
        **{kind: _scores(counts, kind) for kind in [*kinds, "all"]},
        "ms_p50": round(percentile(times, 0.5), 3),
        "ms_p95": round(percentile(times, 0.95), 3),
    }


def _count(
    counts: Counter[tuple[str, str]], found: Sequence[Marked], wanted: Sequence[Marked]
) -> None:
    for span in wanted:
        counts[span[0], "wanted"] += 1
        counts[span[0], "hit"] += any(_overlap(span, other) for other in found)
        counts[span[0], "exact"] += span in found
    for span in found:
        counts[span[0], "found"] += 1
        counts[span[0], "right"] += any(_overlap(span, other) for other in wanted)


def _overlap(one: Marked, other: Marked) -> bool:
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


def _scores(counts: Counter[tuple[str, str]], kind: str) -> dict[str, float | None]:
    precision = share(counts[kind, "right"], counts[kind, "found"])
    recall = share(counts[kind, "hit"], counts[kind, "wanted"])
    both = (precision or 0.0) + (recall or 0.0)
    return {
        "precision": precision,
        "recall": recall,
        "f1": round(2 * (precision or 0.0) * (recall or 0.0) / both, 4) if both else None,
        "exact_recall": share(counts[kind, "exact"], counts[kind, "wanted"]),
        "n": counts[kind, "wanted"],
    }


def _spans(spans: Iterable[dict[str, Any]]) -> list[Marked]:
    return [(LABELS[s["type"]], s["start"], s["end"]) for s in spans if s["type"] in LABELS]


def _ours(text: str) -> Iterable[Marked]:
    """Kinds that no row of such files can have are left out: dates of birth and secrets."""
    found = ((match.kind, match.start, match.end) for match in find_personal_data(text))
    return [span for span in found if span[0] in PLAIN]


def _plain(text: str) -> Iterable[Marked]:
    for kind, wanted in PLAIN.items():
        for match in wanted.finditer(text):
            yield kind, *match.span()


def _presidio() -> Finder:
    """Presidio's own recognisers on a blank English model: patterns and checksums, no names."""
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
    except ImportError as error:
        raise DependencyFailed(
            "presidio is not installed: pip install presidio-analyzer (about 530 MB)."
        ) from error

    class BlankEngine(SpacyNlpEngine):  # type: ignore[misc]
        """No model is fetched: it only cuts words."""

        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

    engine = AnalyzerEngine(nlp_engine=BlankEngine(), supported_languages=["en"])

    def find(text: str) -> Iterable[Marked]:
        spans = engine.analyze(text, language="en")
        return [(LABELS[s.entity_type], s.start, s.end) for s in spans if s.entity_type in LABELS]

    return find
