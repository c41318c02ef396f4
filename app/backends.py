"""The models that the settings select: the only file that names concrete backends."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.answering.asking_larger import Price
from app.answering.policies import Policies
from app.answering.stages import tokens_of
from app.answering.trying import Version
from app.corpus.corpus import Corpus
from app.db import Database
from app.errors import ModelRefused, SettingsInvalid
from app.gate.admission import Gate
from app.gate.certificates import AFTER, Premises
from app.gate.hard_questions import HardQuestions
from app.inference.classifiers import OwnVectors, Screens
from app.inference.networks.weights import BASE_NAME, models_sha256
from app.inference.token_count import TokenCount
from app.ports import Drafting, DraftRequest, Embedder, Generator, Screening
from app.retrieval.respelling import Respelling
from app.retrieval.retriever import Rerank, Retriever
from app.review.quotes import Quote
from app.serving.batcher import Concurrent, Runs
from app.serving.kept_readings import KeptReadings, Read
from app.serving.routing import Routes, open_drafts
from app.settings import Settings
from app.telemetry import Prices, Telemetry
from guardrails.contract import Check, Draft
from guardrails.default_checks import default_checks
from guardrails.policy.decide import Policy
from guardrails.risk import NOBODY

if TYPE_CHECKING:  # torch takes seconds to import
    from app.inference.reader import Reader
    from app.inference.reader_generator import ReaderGenerator
    from app.inference.support import SupportCheck

DRAFT_S = 120.0
"""The longest that a draft for a reviewer may take; nobody waits for it."""
TOKENS_OF_A_CALL = (1500.0, 100.0)
"""Read and written, as long as no call of the larger generator was made."""
DRAFT_MARGIN = -8.0
"""The least margin of the reader's drafts for reviewers, as measured in benchmarks/LOG.md."""
FEW_PASSAGES = 256
"""To embed so many in float32 takes as long as to load torch, which embeds the others faster."""
RANGES_FOLDER = "embedder-ranges"
"""In the folder of models: what int8 knows of the embedder (``training.ranges``)."""
RERANK_ON_CPU, RERANK_ON_GPU = 8, 20
"""Passages that the reader reranks when the setting leaves it open."""
READ_FIRST_ON_CPU = 3
"""Of these, those that it reads first; a GPU reads all in one batch."""


@cache
def _shared_minilm(device: str) -> Embedder:
    from app.inference.embedder import MiniLMEmbedder

    return MiniLMEmbedder(device)


def _minilm(settings: Settings) -> Embedder:
    return _shared_minilm(settings.device)


@cache
def _shared_reader(folder: Path, device: str) -> "Reader":
    """One reader for ranking and drafting: its weights are loaded once."""
    from app.inference.reader import Reader

    return Reader(folder, device)


def build_reader(settings: Settings) -> "Reader":
    """The shipped reader; the same one for the same settings, as all shipped models are."""
    return _shared_reader(settings.models_dir / "reader", settings.device)


def _reader(settings: Settings) -> Generator:
    return _reader_generator(settings)


def _reader_generator(settings: Settings) -> "ReaderGenerator":
    from app.inference.reader_generator import ReaderGenerator

    return ReaderGenerator(build_reader(settings))


def _seq2seq(settings: Settings) -> Generator:
    from app.inference.seq2seq import Seq2SeqGenerator
    from app.inference.writing.search import Decoding

    if settings.generator_constraint == "json":
        raise SettingsInvalid(
            "The generator seq2seq writes no JSON: use generator_constraint none."
        )
    decoding = Decoding(settings.generator_beams, settings.generator_constraint)
    return Seq2SeqGenerator(settings.models_dir / "seq2seq", settings.device, decoding)


EMBEDDERS: dict[str, Callable[[Settings], Embedder]] = {"minilm": _minilm}
GENERATORS: dict[str, Callable[[Settings], Generator]] = {"reader": _reader, "seq2seq": _seq2seq}


def check_selected(settings: Settings) -> None:
    """Raise ``SettingsInvalid`` where a setting names a folder that is not there, before anything
    is loaded."""
    _folder("models_dir", str(settings.models_dir))
    for setting, known in (
        ("embedder", EMBEDDERS),
        ("generator", GENERATORS),
        ("review_drafter", GENERATORS),
    ):
        value: str = getattr(settings, setting)
        if value not in known and not _is_address(value):
            _folder(setting, value)


