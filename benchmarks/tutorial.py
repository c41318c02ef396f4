"""The owner's path, played through: from questions over a new index to labels, a certificate, and
what a change of documents and models leaves of the labels.

Labels are given by the known answers, in labelling sessions, as docs/tutorial.md has a reviewer
give them. The second half changes a tenth of the documents (every digit in them) and the lineage of
the models, and carries the labels over.
"""

import math
import re
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.access.principals import LOCAL, Principal
from app.answering.answerer import Ask
from app.files import read_rows
from app.gate.carry import carry_labels
from app.gate.certificates import Premises
from app.gate.certify import Certifier
from app.gate.strata import STANDARD, Stratum
from app.records.recording import recorded_draft
from app.records.tables import RecordRow
from app.review.decisions import Decision
from app.review.labelling import LabellingSession
from app.wiring import Services
from benchmarks.pipeline import temporary_service
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import NotCertifiable
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files
from training.outcomes import answer_text
from training.scoring import is_wrong

COLLECTION = "tutorial"
TEACHER = Principal("teacher", frozenset(["reviewer"]))
EVERY = 10
"""After so many labels the owner tries to certify, as on another day."""
CHANGED = 0.1
TEXT_ENDINGS = (".md", ".txt", ".html")
"""Documents whose text can be changed in place."""


def play_tutorial(corpus: Path, questions: Path, limit: int | None = None) -> dict[str, Any]:
    """What the tutorial comes to with the shipped models: labels, wrong ones, the certificate or
    what is missing, and the share of labels that a change left (``carried``).

    ``corpus`` is a folder of documents, ``questions`` rows {question, answers, answerable}. Raises
    ``Invalid`` for bad rows.
    """
    rows = list(read_rows(questions))[:limit]
    with (
        tempfile.TemporaryDirectory() as name,
        temporary_service(gate_mode="review_everything") as (services, _),
    ):
        documents = Path(shutil.copytree(corpus, Path(name) / "documents"))
        _ingest(services, documents)
        truth = {row["question"]: row for row in rows}
        for question in truth:
            services.answerer.answer(LOCAL, Ask(question))
        labels, wrong, result = _label(services, truth)
        carried = _carry(services, documents)
    certified = isinstance(result, Certificate)
    return {
        "questions": len(rows),
        "labels": labels,
        "wrong": wrong,
        "certified": certified,
        "threshold": result.threshold if isinstance(result, Certificate) else None,
        "released_share": result.released_share if isinstance(result, Certificate) else None,
        "message": result.message if isinstance(result, NotCertifiable) else "",
        **carried,
    }


def _ingest(services: Services, documents: Path) -> None:
    pipeline_for(services).ingest(find_files([documents]), COLLECTION)


def _label(
    services: Services, truth: dict[str, dict[str, Any]]
) -> tuple[int, int, Certificate | NotCertifiable]:
    """(labels, wrong ones, the last try to certify); ends at the first certificate."""
    session = LabellingSession(services.database, services.settings, services.gate.certificates)
    stratum = Stratum(COLLECTION, STANDARD)
    labels = wrong = 0
    while True:
        task_id = session.next_task(TEACHER, stratum).task_id
        if task_id is not None:
            wrong += _judge(services, task_id, truth)
            labels += 1
        if task_id is None or labels % EVERY == 0:
            result = _certify(services)
            if task_id is None or isinstance(result, Certificate):
                return labels, wrong, result


def _judge(services: Services, task_id: str, truth: dict[str, dict[str, Any]]) -> bool:
    """Decide one task by the known answer; whether the draft was wrong."""
    seen = services.desk.claim(TEACHER, task_id)
    with services.database.reading() as session:
        draft = recorded_draft(session.get_one(RecordRow, seen.answer_id))
    row = truth[seen.question]
    text = "" if draft is None else answer_text(draft)
    wrong = is_wrong(text, row["answers"], row["answerable"])
    kind, reason = ("reject", "Not what the document says.") if wrong else ("approve", "")
    decision = Decision(kind, seen.content_sha256, seen.fence, reason)  # type: ignore[arg-type]
    services.desk.decide(TEACHER, task_id, decision)
    return wrong


def _certify(services: Services) -> Certificate | NotCertifiable:
    settings = services.settings
    maker = Certifier(services.database, settings, services.gate.certificates)
    return maker.certify(COLLECTION, STANDARD, settings.gate_alpha, settings.gate_delta, "owner")


def _carry(services: Services, documents: Path) -> dict[str, Any]:
    """Change documents and lineage, and ask the labelled questions again."""
    changed = change_documents(documents)
    _ingest(services, documents)
    certificates = services.gate.certificates
    lineage = {**certificates.lineage, "risk_model": "another"}
    certificates._premises = Premises(certificates.shipped, lineage)
    carried = carry_labels(
        services.database,
        Stratum(COLLECTION, STANDARD),
        lambda question: services.answerer.rehearse(LOCAL, Ask(question)),
        "owner",
    )
    found = {key: value for key, value in asdict(carried).items() if key != "to_label"}
    total = sum(found.values())
    share = round(found["kept"] / total, 4) if total else None
    return {"documents_changed": changed, **found, "carried": share}


def change_documents(folder: Path) -> int:
    """Change every digit in a tenth of the documents; returns how many documents that is."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    texts = [path for path in files if path.suffix in TEXT_ENDINGS]
    chosen = texts[:: max(1, len(texts) // math.ceil(CHANGED * len(files)))]
    chosen = chosen[: math.ceil(CHANGED * len(files))]
    for path in chosen:
        text = path.read_text("utf-8")
        path.write_text(re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), text), "utf-8")
    return len(chosen)
