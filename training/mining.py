"""Hard negatives for the reader: what this project's own search finds for a question, wrongly.

Run as:
    python -m training.mining --data DATA --out NEGATIVES

Writes rows {id, negatives} (passage ids, best first). A passage that holds an answer of the
question may answer it, so it is no negative.
"""

import gzip
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from app.files import read_rows
from app.inference.embedder import MiniLMEmbedder
from app.retrieval.entries import Entry
from app.retrieval.passage_index import FUSION_DEPTH, PassageIndex, fuse, write_index

COLLECTION = "training"
NEGATIVES = 12
"""Kept for each question."""
EMBED_TOGETHER = 2048


def main(
    data: Annotated[Path, typer.Option(help="folder with train/qa")],
    out: Annotated[Path, typer.Option(help="file to write, JSON lines, gzip")],
    limit: Annotated[int | None, typer.Option(help="only this many questions")] = None,
) -> None:
    """Search with every answerable question over all training passages."""
    passages = {
        row["passage_id"]: row["text"] for row in read_rows(data / "train/qa/passages.jsonl.gz")
    }
    rows = [
        row
        for row in read_rows(data / "train/qa/questions.jsonl.gz")
        if row["answerable"] and len(row["passage_ids"]) == 1
    ][:limit]
    embedder = MiniLMEmbedder()
    # bf16 is twice as fast on a CPU, and the order of the hits hardly changes.
    fast = torch.autocast("cpu", torch.bfloat16)
    with (
        fast,
        tempfile.TemporaryDirectory() as folder,
        gzip.open(out, "wt", encoding="utf-8") as target,
    ):
        index = _index(passages, Path(folder) / "index", embedder)
        typer.echo(f"{len(index)} passages, {len(rows)} questions")
        for row, found in _search(rows, index, embedder):
            negatives = _negatives(row, found, passages)
            target.write(json.dumps({"id": row["id"], "negatives": negatives}) + "\n")


def _index(passages: dict[str, str], folder: Path, embedder: MiniLMEmbedder) -> PassageIndex:
    entries = [Entry(key, key, COLLECTION) for key in passages]
    texts = [("", text) for text in passages.values()]
    write_index(folder, entries, texts, embedder.embed(list(passages.values())), embedder.name)
    return PassageIndex(folder)


def _search(
    rows: list[dict[str, Any]], index: PassageIndex, embedder: MiniLMEmbedder
) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Each row with the ids of its fused hits, best first."""
    for first in range(0, len(rows), EMBED_TOGETHER):
        some = rows[first : first + EMBED_TOGETHER]
        for row, vector in zip(some, embedder.embed([r["question"] for r in some]), strict=True):
            dense = index.dense(vector, [COLLECTION], FUSION_DEPTH)
            lexical = index.lexical(row["question"], [COLLECTION], FUSION_DEPTH)
            hits = fuse([dense, lexical])
            yield row, [index.entry(position).passage_id for position, _ in hits]
        typer.echo(f"{first + len(some)} questions")


def _negatives(row: dict[str, Any], found: list[str], passages: dict[str, str]) -> list[str]:
    answers = [answer.casefold() for answer in row["answers"]]
    wrong = (
        key
        for key in found
        if key not in row["passage_ids"]
        and not any(answer in passages[key].casefold() for answer in answers)
    )
    return [key for key, _ in zip(wrong, range(NEGATIVES), strict=False)]


if __name__ == "__main__":
    typer.run(main)