def build_embedder(settings: Settings) -> Embedder:
    """The embedder that ``settings.embedder`` selects; raises ``SettingsInvalid``."""
    if settings.embedder in EMBEDDERS:
        return EMBEDDERS[settings.embedder](settings)
    from app.inference.embedder import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(_folder("embedder", settings.embedder), settings.device)


def build_passage_embedder(settings: Settings, embedder: Embedder) -> Embedder:
    """What embeds passages in a process that only ingests; questions are for ``embedder``."""
    from app.inference.device import passage_numbers, pick_device
    from app.inference.embedder import MiniLMEmbedder
    from app.inference.passage_embedder import (
        Bfloat16Batches,
        ManyMiniLM,
        PassageEmbedder,
        int8_encoder,
    )

    wanted = settings.embed_precision
    if not isinstance(embedder, MiniLMEmbedder) or pick_device(settings.device) != "cpu":
        return embedder
    numbers = passage_numbers() if wanted == "auto" else wanted
    if numbers == "int8":
        return ManyMiniLM(partial(int8_encoder, settings.models_dir / RANGES_FOLDER))
    if numbers == "bfloat16":
        many = ManyMiniLM(Bfloat16Batches)
        return PassageEmbedder(embedder, many, FEW_PASSAGES) if wanted == "auto" else many
    return embedder


def build_generator(settings: Settings) -> Generator:
    """The generator that ``settings.generator`` selects; raises ``SettingsInvalid``."""
    if settings.generator in GENERATORS:
        return GENERATORS[settings.generator](settings)
    remote = is_remote(settings)
    found = _model_server(settings) if remote else _of_folder(settings)
    # The name stands for the risk model and the certificate of what bears it.
    if found.name.split(":")[0] in GENERATORS:
        raise SettingsInvalid(
            f"The generator's name {found.name!r} is that of a shipped one: "
            + ("give the model another one." if remote else "rename the folder.")
        )
    return found


def _of_folder(settings: Settings) -> Generator:
    """A local folder: a reader as ``training.larger`` writes it, or one of transformers."""
    folder = _folder("generator", settings.generator)
    if _is_reader(folder):
        from app.inference.reader_generator import LargerReader

        return LargerReader(_shared_reader(folder, settings.device), folder.name)
    from app.inference.local_model import TransformersGenerator
    from app.inference.writing.search import Decoding

    decoding = Decoding(settings.generator_beams, settings.generator_constraint)
    return TransformersGenerator(folder, settings.device, decoding=decoding)


def _is_reader(folder: Path) -> bool:
    from app.inference.networks.weights import MANIFEST, parse_manifest

    return (folder / MANIFEST).is_file() and parse_manifest(folder).get("name") == "reader"


def build_versions(
    settings: Settings,
    database: Database,
    embedder: Embedder,
    policies: Policies,
    index_problem: Callable[[], str],
) -> list[tuple[Version, Runs[DraftRequest, Draft]]]:
    """The versions of the generator that ``settings.generator_versions`` names, each with the way
    to it; raises ``SettingsInvalid``."""
    found = []
    for name, version in settings.generator_versions.items():
        chosen = settings.model_copy(update=version.model_dump(exclude_none=True))
        generator = build_generator(chosen)
        most, remote = chosen.running_answers, is_remote(chosen)
        drafts = open_drafts(generator, remote=remote, most=most, name=f"drafts of {name}")
        gate = build_gate(chosen, database, embedder.name, generator.name, policies, index_problem)
        models = model_lineage(chosen, embedder, generator)
        found.append((Version(name, drafts, gate, models, generator.warm_up), drafts))
    return found


def prices(settings: Settings) -> Prices:
    """What the settings say things cost."""
    return Prices(
        settings.price_cpu_hour,
        settings.price_reviewer_hour,
        settings.price_million_tokens_read,
        settings.price_million_tokens_written,
    )


