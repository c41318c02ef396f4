"""The whole service on a temporary store: ingest, ask every question, and judge the outcome."""

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select

from app.access.principals import LOCAL
from app.answering.answerer import Ask
from app.deadline import Deadline
from app.errors import Invalid
from app.files import read_rows
from app.records.recording import recorded_draft
from app.records.tables import RecordRow
from app.review.quotes import MOST
from app.review.tables import ReviewTaskRow
from app.settings import Settings
from app.wiring import Services, open_services
from benchmarks.answers import KEYS, read_questions
from benchmarks.metrics import f1, percent, percentile
from guardrails.contract import AnswerObject, Draft, Sentence
from guardrails.risk import UNKNOWN
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files
from training.outcomes import answer_text
from training.scoring import is_wrong

LABELS = {key: kind for key, kind in KEYS.items() if key != "contexts"}
"""What a row must hold when the service looks for the contexts itself."""
OUTCOMES = ("right", "wrong", "none", "held")


def measure_pipeline(
    corpus: Path, questions: Path, limit: int | None = None, generator: str = "reader"
) -> dict[str, Any]:
    """Outcomes over all questions; ``corpus`` is a folder, a document, or rows {doc_id, text}.

    ``f1`` counts an answer as the asker or its reviewer would see it (held drafts included);
    an unanswerable question counts 100 when nothing was released.
    """
    return _summary(*ask_questions(corpus, questions, limit, generator))


