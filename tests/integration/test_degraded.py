"""Without one of its parts the service does less, holds more, and says so; or it refuses."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from app.answering.answerer import NO_GENERATOR, NO_READER, Answerer
from app.answering.policies import Policies
from app.answering.stages import Ask
from app.backends import open_extractive
from app.db import Database
from app.deadline import Deadline
from app.errors import CallerGone, DependencyFailed, ModelRefused
from app.gate.admission import Gate
from app.gate.certificates import Premises
from app.ports import Drafting, DraftRequest, Reading, Vectors
from app.records.tables import RecordRow
from app.retrieval.retriever import Rerank, Retriever
from app.settings import Settings
from app.telemetry import Telemetry
from guardrails.contract import Passage
from guardrails.risk import NOBODY
from tests.conftest import on_sqlite
from tests.fakes import FixedScreens, QuotingGenerator
from tests.integration.test_answering import ANN, Desk
from tests.servers import handbook_services
from tests.site import Site, site_over
from tests.trails import WireAnswerer, every_check, settings_for

QUESTION = "What is the excess for water damage?"


def raising(error: BaseException) -> Callable[[], None]:
    def crash() -> None:
        raise error

    return crash


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    made = Desk(database, tmp_path)
    made.stock()
    return made


def answerer_of(
    desk: Desk,
    generator: Drafting,
    extractive: Drafting | None = None,
    read: Callable[[str, Sequence[Passage], Deadline], list[Reading]] | None = None,
) -> WireAnswerer:
    """Real storage, search, checks and policy; the gate is off, so nothing else holds an answer."""

    def embed(question: str, _deadline: Deadline) -> Vectors:
        vector: Vectors = desk.embedder.embed([question])[0]
        return vector

    chosen = settings_for(desk.database.url, desk.folder, device="cpu")
    folder, rerank = desk.settings.index_dir, Rerank(read, 8) if read else None
    return WireAnswerer(
        Answerer(
            database=desk.database,
            retriever=Retriever(desk.corpus, embed, desk.embedder.name, folder, "cpu", rerank),
            screens=FixedScreens(),
            generator=generator,
            policies=Policies(checks=every_check),
            gate=Gate(desk.database, chosen, NOBODY, Premises(None, {})),
            models={"embedder": desk.embedder.name, "generator": "writer"},
            settings=chosen,
            telemetry=Telemetry(),
            extractive=extractive,
        )
    )


# The generator


@pytest.mark.parametrize("error", [DependencyFailed(), ModelRefused("weights")])
def test_without_the_generator_the_reader_drafts_and_a_person_decides(
    desk: Desk, error: DependencyFailed
) -> None:
    asked: list[str] = []
    reader = QuotingGenerator("reader", before=lambda: asked.append("reader"))
    broken = QuotingGenerator(before=raising(error))
    released = answerer_of(desk, QuotingGenerator("writer"), reader).answer(ANN, Ask(QUESTION))
    assert released["status"] == "released" and asked == []
    answer = answerer_of(desk, broken, reader).answer(ANN, Ask(QUESTION))
    assert answer["status"] == "held"
    row = desk.record(answer["answer_id"])
    assert asked == ["reader"] and row.draft is not None
    assert "£350" in row.draft["sentences"][0]["text"]
    assert row.gate is not None and row.gate["reason"] == NO_GENERATOR
    assert not row.gate["admitted"]
    assert not row.gate["asked"], "no label for a certificate of the generator"


def test_without_generator_and_reader_there_is_a_clear_error_and_no_record(desk: Desk) -> None:
    broken = QuotingGenerator(before=raising(DependencyFailed("The model server is away.")))
    for extractive in (None, broken):
        with pytest.raises(DependencyFailed, match="away"):
            answerer_of(desk, broken, extractive).answer(ANN, Ask(QUESTION))
    with desk.database.reading() as session:
        assert session.scalars(select(RecordRow)).all() == []


def test_whoever_hung_up_is_not_drafted_for_again(desk: Desk) -> None:
    asked: list[str] = []
    reader = QuotingGenerator("reader", before=lambda: asked.append("reader"))
    gone = QuotingGenerator(before=raising(CallerGone()))
    with pytest.raises(CallerGone):
        answerer_of(desk, gone, reader).answer(ANN, Ask(QUESTION))
    assert asked == []


def test_only_other_generators_have_the_reader_behind_them(tmp_path: Path) -> None:
    assert open_extractive(Settings()) is None
    behind = open_extractive(Settings(generator="http://127.0.0.1:9/v1", generator_model="m"))
    assert behind is not None
    text = "The excess for water damage is £350."
    passage = Passage("p1", "d1", "main", "Policy", text, 0, len(text))
    limit = Deadline(60)
    draft = behind.submit(DraftRequest(QUESTION, (passage,), limit), limit)
    assert draft.model == "reader" and "£350" in draft.sentences[0].text


# The reader


@on_sqlite
@pytest.mark.parametrize("error", [DependencyFailed(), ModelRefused("x"), RuntimeError("memory")])
def test_without_the_reader_the_order_is_the_search_s_and_a_person_decides(
    desk: Desk, error: Exception
) -> None:
    def read(_question: str, passages: Sequence[Passage], _deadline: Deadline) -> list[Reading]:
        raise error

    answer = answerer_of(desk, QuotingGenerator("writer"), read=read).answer(ANN, Ask(QUESTION))
    assert answer["status"] == "held"
    row = desk.record(answer["answer_id"])
    assert row.draft is not None and "£350" in row.draft["sentences"][0]["text"]
    assert row.gate is not None and row.gate["reason"] == NO_READER
    assert not row.gate["asked"]

    def reads(_question: str, passages: Sequence[Passage], _deadline: Deadline) -> list[Reading]:
        return [Reading(0.0, None) for _ in passages]

    whole = answerer_of(desk, QuotingGenerator("writer"), read=reads).answer(ANN, Ask(QUESTION))
    assert whole["status"] == "released"


# The database


def away(site: Site) -> None:
    """From now on the database is one that nobody listens at."""
    url = "postgresql+psycopg://nobody@127.0.0.1:1/nothing?connect_timeout=2"
    site.services.database.engine = create_engine(url)


def test_without_the_database_questions_are_refused_until_it_is_back(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    for site in site_over(handbook_services(tmp_path, migrated_sqlite)):
        there = site.services.database.engine
        assert site.client.get("/readyz").status_code == 200
        away(site)
        refused = site.call("ann", "POST", "/v1/ask", json={"question": "What is the fee?"})
        assert refused.status_code == 503
        error = refused.json()
        assert error["code"] == "dependency_failed" and error["retryable"]
        assert "database" in error["message"]
        assert site.client.get("/readyz").status_code == 503
        assert site.client.get("/healthz").status_code == 200, "a restart would not mend it"
        site.services.database.engine = there
        assert site.client.get("/readyz").status_code == 200
        assert site.ask("How much is the cancellation fee?")["status"] == "released"
