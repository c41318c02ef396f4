"""The composition root: settings in, services out."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from app import backends
from app.access.service import Access
from app.allocator import return_freed_memory
from app.answering.answerer import Answerer
from app.answering.asking_larger import AskingLarger
from app.answering.background_drafts import BackgroundDrafter
from app.answering.kept_answers import KeptAnswers
from app.answering.near_answers import NearAnswers
from app.answering.policies import Policies
from app.answering.reading import AnswerNews
from app.answering.revising import Reviser
from app.answering.sections import Sections
from app.answering.suggestions import Suggestions
from app.answering.trying import Trying
from app.backup import refuse_unfinished
from app.corpus.corpus import Corpus
from app.db import Database, ensure_schema
from app.errors import DependencyFailed, NotReady, SettingsInvalid
from app.files import close_to_others, keep_private
from app.gate.admission import Gate
from app.gate.coverage import revoke_changed
from app.gate.drift import DriftMonitors
from app.gate.trials import Trials
from app.inference.device import use_threads
from app.inference.token_count import SHIPPED_COUNT
from app.ports import Embedder, Generator, Screening
from app.proof.replay import Replayer
from app.retrieval.retriever import Retriever
from app.review.desk import ReviewDesk
from app.review.quotes import Quotes
from app.review.released import ReleasedAnswers
from app.serving.admission import AnswerPlaces, start_threads
from app.serving.batcher import Concurrent
from app.serving.routing import Routes, open_routes
from app.serving.watching import Watch
from app.settings import Settings
from app.telemetry import Telemetry
from app.tracing import configure_tracing
from guardrails.judge import Judge

if TYPE_CHECKING:  # torch takes seconds to import
    from app.inference.support import SupportCheck

LOOKUPS = 4
"""Callers that are looked up at once; each takes a few milliseconds."""


@dataclass(frozen=True)
class Services:
    """Everything a process needs; ``close()`` in the order that loses nothing."""

    settings: Settings
    database: Database
    access: Access
    corpus: Corpus
    desk: ReviewDesk
    reviser: Reviser
    released: ReleasedAnswers
    quotes: Quotes
    retriever: Retriever
    gate: Gate
    drift: DriftMonitors
    answerer: Answerer
    suggestions: Suggestions
    sections: Sections
    screens: Screening
    embedder: Embedder
    generator: Generator
    support: "SupportCheck"
    telemetry: Telemetry
    policies: Policies
    replayer: Replayer
    places: AnswerPlaces
    lookups: ThreadPoolExecutor
    """Where callers are looked up: the threads of routes may all be busy."""
    watch: Watch
    dead: Callable[[], list[str]]
    """Names the workers that have stopped, of which there should be none."""
    close: Callable[[], None]
    trying: Trying | None = None
    """The other versions of the generator, if the settings name any."""
    larger: AskingLarger | None = None
    """The one of them that is asked hard questions, if the settings name it."""
    embedded_tokens: Callable[[str], int] = SHIPPED_COUNT
    answer_tokens: Callable[[str], int] = SHIPPED_COUNT
    """How many tokens a text has for the embedder, and for the generator."""

    def warm_up(self) -> None:
        """Load models and index, and start the threads now rather than at the first question."""
        start_threads(self.lookups, LOOKUPS)
        self.places.warm_up()
        self.embedder.warm_up()
        self.screens.warm_up()
        self.generator.warm_up()
        if backends.rerank_depth(self.settings):
            backends.build_reader(self.settings).warm_up()
        self.support.warm_up()
        if self.trying is not None:
            self.trying.warm_up()
        if self.larger is not None:
            self.larger.warm_up()
        backends.forget_weights()
        with suppress(NotReady, DependencyFailed):  # it is asked for again, and says so then
            self.retriever.live_passages()
        return_freed_memory()


def build_services(settings: Settings) -> Services:
    """Connect everything; cheap, as models load on first use or in ``warm_up``."""
    if settings.model_threads:
        use_threads(settings.model_threads)
    database, telemetry = Database(settings.database), Telemetry(backends.prices(settings))
    embedder, generator = backends.build_embedder(settings), backends.build_generator(settings)
    support, screens = backends.build_support(settings), backends.build_screens(settings, embedder)
    checks = partial(backends.build_checks, support=support)
    policies = Policies(settings.policy_file, settings.shadow_policy_file, checks=checks)
    models = backends.model_lineage(settings, embedder, generator)
    corpus = build_corpus(settings, database)
    routes = _routes(settings, embedder, generator, telemetry)
    retriever = backends.build_retriever(settings, corpus, embedder.name, routes)
    gate = backends.build_gate(
        settings, database, embedder.name, generator.name, policies, lambda: retriever.problem
    )
    routes, trying = _trying(settings, database, embedder, policies, routes, retriever)
    larger = _larger(settings, database, policies, retriever, telemetry, gate, trying)
    others: dict[str, Any] = {"trying": trying, "larger": larger}
    answerer = Answerer(
        database=database,
        retriever=retriever,
        screens=screens,
        generator=routes.drafts,
        policies=policies,
        gate=gate,
        models=models,
        settings=settings,
        telemetry=telemetry,
        rewrite=routes.rewrites.submit if routes.rewrites else None,
        extractive=backends.open_extractive(settings),
        **_kept(settings, database, models, telemetry),
        **others,
    )
    asking = _asking(settings, database, telemetry, answerer)
    watch, lookups = Watch(AnswerNews(database)), ThreadPoolExecutor(LOOKUPS, "lookup")
    return Services(
        settings=settings,
        database=database,
        access=Access(database, settings),
        corpus=corpus,
        **_reviewing(settings, Reviser(database, corpus, policies, answerer), database),
        retriever=retriever,
        gate=gate,
        drift=DriftMonitors(database),
        **asking,
        screens=screens,
        embedder=embedder,
        generator=generator,
        support=support,
        telemetry=telemetry,
        policies=policies,
        replayer=Replayer(database, lambda policy: Judge(checks(policy), policy), models),
        lookups=lookups,
        watch=watch,
        **_counting(settings),
        **others,
        dead=routes.dead,
        close=_closing(
            lookups, [asking["places"], asking["suggestions"], watch, trying, routes, database]
        ),
    )


def _trying(
    settings: Settings,
    database: Database,
    embedder: Embedder,
    policies: Policies,
    routes: Routes,
    retriever: Retriever,
) -> tuple[Routes, Trying | None]:
    """The other versions of the generator, and the routes with the ways to them."""
    found = backends.build_versions(
        settings, database, embedder, policies, lambda: retriever.problem
    )
    if not found:
        return routes, None
    versions = {version.name: version for version, _ in found}
    trying = Trying(database, trials_of(settings, database), versions, settings.deadline_s)
    return replace(routes, versions={version.name: way for version, way in found}), trying


def _larger(
    settings: Settings,
    database: Database,
    policies: Policies,
    retriever: Retriever,
    telemetry: Telemetry,
    gate: Gate,
    trying: Trying | None,
) -> AskingLarger | None:
    """Who asks the larger generator, where the settings name one; raises ``SettingsInvalid``."""
    if not settings.larger_generator:
        return None
    version = trying.versions.get(settings.larger_generator) if trying is not None else None
    if version is None:
        raise SettingsInvalid("The setting larger_generator is none of generator_versions.")
    own = backends.build_gate(
        settings,
        database,
        version.models["embedder"],
        version.models["generator"],
        policies,
        lambda: retriever.problem,
        gate.lineage["generator"],
    )
    return AskingLarger(
        database,
        backends.hard_questions(settings, database, own),
        replace(version, gate=own),
        gate,
        backends.call_price(settings, telemetry.prices),
        settings.deadline_s,
    )


class Closes(Protocol):
    """A part that ends."""

    def close(self) -> None:
        """Let nothing in any more."""


def _closing(lookups: ThreadPoolExecutor, parts: Sequence[Closes | None]) -> Callable[[], None]:
    """Ends the parts one after the other."""

    def close() -> None:
        lookups.shutdown(wait=False, cancel_futures=True)
        for part in parts:
            if part is not None:
                part.close()

    return close


def _counting(settings: Settings) -> dict[str, Any]:
    """The parts of ``Services`` that count tokens."""
    embedder, generator = backends.token_counts(settings)
    return {"embedded_tokens": embedder, "answer_tokens": generator}


def trials_of(settings: Settings, database: Database) -> Trials:
    """The trials of the versions that the settings name."""
    return Trials(database, settings.generator_versions, settings.trial_delta)


def build_drafter(services: Services) -> BackgroundDrafter | None:
    """What drafts for reviewers in the background; None where the settings want none.

    Raises ``SettingsInvalid``.
    """
    if services.settings.review_drafts == "off":
        return None
    settings = backends.drafter_settings(services.settings)
    generator, embedder = backends.build_drafter(settings), services.embedder
    policies, database = services.policies, services.database
    answerer = Answerer(
        database=database,
        retriever=services.retriever,
        screens=services.screens,
        generator=Concurrent(generator.draft, 1),
        policies=policies,
        gate=backends.build_gate(settings, database, embedder.name, generator.name, policies),
        models=backends.model_lineage(settings, embedder, generator),
        settings=settings,
        telemetry=services.telemetry,
    )
    return BackgroundDrafter(
        database,
        answerer,
        generator.name,
        every=settings.review_drafts == "all",
        busy=lambda: services.places.taken > 0,
        seconds=settings.deadline_s,
    )


def _asking(
    settings: Settings, database: Database, telemetry: Telemetry, answerer: Answerer
) -> dict[str, Any]:
    """The parts of ``Services`` that askers use, in the order in which they end."""
    most, waiting = settings.running_answers, settings.max_waiting_answers
    places = AnswerPlaces(most, waiting, settings.deadline_s, telemetry.running)
    suggestions = Suggestions(database, answerer, lambda: places.taken > 0, settings.deadline_s)
    sections = Sections(database, shown=settings.show_sections)
    return {
        "places": places,
        "suggestions": suggestions,
        "sections": sections,
        "answerer": answerer,
    }


def _routes(
    settings: Settings, embedder: Embedder, generator: Generator, telemetry: Telemetry
) -> Routes:
    read = backends.build_reader(settings).read
    return open_routes(
        embedder,
        generator,
        backends.kept_readings(settings, read, telemetry),
        remote=backends.is_remote(settings),
        most=settings.running_answers,
        together=settings.batching,
    )


def _kept(
    settings: Settings, database: Database, models: Mapping[str, str], telemetry: Telemetry
) -> dict[str, Any]:
    """What is kept of earlier answers. Where another generator than the reader drafts, no readings
    are lent: what it writes does not come from them."""
    most, least = settings.answer_cache, settings.near_answers
    reads = settings.generator == "reader" and backends.rerank_depth(settings) > 0
    lends = most and least and reads
    return {
        "kept": KeptAnswers(database, models, telemetry, most) if most else None,
        "near": NearAnswers(models, telemetry, most, least) if lends else None,
    }


def _reviewing(settings: Settings, reviser: Reviser, database: Database) -> dict[str, Any]:
    """The parts of ``Services`` that reviewers use."""
    return {
        "desk": ReviewDesk(database, settings, reviser.problems),
        "reviser": reviser,
        "released": ReleasedAnswers(database, settings),
        "quotes": Quotes(database, backends.build_quote(settings)),
    }


def connect_database(settings: Settings) -> Database:
    """The database, whatever its schema. From here on this process makes no file that others may
    read, and what an earlier release left open to them is closed."""
    keep_private(settings.data_dir)
    database = Database(settings.database)
    ours = ("index", "uploads", "audit_keys", "checkpoints")  # whatever else lies there
    close_to_others([*database.files, *(settings.data_dir / name for name in ours)])
    return database


def open_database(settings: Settings) -> Database:
    """The database with the schema of this release; for commands that need no models.

    Raises ``SchemaOutdated`` or ``SchemaNewer`` when a server database has another one, and
    ``BackupRefused`` where a restore was killed.
    """
    refuse_unfinished(settings.data_dir)
    database = connect_database(settings)
    ensure_schema(database)
    return database


def build_corpus(settings: Settings, database: Database) -> Corpus:
    """The corpus; certificates end in the transaction that changes too much of it."""
    share = settings.gate_passages_changed
    return Corpus(database, lambda session: revoke_changed(session, share))


def open_services(settings: Settings) -> Services:
    """See to the schema of the database, then connect everything. Raises ``SettingsInvalid``."""
    backends.check_selected(settings)
    configure_tracing(settings.trace_endpoint, settings.trace_share)
    open_database(settings).close()
    return build_services(settings)
