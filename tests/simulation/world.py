"""One installation whose process can be thrown away: real services, tiny models, a clock to set."""

import random
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

import ingestion.stages
from app.access.service import Access
from app.answering.answerer import Answerer
from app.answering.policies import Policies
from app.corpus.uploads import Uploads
from app.db import Database
from app.deadline import Deadline
from app.gate.admission import Gate
from app.gate.certificates import Premises
from app.gate.certify import Certifier
from app.gate.drift import DriftMonitors
from app.inference.embedder import load_tokenizer
from app.ports import DraftRequest
from app.retrieval.retriever import Retriever
from app.review.desk import ReviewDesk
from app.settings import Settings
from app.telemetry import Telemetry
from app.wiring import build_corpus
from guardrails.contract import Case, Check, Draft, Finding, Outcome
from guardrails.default_checks import default_checks
from guardrails.gate.certificate import Certificate
from guardrails.policy.decide import Policy
from guardrails.policy.load import load_policy
from guardrails.risk import RiskModel
from ingestion.executor import Inline
from ingestion.formats.extract import extract
from ingestion.pipeline import Pipeline
from ingestion.suspects import Suspects
from tests.clocks import set_clock
from tests.fakes import FixedScreens, HashEmbedder, QuotingGenerator, ScriptedCheck
from tests.simulation.faults import Faults

BEGIN = datetime(2026, 6, 1, 12)
LINEAGE = {"generator": "quoting-generator", "policy_sha256": load_policy().sha256}
RISK = RiskModel.parse(
    {
        "format": 1,
        "generators": {
            "quoting-generator": {
                "needs": ["margin"],
                "terms": [{"feature": "margin", "knots": [5.0, 9.0], "values": [1.0, 0.0]}],
                "calibration": {"knots": [0.0, 1.0], "values": [0.02, 0.9]},
            }
        },
    }
)
"""Trusts the generator when its margin is 9, and not when it is 5."""
SHIPPED = Certificate(
    threshold=0.1,
    released_share=0.5,
    alpha=0.05,
    delta=0.05,
    n=100,
    errors=1,
    upper_bound=0.05,
    miss_bound=0.0,
    test="binomial",
    seed=0,
    grid=1000,
    labels=200,
    lineage=LINEAGE,
    date="2026-01-01T00:00:00+00:00",
    provisional=True,
    collection="public data",
    risk_class="standard",
)


def checks(policy: Policy) -> list[Check]:
    """All checks that need no model; the one that does passes."""
    return [*default_checks(policy), ScriptedCheck(supported, name="support")]


def supported(_case: Case) -> list[Finding]:
    return [Finding("support", Outcome.PASS, "The quote says it.")]


@cache
def tokenizer() -> Tokenizer:
    return load_tokenizer()


@cache
def policies() -> Policies:
    """The packaged policy never changes, and takes long to read."""
    return Policies(checks=checks)


def extract_here(path: Path, name: str) -> Any:
    """Without the jail, which has tests of its own."""
    return extract(path.read_bytes(), name)


@dataclass
class Clock:
    """What the host says the time is: ``true`` and an error that comes and goes."""

    true: datetime = BEGIN
    error: timedelta = timedelta()

    def now(self) -> datetime:
        """The present, UTC without a zone; it moves at each look."""
        self.true += timedelta(milliseconds=1)
        return self.true + self.error

    def wait(self, seconds: float) -> None:
        self.true += timedelta(seconds=seconds)


@dataclass
class Writer(QuotingGenerator):
    """The quoting generator with a margin that the world sets, and a moment in which others act."""

    margin: float = 1.0
    meanwhile: Callable[[], None] | None = None

    def submit(self, item: DraftRequest, deadline: Deadline) -> Draft:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        draft = super().submit(item, deadline)
        return replace(draft, features={"margin": 5 + 4 * self.margin})