def ask_questions(
    corpus: Path, questions: Path, limit: int | None = None, generator: str = "reader"
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of ``questions`` and what became of each, asked over ``corpus``."""
    rows = list(read_rows(questions))[:limit]
    with temporary_service(generator) as (services, folder):
        sources = ingest_corpus(services, corpus, folder)
        return rows, [_ask(services, row, sources) for row in rows]


def score_examples(
    folder: Path, generator: str = "reader", limit: int | None = None
) -> list[dict[str, Any]]:
    """Rows for ``benchmarks.gate.parse_outcomes``: each question of ``folder`` asked once.

    ``folder`` holds ``questions.jsonl`` and ``documents/``, as ``examples/`` does, or is full of
    such folders, each of which is asked by itself. ``held`` is what the policy said; the gate's
    own certificate plays no part. Raises ``Invalid``.
    """
    return [row for part in folders_of(folder) for row in _scored_folder(part, generator, limit)]


def folders_of(folder: Path) -> list[Path]:
    """The folders of questions in ``folder``, or itself."""
    return sorted(path.parent for path in folder.glob("*/questions.jsonl")) or [folder]


def measure_quotes(folder: Path, generator: str = "reader") -> dict[str, Any]:
    """How often a draft is right, and how often it or one of the first quotes beside it is, over
    the answerable questions of ``folder``, which is as in ``score_examples``; all are reviewed.

    ``none`` have no draft, ``held`` are before a reviewer, with a draft or without: only these have
    quotes. Raises ``Invalid``.
    """
    found = [one for part in folders_of(folder) for one in _quoted_folder(part, generator)]
    counts = {"n": len(found), **{name: sum(one[name] for one in found) for name in OUTCOMES}}
    for most in range(1, MOST + 1):
        counts[f"right_with_{most}"] = sum(any(one["rights"][: most + 1]) for one in found)
    return counts


def _quoted_folder(folder: Path, generator: str) -> list[dict[str, Any]]:
    answerable = [row for row in questions_of(folder) if row["answerable"]]
    with temporary_service(generator, gate_mode="review_everything") as (services, store):
        ingest_corpus(services, folder / "documents", store)
        return [_quoted(services, row) for row in answerable]


def _quoted(services: Services, row: dict[str, Any]) -> dict[str, Any]:
    answer_id = _asked(services, row)
    draft = recorded_draft(_record(services, answer_id))
    drafted = draft is not None and not draft.abstained
    rights = [drafted and draft is not None and not is_wrong_draft(draft, row)]
    with services.database.reading() as session:
        query = select(ReviewTaskRow.id).where(ReviewTaskRow.answer_id == answer_id)
        task_id = session.scalar(query)
    if task_id is not None:
        for quote in services.quotes.beside_draft(LOCAL, task_id, Deadline(60)).quotes:
            said = tuple(Sentence(one.text, ()) for one in quote.answer.sentences)
            quoted = Draft(said, (), "", quote.answer.short)
            rights.append(not is_wrong_draft(quoted, row))
    return {
        "right": rights[0],
        "wrong": drafted and not rights[0],
        "none": not drafted,
        "held": task_id is not None,
        "rights": rights,
    }


def _scored_folder(folder: Path, generator: str, limit: int | None) -> list[dict[str, Any]]:
    return _scored_over(folder / "documents", questions_of(folder)[:limit], generator)


def questions_of(folder: Path) -> list[dict[str, Any]]:
    rows = read_questions(folder / "questions.jsonl", LABELS)
    if not (folder / "documents").is_dir():
        raise Invalid(f"{folder} has no folder documents.")
    return rows


def score_whole(
    questions: Path, generator: str = "reader", limit: int | None = None, keep: Path | None = None
) -> list[dict[str, Any]]:
    """As ``score_examples``, over the contexts of rows as documents, where the service must find
    them; so many passages are left out that at least half of the questions have no answer.

    ``keep`` is a file of finished rows: a run that was interrupted goes on with it. Raises
    ``Invalid``, also for a file of other questions.
    """
    rows, texts = half_unanswerable(read_questions(questions)[:limit])
    with tempfile.TemporaryDirectory() as name:
        corpus = Path(name) / "corpus.jsonl"
        lines = [{"doc_id": number, "text": text} for number, text in enumerate(texts)]
        corpus.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        return _scored_over(corpus, rows, generator, keep)


def half_unanswerable(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows, with at least half of them unanswerable, and the texts that are left.

    Texts are left out in an order that only their words decide, until half of the questions have
    no answer. A question that keeps some of its texts and loses others is left out: nobody knows
    which of them answers it. So is one whose answer stands in a text that is left: that may answer
    it too. Then the last answerable ones are left out, as many as are too many.
    """
    over: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        for text in row["contexts"]:
            over.setdefault(text, []).append(number)
    left = [len(set(row["contexts"])) for row in rows]
    lost = sum(not row["answerable"] for row in rows)
    gone: set[str] = set()
    for text in sorted(over, key=lambda text: hashlib.sha256(text.encode()).digest()):
        if 2 * lost >= len(rows):
            break
        gone.add(text)
        for number in set(over[text]):
            left[number] -= 1
            lost += left[number] == 0 and rows[number]["answerable"]
    texts = [text for text in over if text not in gone]
    read = [text.casefold() for text in texts]
    found = []
    for row, some in zip(rows, left, strict=True):
        if not gone & set(row["contexts"]):
            found.append(row)
        elif some == 0 and not _stands_in(row["answers"], read):
            found.append({**row, "answerable": False, "answers": []})
    return _as_many_of_both(found), texts


def _stands_in(answers: list[str], texts: list[str]) -> bool:
    return any(answer.casefold() in text for answer in answers for text in texts)


def _as_many_of_both(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without the last answerable ones, so that at least half have no answer."""
    most = sum(not row["answerable"] for row in rows)
    places = [place for place, row in enumerate(rows) if row["answerable"]]
    dropped = set(places[most:])
    return [row for place, row in enumerate(rows) if place not in dropped]


def _scored_over(
    corpus: Path, rows: list[dict[str, Any]], generator: str, keep: Path | None = None
) -> list[dict[str, Any]]:
    scored = _finished(keep, rows)
    if len(scored) == len(rows):
        return scored
    with temporary_service(generator, gate_mode="review_everything") as (services, store):
        ingest_corpus(services, corpus, store)
        for row in rows[len(scored) :]:
            scored.append(_scored(services, row))
            if keep is not None:
                with keep.open("a", encoding="utf-8") as target:
                    target.write(json.dumps(scored[-1]) + "\n")
    return scored


def _finished(keep: Path | None, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of an interrupted run; raises ``Invalid`` where they are of other questions."""
    if keep is None or not keep.exists():
        return []
    found = list(read_rows(keep))
    told = [(row["id"], row["answerable"]) for row in found]
    if told != [(row.get("id"), row["answerable"]) for row in rows[: len(found)]]:
        raise Invalid(f"{keep.name} holds the outcomes of other questions.")
    return found


@contextmanager
def temporary_service(generator: str = "reader", **more: Any) -> Iterator[tuple[Services, Path]]:
    """The service on a temporary store, with ``more`` settings, and the folder of that store."""
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(
            data_dir=Path(name),
            database_url="",
            generator=generator,
            questions_per_minute=10**6,
            **more,
        )
        services = open_services(settings)
        try:
            yield services, Path(name)
        finally:
            services.close()


def _scored(services: Services, row: dict[str, Any]) -> dict[str, Any]:
    record = _record(services, _asked(services, row))
    draft, gate = recorded_draft(record), record.gate or {}
    answered = draft is not None and not draft.abstained
    return {
        "id": row.get("id"),
        "score": gate.get("risk", UNKNOWN),
        "wrong": draft is not None and answered and is_wrong_draft(draft, row),
        "answerable": row["answerable"],
        "abstained": not answered,
        "held": answered and not gate.get("asked", False),
        "searched": True,
        "features": {name: round(value, 6) for name, value in gate.get("features", {}).items()},
    }


def _asked(services: Services, row: dict[str, Any]) -> str:
    """The id of the answer to the row's question, which may follow another one."""
    before = None
    if row.get("after"):
        before = services.answerer.answer(LOCAL, Ask(row["after"])).answer_id
    asked = Ask(row["question"], previous_answer_id=before)
    return services.answerer.answer(LOCAL, asked).answer_id


def is_wrong_draft(draft: Draft, row: dict[str, Any]) -> bool:
    """``right`` of a row is a pattern that only a right answer holds: sentences and rows of tables
    have many right forms."""
    if row.get("right") and row["answerable"]:
        told = " | ".join(sentence.text for sentence in draft.sentences)
        return re.search(row["right"], told) is None
    return is_wrong(answer_text(draft), row["answers"], row["answerable"])


def ingest_corpus(services: Services, corpus: Path, folder: Path) -> dict[str, str]:
    """Ingest the corpus; returns the name of each document as the questions know it, by id."""
    root = corpus if corpus.is_dir() else corpus.parent
    if corpus.name.removesuffix(".gz").endswith(".jsonl"):
        root = folder / "documents"
        names = _write_rows(corpus, root)
    else:
        names = {}
    files = find_files([root if names else corpus])
    pipeline_for(services).ingest(files, "benchmark")
    found = services.corpus.documents.page(["benchmark"], limit=10**6)
    return {
        row.document_id: names.get(Path(row.source).name)
        or str(Path(row.source).relative_to(root.resolve()))
        for row in found.documents
    }


def _write_rows(corpus: Path, folder: Path) -> dict[str, str]:
    folder.mkdir()
    names = {}
    for number, row in enumerate(read_rows(corpus)):
        name = f"{number:06}.txt"
        title = str(row.get("title") or "")
        text = str(row["text"])
        body = text if text.startswith(title) else f"{title}\n\n{text}"
        (folder / name).write_text(body, "utf-8")
        names[name] = str(row["doc_id"])
    return names


def _ask(services: Services, row: dict[str, Any], sources: dict[str, str]) -> dict[str, Any]:
    began = time.perf_counter()
    answer = services.answerer.answer(LOCAL, Ask(row["question"]))
    milliseconds = (time.perf_counter() - began) * 1000
    draft = _record(services, answer.answer_id).draft
    if answer.answer is not None:
        draft = cast("AnswerObject", asdict(answer.answer))
    text = (draft["short"] or draft["text"]) if draft else ""
    answerable = bool(row.get("answerable", row["answers"]))
    right = f1(text, row["answers"]) if answerable else 0.0
    return {
        "status": answer.status,
        "milliseconds": milliseconds,
        "f1": right if answerable else float(answer.status != "released"),
        "wrong": is_wrong(text, row["answers"], answerable),
        "answerable": answerable,
        "citations": _citation_hits(draft, row, sources),
    }


def _record(services: Services, answer_id: str) -> RecordRow:
    with services.database.reading() as session:
        return session.get_one(RecordRow, answer_id)


def _citation_hits(
    draft: AnswerObject | None, row: dict[str, Any], sources: dict[str, str]
) -> list[bool]:
    """For each citation, whether it is of a document (and page) the question names."""
    wanted = set(map(str, row.get("evidence_doc_ids") or []))
    if draft is None or not wanted:
        return []
    return [
        sources.get(citation["document_id"], "") in wanted
        and row.get("page") in (None, citation["page"])
        for citation in draft["citations"]
    ]


def _summary(rows: list[dict[str, Any]], outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    def count(status: str) -> int:
        return sum(outcome["status"] == status for outcome in outcomes)

    released = [outcome for outcome in outcomes if outcome["status"] == "released"]
    citations = [hit for outcome in outcomes for hit in outcome["citations"]]
    milliseconds = [outcome["milliseconds"] for outcome in outcomes]
    summary: dict[str, Any] = {
        "f1": percent([outcome["f1"] for outcome in outcomes]),
        "released": count("released"),
        "held": count("held"),
        "blocked": count("blocked"),
        "abstained": count("abstained"),
        "wrong_among_released": _share([outcome["wrong"] for outcome in released]),
        "citation_precision": _share(citations),
        "ms_p50": round(percentile(milliseconds, 0.5), 1),
        "ms_p95": round(percentile(milliseconds, 0.95), 1),
        "n": len(rows),
    }
    if all("expected" in row for row in rows):
        expected = zip(rows, outcomes, strict=True)
        summary["as_expected"] = _share([row["expected"] == o["status"] for row, o in expected])
    return summary


def _share(values: list[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
