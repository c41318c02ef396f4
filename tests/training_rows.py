"""Training data as files, as the trainings read it."""

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """JSON lines, gzip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as target:
        target.writelines(json.dumps(row) + "\n" for row in rows)


def write_tables(data: Path, **tables: Iterable[dict[str, Any]]) -> None:
    """The tables of questions and passages below ``data``."""
    for name, rows in tables.items():
        write_rows(data / "train" / "qa" / f"{name}.jsonl.gz", rows)


def question_rows(asked: Sequence[tuple[str, str, list[str]]]) -> list[dict[str, Any]]:
    """Questions, each with its passage and its answers, numbered from 0."""
    return [
        {
            "id": str(number),
            "question": question,
            "passage_ids": [passage],
            "answers": answers,
            "answerable": bool(answers),
            "source": "test",
        }
        for number, (question, passage, answers) in enumerate(asked)
    ]
