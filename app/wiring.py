"""The composition root: settings in, services out; the only file that names concrete backends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.access import Access
from app.answering import Answerer
from app.corpus import Corpus
from app.db import Database, migrate
from app.deadline import Deadline
from app.errors import SettingsInvalid
from app.inference.batcher import Batcher
from app.ports import DraftRequest, Embedder, Generator, Vectors
from app.retrieval.retriever import Retriever
from app.review import ReviewDesk
from app.settings import Settings
from app.telemetry import Telemetry
from guardrails.checks import Check, default_checks
from guardrails.contract import Draft
from guardrails.judge import Judge
from guardrails.policy import Policy, PolicyInvalid

if TYPE_CHECKING:
    from app.inference.support import SupportCheck


@dataclass(frozen=True)
class Services:
    """Everything a process needs; ``close()`` in the order that loses nothing."""

    settings: Settings
    database: Database
    access: Access
    corpus: Corpus
    desk: ReviewDesk
    retriever: Retriever
    answerer: Answerer
    embedder: Embedder
    generator: Generator
    support: "SupportCheck"
    telemetry: Telemetry
    policy: Policy
    close: Callable[[], None]

    def warm_up(self) -> None:
        """Load the models now rather than at the first question."""
        self.embedder.warm_up()
        self.generator.warm_up()
        self.support.warm_up()


def _minilm(settings: Settings) -> Embedder:
    from app.inference.embedder import MiniLMEmbedder

    return MiniLMEmbedder(settings.device)


def _reader(settings: Settings) -> Generator:
    from app.inference.reader import SpanReader

    return SpanReader(settings.models_dir / "reader", settings.device)


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


def _policy(settings: Settings) -> Policy:
    try:
        return Policy.load(settings.policy_file)
    except PolicyInvalid as error:
        raise SettingsInvalid(f"The policy file is invalid: {error}") from error


def build_services(settings: Settings) -> Services:
    """Connect everything; cheap, as models load on first use or in ``warm_up``."""
    if settings.model_threads:
        import torch

        torch.set_num_threads(settings.model_threads)
    database = Database(settings.database)
    embedder, generator = build_embedder(settings), build_generator(settings)
    policy = _policy(settings)
    support = build_support(settings)
    judge = Judge(build_checks(policy, support), policy)
    corpus, telemetry = Corpus(database), Telemetry()
    questions = Batcher[str, Vectors](_embed_each(embedder))
    drafts = Batcher[DraftRequest, Draft](generator.draft, max_items=8)

    def embed(question: str, deadline: Deadline) -> Vectors:
        return questions.submit(question, deadline)

    retriever = Retriever(corpus, embed, embedder.name, settings.index_dir, settings.device)
    answerer = Answerer(
        database=database,
        corpus=corpus,
        retriever=retriever,
        generator=drafts,
        judge=judge,
        policy=policy,
        models={"embedder": embedder.name, "generator": generator.name},
        settings=settings,
        telemetry=telemetry,
    )

    def close() -> None:
        for part in (questions, drafts, judge, database):
            part.close()

    return Services(
        settings,
        database,
        Access(database, settings),
        corpus,
        ReviewDesk(database, settings),
        retriever,
        answerer,
        embedder,
        generator,
        support,
        telemetry,
        policy,
        close,
    )


def open_database(settings: Settings) -> Database:
    """The database, migrated to the newest schema; for commands that need no models."""
    database = Database(settings.database)
    migrate(database)
    return database


def open_services(settings: Settings) -> Services:
    """Migrate the database to the newest schema, then connect everything."""
    open_database(settings).close()
    return build_services(settings)


def _embed_each(embedder: Embedder) -> Callable[[Sequence[str]], list[Vectors]]:
    return lambda texts: list(embedder.embed(texts))
