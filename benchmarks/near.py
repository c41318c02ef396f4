"""Does it pay to lend readings to a question from one like it, and is anything wrong by it?

Each case is a question that was asked before and one that follows it. The latter is asked of a
service that has answered the former, and of one that keeps nothing. An answer is wrong by the cache
where it is wrong and the service that keeps nothing does not give it.
"""

import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.access.principals import LOCAL
from app.answering.answerer import Ask
from app.corpus.tables import PassageRow
from app.errors import Invalid
from app.files import read_rows
from app.records.recording import recorded_draft
from app.records.tables import RecordRow
from app.settings import Settings
from app.wiring import Services, open_services
from benchmarks.pipeline import folders_of, ingest_corpus, is_wrong_draft, questions_of
from benchmarks.service import ASKERS, MANNERS
from training.noise import noisy

Row = dict[str, Any]
MOST = 10_000
"""Answers that are kept: all."""
SEED = 20


@dataclass(frozen=True)
class Case:
    """What is asked first, and the row of what is asked then."""

    first: str
    then: Row


@dataclass(frozen=True)
class Told:
    """What a question came to, and the CPU seconds of all threads that it took. ``lent``: what
    was read for another question had a part in it."""

    text: str
    wrong: bool
    risk: float | None
    lent: bool
    seconds: float


def measure_near(
    folder: Path, limit: int | None, least: float, pairs: Path | None = None
) -> dict[str, Any]:
    """Paraphrases by rule of the questions of ``folder`` (as ``score_examples`` reads it), the
    same after every figure of the documents has changed, and ``pairs``: a folder with the files
    questions, passages and squad2_unanswerable, of questions that were altered so that nothing
    answers them, each asked after the one it was made from.

    ``limit`` is that of the questions of each company, and of the pairs. Raises ``Invalid``.
    """
    found: dict[str, list[tuple[Told, Told]]] = {"paraphrases": [], "drift": []}
    for part in folders_of(folder):
        cases = list(paraphrases(questions_of(part)[:limit]))
        documents = part / "documents"
        found["paraphrases"] += _asked_twice(documents, cases, least)
        found["drift"] += _asked_twice(documents, cases, least, change_figures)
    if pairs is not None:
        with tempfile.TemporaryDirectory() as name:
            corpus = Path(name) / "corpus.jsonl"
            found["altered"] = _asked_twice(corpus, altered(pairs, corpus, limit), least)
    return {name: summary(asked) for name, asked in found.items()}


def paraphrases(rows: Sequence[Row]) -> Iterator[Case]:
    """Each question in another manner, and once more as it is typed in haste."""
    rng = random.Random(SEED)
    for row in rows:
        question, other = str(row["question"]), str(rng.choice(rows)["question"])
        polite = f"{rng.choice(ASKERS[1:])}{question}{rng.choice(MANNERS)}"
        for form in dict.fromkeys((polite, noisy(question, other, rng))):
            if form != question and not row.get("after"):
                yield Case(question, {**row, "question": form})


def altered(data: Path, corpus: Path, limit: int | None) -> list[Case]:
    """Questions without an answer, each after the one that it was altered from; their passages
    are written to ``corpus``. Raises ``Invalid`` without such pairs."""
    rows = [row for row in read_rows(data / "squad2_unanswerable.jsonl.gz") if row.get("pair")]
    rows = random.Random(SEED).sample(rows, min(limit or len(rows), len(rows)))
    if not rows:
        raise Invalid(f"{data} has no pairs of questions.")
    wanted, places = {row["pair"] for row in rows}, {row["passage_ids"][0] for row in rows}
    asked = read_rows(data / "questions.jsonl.gz")
    first = {row["id"]: str(row["question"]) for row in asked if row["id"] in wanted}
    with corpus.open("w", encoding="utf-8") as target:
        for row in read_rows(data / "passages.jsonl.gz"):
            if row["passage_id"] in places:
                target.write(json.dumps({"doc_id": row["passage_id"], **row}) + "\n")
    return [Case(first[row["pair"]], row) for row in rows if row["pair"] in first]


def change_figures(services: Services) -> None:
    """Another figure for each one in the passages, beneath the index that was built of them."""
    with services.database.transaction() as session:
        for row in session.query(PassageRow):
            row.text = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), row.text)


def summary(asked: Sequence[tuple[Told, Told]]) -> dict[str, Any]:
    """Shares of the questions in per cent, and CPU milliseconds each; of those that were lent to
    also how many are wrong, wrong by the cache, and differ from what the other service says."""
    hits = [pair for pair in asked if pair[0].lent]
    risks = [(a.risk, b.risk) for a, b in hits if a.risk is not None and b.risk is not None]
    return {
        "asked": len(asked),
        "lent": len(hits),
        "hit_rate": _percent(len(hits), len(asked)),
        "wrong": sum(told.wrong for told, _ in hits),
        "wrong_without": sum(plain.wrong for _, plain in hits),
        "wrong_by_it": sum(told.wrong and told.text != plain.text for told, plain in hits),
        "differ": sum(told.text != plain.text for told, plain in hits),
        "not_lent_differ": sum(a.text != b.text for a, b in asked if not a.lent),
        "risk_apart": round(max((abs(a - b) for a, b in risks), default=0.0), 3),
        "risk_lower": sum(a < b - 0.01 for a, b in risks),
        "cpu_ms_hit": _mean_ms([told for told, _ in hits]),
        "cpu_ms_hit_without": _mean_ms([plain for _, plain in hits]),
        "cpu_ms": _mean_ms([told for told, _ in asked]),
        "cpu_ms_without": _mean_ms([plain for _, plain in asked]),
    }


def _percent(some: int, of: int) -> float:
    return round(100 * some / max(of, 1), 1)


def _mean_ms(told: Sequence[Told]) -> float:
    return round(1000 * sum(one.seconds for one in told) / max(len(told), 1), 1)


def _asked_twice(
    corpus: Path,
    cases: Sequence[Case],
    least: float,
    change: Callable[[Services], None] | None = None,
) -> list[tuple[Told, Told]]:
    """What each case comes to after its first question, and where nothing is kept."""
    with tempfile.TemporaryDirectory() as name:
        with _service(Path(name), answer_cache=MOST, near_answers=least) as services:
            ingest_corpus(services, corpus, Path(name))
            for first in dict.fromkeys(case.first for case in cases):
                services.answerer.answer(LOCAL, Ask(first))
            if change is not None:
                change(services)
            lent = [_ask(services, case.then) for case in cases]
        with _service(Path(name)) as services:
            plain = [_ask(services, case.then) for case in cases]
    return list(zip(lent, plain, strict=True))


@contextmanager
def _service(folder: Path, **more: Any) -> Iterator[Services]:
    settings = Settings(
        data_dir=folder, database_url="", questions_per_minute=10**6, kept_readings=0, **more
    )
    services = open_services(settings)
    try:
        services.warm_up()
        yield services
    finally:
        services.close()


def _ask(services: Services, row: Row) -> Told:
    began = time.process_time()
    answer = services.answerer.answer(LOCAL, Ask(row["question"]))
    spent = time.process_time() - began
    with services.database.reading() as session:
        record = session.get_one(RecordRow, answer.answer_id)
    draft, gate = recorded_draft(record), record.gate or {}
    lineage: Mapping[str, str] = record.lineage
    if draft is None or draft.abstained:
        return Told("", False, None, "kept_from" in lineage, spent)
    wrong = is_wrong_draft(draft, row)
    return Told(draft.text, wrong, gate.get("risk"), "kept_from" in lineage, spent)
