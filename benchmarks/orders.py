"""How many orders hidden in passages are found, and how many honest passages are."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from app.inference.classifiers import Screens
from app.inference.embedder import load_tokenizer
from app.settings import Settings
from benchmarks.metrics import share
from guardrails.checks.injection import EvidenceInjectionCheck
from ingestion.chunk import cut_passages
from ingestion.formats.jail import extract_jailed
from ingestion.sources import find_files
from training.orders import Row, attacks, carriers, passages, unseen

Finds = Callable[[str], bool]


def measure_orders(data: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """Recall on attacks of unseen wordings, and the share of honest passages found in each set.

    Sets: carriers and QA passages kept from training, and the passages of the documents in each
    of ``folders``. By patterns alone, by the order head alone, and by either, as ingestion does
    it but for the injection score.
    """
    held = [row for row in attacks(data) if unseen(row["attack"])]
    sets = {
        "carriers": [text for text in carriers(data) if unseen(text)],
        "qa passages": passages(data)[2],
        **{folder.name: _passages(folder) for folder in folders},
    }
    finders = _finders(Screens(Settings().models_dir / "screens"))
    return {
        name: {
            "recall": _share_found(finds, (row["text"] for row in held)),
            "recall_by_category": _by_category(finds, held),
            **{f"false: {kind}": _share_found(finds, texts) for kind, texts in sets.items()},
        }
        for name, finds in finders.items()
    } | {"n": {"attacks": len(held)} | {kind: len(texts) for kind, texts in sets.items()}}


def _finders(screens: Screens) -> Mapping[str, Finds]:
    check = EvidenceInjectionCheck()

    @cache
    def by_patterns(text: str) -> bool:
        return bool(check.excerpts(text))

    @cache
    def by_lines(text: str) -> bool:
        return screens.order_in(text) is not None

    return {
        "patterns": by_patterns,
        "order head": by_lines,
        "both": lambda text: by_patterns(text) or by_lines(text),
    }


def _share_found(finds: Finds, texts: Iterable[str]) -> float | None:
    found = [finds(text) for text in texts]
    return share(sum(found), len(found))


def _by_category(finds: Finds, rows: Sequence[Row]) -> dict[str, float | None]:
    there = Counter(row["category"] for row in rows)
    found = Counter(row["category"] for row in rows if finds(row["text"]))
    return {category: share(found[category], n) for category, n in sorted(there.items())}


def _passages(folder: Path) -> list[str]:
    """The passages of all documents below ``folder``, cut as ingestion cuts them."""
    tokenizer, tokens = load_tokenizer(), Settings().passage_tokens
    extracted = (extract_jailed(path, path.name) for path in find_files([folder]))
    return [cut.text for one in extracted for cut in cut_passages(one, tokenizer, tokens)]