def call_price(settings: Settings, prices: Prices) -> Price:
    """What a draft of the larger generator costs, in the unit of its budget."""
    if settings.larger_budget_unit == "calls":
        return lambda _request, _draft: 1.0
    return lambda request, draft: prices.of_tokens(*tokens_of(request, draft))


def hard_questions(settings: Settings, database: Database, gate: Gate) -> HardQuestions:
    """The hard questions that the larger generator may be asked, whose gate this is; raises
    ``SettingsInvalid``."""
    unit = settings.larger_budget_unit
    call = 1.0 if unit == "calls" else prices(settings).of_tokens(*TOKENS_OF_A_CALL)
    if not call:
        raise SettingsInvalid(
            "larger_budget_unit price needs price_million_tokens_read and _written above 0."
        )
    return HardQuestions(database, gate.lineage["generator"], settings.larger_budget, call, unit)


def drafter_settings(settings: Settings) -> Settings:
    """The settings as the background drafter has them: it is the generator, may take long, and is
    held back by no least similarity, as a person decides anyway."""
    return settings.model_copy(
        update={
            "generator": settings.review_drafter,
            "generator_model": settings.review_drafter_model,
            "generator_api_key": settings.review_drafter_api_key,
            "evidence_passages": settings.review_drafter_passages,
            "deadline_s": DRAFT_S,
            "min_similarity": -1.0,
        }
    )


def build_drafter(settings: Settings) -> Generator:
    """What drafts in the background, given ``drafter_settings``; raises ``SettingsInvalid``."""
    if settings.generator != "reader":
        return build_generator(settings)
    from app.inference.reader_generator import ReaderGenerator

    return ReaderGenerator(build_reader(settings), DRAFT_MARGIN)


def open_extractive(settings: Settings) -> Drafting | None:
    """What drafts where the generator cannot; None where the generator is extractive itself."""
    if settings.generator == "reader":
        return None
    return Concurrent(_reader(settings).draft, settings.running_answers)


def build_quote(settings: Settings) -> Quote:
    """What finds other places that may answer beside a draft, whichever generator wrote it."""
    return _reader_generator(settings).quotes


def build_support(settings: Settings) -> "SupportCheck":
    """The check of meaning with its shipped model; the same one for the same settings."""
    return _shared_support(settings.models_dir / "support", settings.device)


@cache
def _shared_support(folder: Path, device: str) -> "SupportCheck":
    from app.inference.support import SupportCheck

    return SupportCheck(folder, device)


def build_checks(policy: Policy, support: "SupportCheck") -> list[Check]:
    """Every check of the service; those that need no model come from ``guardrails``."""
    return [*default_checks(policy), support]


def is_remote(settings: Settings) -> bool:
    """Whether another server drafts."""
    return _is_address(settings.generator)


def _is_address(selected: str) -> bool:
    return selected.startswith(("http://", "https://"))


def _model_server(settings: Settings) -> Generator:
    from app.inference.model_server import OpenAIGenerator

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
            hedged_share=settings.generator_hedged_share,
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


def forget_weights() -> None:
    """Let go of what models were made of: those that are loaded have their own, and another one
    reads it again."""
    from app.inference.networks.pair_tensors import base_encoder_arrays

    base_encoder_arrays.cache_clear()


def token_counts(settings: Settings) -> tuple[TokenCount, TokenCount]:
    """How tokens are counted of what the embedder reads, and of what the generator does; a model
    server keeps its tokenizer to itself, so the shipped one counts there."""
    known = (*EMBEDDERS, *GENERATORS)
    folders = (
        None if one in known or not Path(one).is_dir() else Path(one)
        for one in (settings.embedder, settings.generator)
    )
    embedder, generator = map(TokenCount, folders)
    return embedder, generator


def kept_readings(settings: Settings, read: Read, telemetry: Telemetry) -> Read:
    """``read`` with what it read before kept, as the settings say."""
    if not settings.kept_readings:
        return read
    return KeptReadings(read, settings.kept_readings, telemetry.readings).read


def rerank_depth(settings: Settings) -> int:
    """How many passages the reader puts in a new order; 0 for none."""
    if settings.rerank_passages >= 0:
        return settings.rerank_passages
    from app.inference.device import pick_device

    return RERANK_ON_GPU if pick_device(settings.device) == "cuda" else RERANK_ON_CPU


