"""Is what is stored what people see? Facts of a made corpus, read and cut as ingestion does."""

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from app.errors import DocumentRefused
from app.inference.embedder import load_tokenizer
from benchmarks.ingest import figures_of, peer_python
from benchmarks.reading.facts import Fact, facts
from benchmarks.reading.old import old_facts
from benchmarks.reading.together import everyday, measure_together
from guardrails.contract import sentence_bounds
from ingestion.chunk import Cut, cut_passages
from ingestion.formats.extract import extract

PASSAGE_TOKENS = 254
ENVIRONMENT = Path.home() / ".cache" / "countersign" / "readers"
"""Where the other toolkits' own environment lies."""


@dataclass(frozen=True)
class FactRead:
    """What became of one fact; ``stored`` are wrong values in passages that nothing marks."""

    fact: Fact
    right: bool
    stored: tuple[str, ...]
    said: str = ""


def measure_reading(old: bool = False) -> dict[str, Any]:
    """Facts read right, and wrong values stored, by kind and format.

    With ``old`` of the files that LibreOffice makes of them for programs of before 2007.
    """
    tokenizer = load_tokenizer()
    outcomes = [read_fact(fact, tokenizer) for fact in (old_facts() if old else facts())]
    together = {
        name: measure_together(everyday(name), tokenizer, PASSAGE_TOKENS)
        for name in ("first", "second")
    }
    return {**_counted(outcomes), "together": together}


def measure_peer(
    peer: str, environment: Path = ENVIRONMENT, seconds: float = 600
) -> dict[str, Any]:
    """The same facts from the Markdown that another toolkit makes of the files.

    It is read and cut as any Markdown is here: the toolkit takes the place of our reader alone. A
    file that it refuses is a fact that is not right. Raises ``DependencyFailed`` without the peer.
    """
    python = peer_python(environment, "benchmarks/peers/reading_requirements.txt")
    tokenizer, known = load_tokenizer(), list(facts())
    with tempfile.TemporaryDirectory(prefix="countersign-reading-") as name:
        for fact in known:
            Path(name, fact.name).write_bytes(fact.data)
        command = [python, "-m", "benchmarks.peers.read_files", peer, name]
        figures = figures_of(command, seconds)
        made = [(fact, Path(name, f"{fact.name}.md")) for fact in known]
        outcomes = [
            read_fact(replace(fact, name=file.name, data=file.read_bytes()), tokenizer)
            if file.exists()
            else FactRead(fact, False, (), "refused")
            for fact, file in made
        ]
    return {"peer": peer, **figures, **_counted(outcomes)}


def _counted(outcomes: Sequence[FactRead]) -> dict[str, Any]:
    by_kind: dict[str, dict[str, int]] = defaultdict(lambda: {"facts": 0, "right": 0, "wrong": 0})
    for one in outcomes:
        row = by_kind[f"{one.fact.kind} {one.fact.format}"]
        row["facts"] += 1
        row["right"] += one.right
        row["wrong"] += bool(one.stored)
    return {
        "facts": len(outcomes),
        "right": sum(one.right for one in outcomes),
        "wrong_stored": sum(bool(one.stored) for one in outcomes),
        "by_kind": dict(by_kind),
        "missed": [one.fact.name for one in outcomes if not one.right or one.stored],
    }


def read_fact(fact: Fact, tokenizer: Tokenizer) -> FactRead:
    """Read and cut one document, and look for what it says."""
    try:
        cuts = cut_passages(extract(fact.data, fact.name), tokenizer, PASSAGE_TOKENS)
    except DocumentRefused as refusal:
        return FactRead(fact, False, (), f"refused: {refusal.reason}")
    plain = [cut for cut in cuts if not cut.doubt]
    right = any(_says(cut, fact) for cut in plain)
    stored = tuple(w for w in fact.wrong if any(_holds(cut.text, w) for cut in plain))
    return FactRead(fact, right, stored, "\n----\n".join(cut.text for cut in cuts))


def _says(cut: Cut, fact: Fact) -> bool:
    if fact.under and fact.under not in cut.headings:
        return False
    texts: Iterable[str] = [cut.text]
    if fact.sentence:
        texts = (cut.text[start:end] for start, end in sentence_bounds(cut.text))
    return any(all(_holds(text, wanted) for wanted in fact.right) for text in texts)


def _holds(text: str, wanted: str) -> bool:
    """Whether ``wanted`` stands in a text, white space aside, and no longer number around it."""
    words = r"\s+".join(re.escape(word) for word in wanted.split())
    edges = [r"(?<!\d)" if wanted[:1].isdigit() else "", r"(?!\d)" if wanted[-1:].isdigit() else ""]
    return re.search(edges[0] + words + edges[1], text) is not None