class Process:
    """What one process of the service holds in memory, over files that outlive it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        embedder, screens = HashEmbedder(), FixedScreens()
        self.corpus = build_corpus(settings, self.database)
        self.access = Access(self.database, settings)
        self.desk = ReviewDesk(self.database, settings)
        self.retriever = Retriever(
            self.corpus, embedder.question, embedder.name, settings.index_dir, "cpu"
        )
        self.policies = policies()
        self.gate = Gate(self.database, settings, RISK, Premises(SHIPPED, LINEAGE))
        self.certifier = Certifier(self.database, settings, self.gate.certificates)
        self.drift = DriftMonitors(self.database)
        self.writer = Writer()
        self.answerer = Answerer(
            database=self.database,
            retriever=self.retriever,
            screens=screens,
            generator=self.writer,
            policies=self.policies,
            gate=self.gate,
            models={"embedder": embedder.name, "generator": self.writer.name},
            settings=settings,
            telemetry=Telemetry(),
        )
        suspects = Suspects(screens, self.policies.current().policy)
        tokens, languages = settings.passage_tokens, settings.ocr_languages
        stages = ingestion.stages.Stages(embedder, tokenizer(), suspects, tokens, languages)
        executor = Inline(lambda: stages)
        self.pipeline = Pipeline(self.corpus, embedder, settings, suspects, executor=executor)
        self.pipeline.index.rebuilt_below = 0  # small libraries are extended here too
        self.uploads = Uploads(settings.upload_dir, settings.max_upload_bytes)


class Ground:
    """Where worlds stand, one after the other: a folder, and an engine that outlives them.

    What the engine keeps beside its connections are compiled statements, which take long to make.
    """

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder, self.template = folder / "world", template
        self.faults = Faults()
        self.folder.mkdir(parents=True)
        self.database = Database(f"sqlite:///{self.folder / 'countersign.db'}")
        self.faults.watch(self.database.engine)

    def clear(self) -> None:
        """An empty folder with a fresh, migrated database."""
        self.bury()
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        shutil.copy(self.template, self.folder / "countersign.db")

    def bury(self) -> None:
        """The process that ran here is gone."""
        self.faults.bury()
        self.database.close()


@dataclass
class World:
    """Everything that one seed decides."""

    seed: int
    ground: Ground
    rng: random.Random = field(init=False)
    clock: Clock = field(default_factory=Clock)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.faults, self.folder = self.ground.faults, self.ground.folder
        self.settings = self._settings()
        self.files = self.folder / "files"
        self.process = Process(self.settings, self.ground.database)

    def restart(self) -> None:
        """The process is gone; another one starts over the same files."""
        self.ground.bury()
        self.process = Process(self.settings, self.ground.database)

    def _settings(self) -> Settings:
        draw = self.rng.choice
        return Settings(
            database_url=self.ground.database.url,
            data_dir=self.folder,
            device="cpu",
            questions_per_minute=10_000,
            audit_seed=f"seed {self.seed}",
            undo_seconds=0,
            gate_mode=draw(("off", "off", "provisional", "certified", "review_everything")),
            gate_passages_changed=draw((0.2, 0.5, 1.0)),
            audit_share=draw((0.0, 0.3, 1.0)),
            gold_share=draw((0.0, 0.5)),
            second_review_share=draw((0.0, 0.5)),
            probe_delay_minutes=draw((0.0, 60.0)),
            self_review=draw((True, False)),
            keep_index_versions=draw((2, 3)),
        )


@contextmanager
def world(seed: int, ground: Ground) -> Iterator[World]:
    """The world of a seed, fresh.

    Inside the block ids, clock and disk are those of the world: the same seed runs the same way.
    """
    ids = random.Random(f"ids {seed}")
    ground.clear()
    with pytest.MonkeyPatch.context() as patch:
        made = World(seed, ground)
        patch.setattr(ingestion.stages, "extract_jailed", extract_here)
        patch.setattr(secrets, "token_hex", partial(_token, ids))
        patch.setattr(secrets, "token_urlsafe", partial(_token, ids))
        set_clock(patch, made.clock.now)
        ground.faults.watch_files(patch)
        yield made


def _token(ids: random.Random, length: int = 32) -> str:
    return ids.randbytes(length).hex()