def read_first(settings: Settings) -> int:
    """How many passages are read before the others; 0 where all are read at once, also where
    another generator drafts: when its answer is certain was not measured."""
    if settings.generator != "reader" or settings.read_first == 0:
        return 0
    if settings.read_first > 0:
        return settings.read_first
    from app.inference.device import pick_device

    return 0 if pick_device(settings.device) == "cuda" else READ_FIRST_ON_CPU


def read_ahead(first: int) -> int:
    """One more than the ``first`` where a thread of the reader would else have nothing to do."""
    from app.inference.device import cpu_threads

    return 1 if cpu_threads() > 1 and -first % cpu_threads() == 1 else 0


def build_retriever(settings: Settings, corpus: Corpus, embedder: str, routes: Routes) -> Retriever:
    """The search over the live index, reranked as the settings say."""
    depth, first = rerank_depth(settings), read_first(settings)
    certain = _reader_generator(settings).certain if first else None
    ahead = read_ahead(first) if first else 0
    rerank = Rerank(routes.read, depth, first, certain, ahead) if depth else None
    respell = Respelling(is_word) if depth else None
    return Retriever(
        corpus, routes.embed, embedder, settings.index_dir, settings.device, rerank, respell
    )


def is_word(text: str) -> bool:
    """Whether a lower-case text is one of the words that the shipped models know whole."""
    from app.inference.embedder import shared_tokenizer

    return shared_tokenizer().token_to_id(text) is not None


def build_gate(
    settings: Settings,
    database: Database,
    embedder: str,
    generator: str,
    policies: Policies,
    index_problem: Callable[[], str] = str,
    after: str = "",
) -> Gate:
    """The gate over the shipped risk model; files that cannot be used mean that all is held.

    ``after``: the generator is asked what that one left hard, as its own gate names it.
    """
    from app.inference.risk import RISK_FOLDER, generator_identity, load_certificate, load_risk

    problem = ""
    try:
        folder = settings.models_dir / RISK_FOLDER
        risk, shipped = load_risk(folder), load_certificate(folder)
        identity = generator_identity(generator, settings.models_dir / generator)
    except ModelRefused as error:
        risk, shipped, identity, problem = NOBODY, None, generator, error.message
    lineage = {
        "generator": f"{identity}{AFTER}{after}" if after else identity,
        "embedder": embedder,
        "risk_sha256": risk.sha256,
    }

    def policy() -> str:
        return policies.current().policy.sha256

    premises = Premises(shipped, lineage, policy, index_problem)
    return Gate(database, settings, risk, premises, problem)


def open_gate(settings: Settings, database: Database, after: str = "") -> Gate:
    """The gate as the service would have it; loads no model. ``after`` as of ``build_gate``."""
    embedder, generator = build_embedder(settings), build_generator(settings)
    policies = Policies(settings.policy_file)
    name = generator.name
    return build_gate(settings, database, embedder.name, name, policies, after=after)


def open_larger_gate(settings: Settings, database: Database) -> Gate:
    """The gate of the larger generator; loads no model. Raises ``SettingsInvalid``."""
    name = settings.larger_generator
    if name not in settings.generator_versions:
        raise SettingsInvalid("The setting larger_generator is none of generator_versions.")
    update = settings.generator_versions[name].model_dump(exclude_none=True)
    in_use = open_gate(settings, database).lineage["generator"]
    return open_gate(settings.model_copy(update=update), database, in_use)


def build_screens(settings: Settings, embedder: Embedder) -> Screening:
    """The shipped screens; beside another embedder they make vectors of their own."""
    screens = Screens(settings.models_dir / "screens")
    if embedder.name == BASE_NAME:
        return screens
    return OwnVectors(screens, _minilm(settings))


def model_lineage(settings: Settings, embedder: Embedder, generator: Generator) -> dict[str, str]:
    """The models in the lineage of every answer, by name and by one hash over what they are."""
    return {
        "embedder": embedder.name,
        "generator": generator.name,
        "models_sha256": models_sha256(
            settings.models_dir, [settings.embedder, settings.generator]
        ),
    }
