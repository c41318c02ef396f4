"""Builders of records for tests: a corpus of one document, and a held draft that cites it."""

import secrets
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.answering.answerer import Answerer
from app.backends import build_checks, build_support
from app.corpus.corpus import Corpus
from app.corpus.passages import NewPassage
from app.db import Database
from app.records import recording
from app.review.desk import ReviewDesk
from app.review.tasks import open_task
from app.settings import Settings
from guardrails.contract import (
    Action,
    Check,
    Citation,
    Draft,
    Finding,
    Outcome,
    Passage,
    Sentence,
    Verdict,
)
from guardrails.judge import Judge
from guardrails.policy.decide import Policy

SUPPORT = build_support(Settings())


def every_check(policy: Policy) -> list[Check]:
    """All checks of the service; the model loads when it is first needed."""
    return build_checks(policy, SUPPORT)


def every_judge(policy: Policy) -> Judge:
    """The judge of the service for that policy."""
    return Judge(every_check(policy), policy)


TEXT = "The excess for water damage is £350. Claims must be made within 30 days."
EMBEDDER = "test-embedder"


def add_ready_document(corpus: Corpus, source: str = "handbook.txt", text: str = TEXT) -> str:
    """A document with one passage, ready; returns the document's id."""
    digest = secrets.token_hex(32)
    added = corpus.documents.add("main", source, f"/nowhere/{source}", digest)
    vector = np.zeros(8, dtype=np.float32)
    vector[len(text) % 8] = 1.0
    saved = corpus.documents.save(
        added.document_id,
        digest,
        title="Handbook",
        media_type="text/plain",
        embedder=EMBEDDER,
        passages=[NewPassage(text, 0, len(text), None, vector)],
    )
    assert saved
    return added.document_id


def only_passage(corpus: Corpus) -> Passage:
    """The one current passage of the corpus."""
    (indexed,) = corpus.passages.indexable(EMBEDDER)
    return corpus.passages.find([indexed.id])[indexed.id]


def draft_from(passage: Passage) -> Draft:
    """A draft of one sentence that quotes the passage's first sentence."""
    quote = passage.text[: passage.text.index(".") + 1]
    citation = Citation(
        1, passage.id, passage.document_id, passage.title, None, quote, 0, len(quote)
    )
    return Draft((Sentence(quote, (1,)),), (citation,), "test-generator", "£350")


def trail(passage: Passage, outcome: str = "held", asker: str = "ann") -> recording.Trail:
    """Everything about one answer with that outcome."""
    actions = {"released": Action.RELEASE, "blocked": Action.BLOCK}
    action = actions.get(outcome, Action.REVIEW)
    return recording.Trail(
        answer_id=secrets.token_hex(16),
        principal=asker,
        question="What is the excess?",
        outcome=outcome,
        message="",
        draft=draft_from(passage),
        evidence=[passage],
        findings=[Finding("topics", Outcome.FAIL, "coverage decision", "coverage_decision")],
        verdict=Verdict(action, ("coverage decision",), "", "test", "0" * 64),
        lineage={"index_version": "v1", "embedder": EMBEDDER, "generator": "test-generator"},
        searched={"collections": ["main"], "passages": 1, "titles": ["Handbook"]},
        timings_ms={"judging": 1.0},
    )


class WireDesk:
    """The review desk with what it gives as JSON types, which tests compare with each other."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.desk = ReviewDesk(database, settings)

    def tasks(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """A page of tasks."""
        return asdict(self.desk.tasks(*arguments, **options))

    def task(self, *arguments: Any) -> dict[str, Any]:
        """One task."""
        return asdict(self.desk.task(*arguments))

    def claim(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """A claimed task."""
        return asdict(self.desk.claim(*arguments, **options))

    def let_go(self, *arguments: Any) -> None:
        """A claim that ends without a decision."""
        self.desk.let_go(*arguments)

    def decide(self, *arguments: Any) -> dict[str, Any]:
        """A decided task."""
        return asdict(self.desk.decide(*arguments))

    def edits(self, *arguments: Any) -> Iterator[dict[str, Any]]:
        """Released edits; the role is checked at once."""
        return map(asdict, self.desk.edits(*arguments))

    def count_open(self) -> int:
        """How many tasks wait."""
        return self.desk.count_open()

    def expire_overdue(self) -> int:
        """How many tasks were closed."""
        return self.desk.expire_overdue()


class WireAnswerer:
    """The answerer with what it gives as JSON types; everything else is the answerer's own."""

    def __init__(self, answerer: Answerer) -> None:
        self.answerer = answerer

    def answer(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """A new answer."""
        return asdict(self.answerer.answer(*arguments, **options))

    def view(self, *arguments: Any) -> dict[str, Any]:
        """An answer as it stands."""
        return asdict(self.answerer.view(*arguments))

    def history(self, *arguments: Any) -> list[dict[str, Any]]:
        """The newest answers."""
        return [asdict(answer) for answer in self.answerer.history(*arguments)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.answerer, name)


def hold(
    database: Database, settings: Settings, asker: str = "ann", **options: Any
) -> tuple[str, str]:
    """Record a held draft over a new document; returns (task id, answer id).

    ``options`` are fields of the verdict.
    """
    corpus = Corpus(database)
    add_ready_document(corpus)
    held = trail(only_passage(corpus), asker=asker)
    held = replace(held, verdict=replace(held.verdict, **options))
    with database.transaction() as session:
        record = recording.write(session, held)
        task_id = open_task(session, record, settings)
    return task_id, held.answer_id


def settings_for(database_url: str, folder: Path, **values: object) -> Settings:
    """Settings over a test database and folder; the policy alone decides, unless ``values`` say
    more."""
    ungated: dict[str, object] = {"gate_mode": "off", "audit_share": 0.0}
    return Settings(database_url=database_url, data_dir=folder, **{**ungated, **values})  # type: ignore[arg-type]
