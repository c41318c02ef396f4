"""The composition root: settings in, services out; the only file that names concrete backends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.access import Access
from app.answering import Answerer, Screening
from app.corpus import Corpus
from app.db import Database, migrate
from app.deadline import Deadline
from app.drift import DriftMonitors
from app.errors import ModelRefused, SettingsInvalid
from app.gate import Gate
from app.inference.batcher import Batcher
from app.inference.screens import OwnVectors, Screens
from app.inference.weights import BASE_NAME, models_sha256
from app.policies import Policies
from app.ports import (
    DraftRequest,
    Embedder,
    Generator,
    Reading,
    Rewriter,
    RewriteRequest,
    Vectors,
)
from app.replay import Replayer
from app.retrieval.retriever import Rerank, Retriever
from app.review import ReviewDesk
from app.settings import Settings
from app.telemetry import Telemetry
from guardrails.checks import Check, default_checks
from guardrails.contract import Draft, Passage
from guardrails.judge import Judge
from guardrails.policy import Policy
from guardrails.risk import NOBODY

if TYPE_CHECKING:  # torch takes seconds to import
    from app.inference.reader import Reader
    from app.inference.support import SupportCheck

RERANK_ON_CPU, RERANK_ON_GPU = 8, 20
"""Passages that the reader reranks when the setting leaves it open."""
Unread = tuple[str, Sequence[Passage]]
"""A question and the passages to read with it."""


@dataclass(frozen=True)
class Services:
    """Everything a process needs; ``close()`` in the order that loses nothing."""

    settings: Settings
    database: Database
    access: Access
    corpus: Corpus
    desk: ReviewDesk
    retriever: Retriever
    gate: Gate
    drift: DriftMonitors
    answerer: Answerer
    screens: Screening
    embedder: Embedder
    generator: Generator
    support: "SupportCheck"
    telemetry: Telemetry
    policies: Policies
    replayer: Replayer
    close: Callable[[], None]

    def warm_up(self) -> None:
        """Load the models now rather than at the first question."""
        self.embedder.warm_up()
        self.screens.warm_up()
        self.generator.warm_up()
        if rerank_depth(self.settings):
            _shared_reader(self.settings.models_dir / "reader", self.settings.device).warm_up()
        self.support.warm_up()


def _minilm(settings: Settings) -> Embedder:
    from app.inference.embedder import MiniLMEmbedder

    return MiniLMEmbedder(settings.device)


@cache
def _shared_reader(folder: Path, device: str) -> "Reader":
    """One reader for ranking and drafting: its weights are loaded once."""
    from app.inference.reader import Reader

    return Reader(folder, device)


def _reader(settings: Settings) -> Generator:
    from app.inference.reader import ReaderGenerator

    return ReaderGenerator(_shared_reader(settings.models_dir / "reader", settings.device))


def _seq2seq(settings: Settings) -> Generator:
    from app.inference.decoding import Decoding
    from app.inference.seq2seq import Seq2SeqGenerator

    if settings.generator_constraint == "json":
        raise SettingsInvalid(
            "The generator seq2seq writes no JSON: use generator_constraint none."
        )
    decoding = Decoding(settings.generator_beams, settings.generator_constraint)
    return Seq2SeqGenerator(settings.models_dir / "seq2seq", settings.device, decoding)


EMBEDDERS: dict[str, Callable[[Settings], Embedder]] = {"minilm": _minilm}
GENERATORS: dict[str, Callable[[Settings], Generator]] = {
    "reader": _reader,
    "seq2seq": _seq2seq,
}


def build_embedder(settings: Settings) -> Embedder:
    """The embedder that ``settings.embedder`` selects; raises ``SettingsInvalid``."""
    if settings.embedder in EMBEDDERS:
        return EMBEDDERS[settings.embedder](settings)
    from app.inference.embedder import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(_folder("embedder", settings.embedder), settings.device)


def build_generator(settings: Settings) -> Generator:
    """The generator that ``settings.generator`` selects; raises ``SettingsInvalid``."""
    choice = settings.generator
    if choice in GENERATORS:
        return GENERATORS[choice](settings)
    if choice.startswith(("http://", "https://")):
        return _model_server(settings)
    from app.inference.decoding import Decoding
    from app.inference.generator import TransformersGenerator

    decoding = Decoding(settings.generator_beams, settings.generator_constraint)
    return TransformersGenerator(_folder("generator", choice), settings.device, decoding=decoding)


def build_support(settings: Settings) -> "SupportCheck":
    """The check of meaning with its shipped model."""
    from app.inference.support import SupportCheck

    return SupportCheck(settings.models_dir / "support", settings.device)


def build_checks(policy: Policy, support: "SupportCheck") -> list[Check]:
    """Every check of the service; those that need no model come from ``guardrails``."""
    return [*default_checks(policy), support]


def _model_server(settings: Settings) -> Generator:
    from app.inference.generator import OpenAIGenerator

    if not settings.generator_model:
        raise SettingsInvalid("A model server needs the setting generator_model.")
    if settings.generator_beams > 1 or settings.generator_constraint == "evidence":
        raise SettingsInvalid(
            "A model server cannot use generator_beams over 1 or generator_constraint evidence."
        )
    try:
        return OpenAIGenerator(
            settings.generator,
            settings.generator_model,
            settings.generator_api_key or None,
            settings.deadline_s,
            as_json=settings.generator_constraint == "json",
        )
    except ValueError as error:
        raise SettingsInvalid(f"The setting generator: {error}") from error


def _folder(setting: str, value: str) -> Path:
    path = Path(value)
    if not path.is_dir():
        raise SettingsInvalid(
            f"The setting {setting} is {value!r}: no such name, address or folder."
        )
    return path


def rerank_depth(settings: Settings) -> int:
    """How many passages the reader puts in a new order; 0 for none."""
    if settings.rerank_passages >= 0:
        return settings.rerank_passages
    from app.inference.embedder import pick_device

    return RERANK_ON_GPU if pick_device(settings.device).type == "cuda" else RERANK_ON_CPU


def build_gate(
    settings: Settings, database: Database, embedder: str, generator: str, policies: Policies
) -> Gate:
    """The gate over the shipped risk model; files that cannot be used mean that all is held."""
    from app.inference.risk import RISK_FOLDER, generator_identity, load_certificate, load_risk

    problem = ""
    try:
        folder = settings.models_dir / RISK_FOLDER
        risk, shipped = load_risk(folder), load_certificate(folder)
        identity = generator_identity(generator, settings.models_dir / generator)
    except ModelRefused as error:
        risk, shipped, identity, problem = NOBODY, None, generator, error.message
    lineage = {
        "generator": identity,
        "embedder": embedder,
        "risk_sha256": risk.sha256,
    }

    def policy() -> str:
        return policies.current().policy.sha256

    return Gate(database, settings, risk, shipped, lineage, problem, policy)


def build_screens(settings: Settings, embedder: Embedder) -> Screening:
    """The shipped screens; beside another embedder they make vectors of their own."""
    screens = Screens(settings.models_dir / "screens")
    if embedder.name == BASE_NAME:
        return screens
    return OwnVectors(screens, _minilm(settings))


def _models(settings: Settings, embedder: Embedder, generator: Generator) -> dict[str, str]:
    """The models in the lineage of every answer, by name and by one hash over what they are."""
    return {
        "embedder": embedder.name,
        "generator": generator.name,
        "models_sha256": models_sha256(
            settings.models_dir, [settings.embedder, settings.generator]
        ),
    }


def build_services(settings: Settings) -> Services:
    """Connect everything; cheap, as models load on first use or in ``warm_up``."""
    if settings.model_threads:
        import torch

        torch.set_num_threads(settings.model_threads)
    database = Database(settings.database)
    embedder, generator = build_embedder(settings), build_generator(settings)
    screens, support = build_screens(settings, embedder), build_support(settings)
    checks = partial(build_checks, support=support)
    policies = Policies(settings.policy_file, settings.shadow_policy_file, checks=checks)
    models = _models(settings, embedder, generator)
    corpus, telemetry = Corpus(database, settings.gate_passages_changed), Telemetry()
    questions = Batcher[str, Vectors](_embed_each(embedder))
    drafts = Batcher[DraftRequest, Draft](generator.draft, max_items=8)
    rewrites = _rewrites(generator)

    reader = _shared_reader(settings.models_dir / "reader", settings.device)
    readings = Batcher[Unread, list[Reading]](reader.read, max_items=4)
    gate = build_gate(settings, database, embedder.name, generator.name, policies)
    retriever = _retriever(settings, corpus, embedder.name, questions, readings)
    answerer = Answerer(
        database=database,
        corpus=corpus,
        retriever=retriever,
        screens=screens,
        generator=drafts,
        policies=policies,
        gate=gate,
        models=models,
        settings=settings,
        telemetry=telemetry,
        rewrite=rewrites.submit if rewrites else None,
    )

    def close() -> None:
        for part in (questions, readings, drafts, rewrites, database):
            if part is not None:
                part.close()

    return Services(
        settings,
        database,
        Access(database, settings),
        corpus,
        ReviewDesk(database, settings),
        retriever,
        gate,
        DriftMonitors(database),
        answerer,
        screens,
        embedder,
        generator,
        support,
        telemetry,
        policies,
        Replayer(database, lambda policy: Judge(checks(policy), policy), models),
        close,
    )


def _retriever(
    settings: Settings,
    corpus: Corpus,
    embedder: str,
    questions: Batcher[str, Vectors],
    readings: Batcher[Unread, list[Reading]],
) -> Retriever:
    def embed(question: str, deadline: Deadline) -> Vectors:
        return questions.submit(question, deadline)

    def read(question: str, passages: Sequence[Passage], deadline: Deadline) -> list[Reading]:
        return readings.submit((question, passages), deadline)

    depth = rerank_depth(settings)
    rerank = Rerank(read, depth) if depth else None
    return Retriever(corpus, embed, embedder, settings.index_dir, settings.device, rerank)


def _rewrites(generator: Generator) -> Batcher[RewriteRequest, str] | None:
    if not isinstance(generator, Rewriter):
        return None
    return Batcher[RewriteRequest, str](generator.rewrite, max_items=8)


def open_database(settings: Settings) -> Database:
    """The database, migrated to the newest schema; for commands that need no models."""
    database = Database(settings.database)
    migrate(database)
    return database


def open_gate(settings: Settings, database: Database) -> Gate:
    """The gate as the service would have it; loads no model."""
    embedder, generator = build_embedder(settings), build_generator(settings)
    return build_gate(
        settings, database, embedder.name, generator.name, Policies(settings.policy_file)
    )


def open_services(settings: Settings) -> Services:
    """Migrate the database to the newest schema, then connect everything."""
    open_database(settings).close()
    return build_services(settings)


def _embed_each(embedder: Embedder) -> Callable[[Sequence[str]], list[Vectors]]:
    return lambda texts: list(embedder.embed(texts))
