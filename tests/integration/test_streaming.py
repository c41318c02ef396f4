"""The event stream of a question: not a byte of a draft before its release is recorded."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import delete, select
from sse_starlette.sse import AppStatus
from starlette.testclient import TestClient

from app.access.service import Access
from app.answering.policies import Policies
from app.answering.reading import AnswerNews
from app.answering.revising import Reviser
from app.answering.sections import Sections
from app.answering.suggestions import Suggestions
from app.db import Database
from app.gate.drift import DriftMonitors
from app.main import create_app
from app.proof.replay import Replayer
from app.records.tables import AuditHeadRow, RecordRow, ReleaseRow
from app.review.desk import ReviewDesk
from app.review.quotes import Quotes
from app.review.released import ReleasedAnswers
from app.serving.admission import AnswerPlaces
from app.serving.watching import Watch
from app.wiring import LOOKUPS, Services
from guardrails.contract import Case, Draft, Finding, Outcome, Sentence
from guardrails.policy.load import load_policy
from tests.conftest import on_sqlite
from tests.fakes import QuotingGenerator, ScriptedCheck
from tests.integration.test_answering import COVERAGE, EXCESS, Desk
from tests.site import events
from tests.trails import SUPPORT, WireAnswerer, every_check, every_judge

SECRETS = (b"350.", b"\xc2\xa3", b"u00a3", b"handbook", b"within 30 days")
"""What stands in the draft or its sources, and in no question."""


class TwoSentences(QuotingGenerator):
    """Adds a second sentence, from the second passage."""

    def warm_up(self) -> None:
        """There is nothing to load."""

    def submit(self, item: Any, deadline: Any) -> Draft:
        draft = super().submit(item, deadline)
        other = next(p for p in item.evidence if "30 days" in p.text)
        citation = replace(
            draft.citations[0], number=2, passage_id=other.id, quote=other.text, end=len(other.text)
        )
        sentences = (*draft.sentences, Sentence(other.text, (2,)))
        return replace(draft, sentences=sentences, citations=(*draft.citations, citation))


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    built = Desk(database, tmp_path, generator=TwoSentences())
    built.stock()
    return built


def services_of(desk: Desk, answerer: WireAnswerer, **settings: Any) -> Services:
    """All services around that answerer."""
    chosen = desk.settings.model_copy(update=settings)
    most, waiting = chosen.running_answers, chosen.max_waiting_answers
    policies = Policies(checks=every_check)
    return Services(
        settings=chosen,
        database=desk.database,
        access=Access(desk.database, chosen),
        corpus=desk.corpus,
        desk=ReviewDesk(desk.database, chosen),
        retriever=answerer._retriever,
        gate=answerer._gate,
        drift=DriftMonitors(desk.database),
        answerer=answerer.answerer,
        suggestions=Suggestions(desk.database, answerer.answerer, lambda: False, 10.0),
        sections=Sections(desk.database, shown=chosen.show_sections),
        screens=answerer._screens,
        support=SUPPORT,
        embedder=desk.embedder,
        generator=desk.generator,  # type: ignore[arg-type]
        telemetry=answerer._telemetry,
        policies=policies,
        reviser=Reviser(desk.database, desk.corpus, policies, answerer.answerer),
        released=ReleasedAnswers(desk.database, chosen),
        quotes=Quotes(desk.database, lambda _request, _seen, _most: []),
        replayer=Replayer(desk.database, every_judge, {}),
        lookups=ThreadPoolExecutor(LOOKUPS),
        places=AnswerPlaces(most, waiting, chosen.deadline_s, answerer._telemetry.running),
        watch=Watch(AnswerNews(desk.database)),
        dead=list,
        close=lambda: None,
    )


@contextmanager
def client(desk: Desk, answerer: WireAnswerer, **settings: Any) -> Iterator[TestClient]:
    """The service over HTTP with that answerer, as somebody who may ask."""
    services = services_of(desk, answerer, **settings)
    access = services.access
    access.accounts.create("ann", ["asker"])
    app = create_app(services.settings, services=services)
    with TestClient(app, raise_server_exceptions=False) as opened:
        opened.headers["Authorization"] = f"Bearer {access.keys.create('ann').key}"
        opened.headers["Accept"] = "text/event-stream"
        yield opened


def stream(desk: Desk, answerer: WireAnswerer, question: str = EXCESS, **settings: Any) -> bytes:
    """All bytes of one question's event stream."""
    with client(desk, answerer, **settings) as opened:
        response = opened.post("/v1/ask", json={"question": question})
    assert response.headers["content-type"].startswith("text/event-stream"), response.text
    return response.content


def test_a_released_answer_comes_in_sentences_and_then_whole(desk: Desk) -> None:
    found = events(stream(desk, desk.answerer()).decode())
    assert [name for name, _ in found] == ["stage"] * 4 + ["sentence"] * 2 + ["answer"]
    answer = found[-1][1]
    assert answer["status"] == "released"
    sentences = enumerate(answer["answer"]["sentences"])
    said = [{"index": i, **one, "provisional": False} for i, one in sentences]
    assert [data for name, data in found if name == "sentence"] == said
    assert len(said) == 2 and said[1]["citations"] == [2]


@on_sqlite
def test_the_switch_sends_the_answer_whole_only(desk: Desk) -> None:
    found = events(stream(desk, desk.answerer(), stream="answer").decode())
    assert [name for name, _ in found] == ["stage"] * 4 + ["answer"]
    assert found[-1][1]["status"] == "released"


def test_the_release_is_recorded_before_the_first_sentence_is_sent(desk: Desk) -> None:
    seen: list[bool] = []
    answerer = desk.answerer()

    def watch(message: Any) -> None:
        if b"event: sentence" in message.get("body", b""):
            with desk.database.reading() as session:
                seen.append(session.scalar(select(ReleaseRow.answer_id)) is not None)

    with client(desk, answerer) as opened:
        inner = opened.app

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Any) -> None:
                watch(message)
                await send(message)

            await inner(scope, receive, sending)

        headers = dict(opened.headers)
        TestClient(watched).post("/v1/ask", json={"question": EXCESS}, headers=headers)
    assert seen == [True, True]


def crash(_case: Case) -> list[Finding]:
    raise ZeroDivisionError("The excess for water damage is £350.")


def leave(_case: Case) -> list[Finding]:
    raise SystemExit


def nothing(_case: Case) -> Any:
    return None


def silence(_case: Case) -> list[Finding]:
    return []


def truth(_case: Case) -> Any:
    return True


def no_outcome(_case: Case) -> list[Finding]:
    return [Finding("scripted", "pass", "It is fine.")]  # type: ignore[arg-type]


def another_name(_case: Case) -> list[Finding]:
    return [Finding("citations", Outcome.PASS, "It is fine.")]


@on_sqlite
@pytest.mark.parametrize("stage", ["question", "draft"])
@pytest.mark.parametrize(
    "act",
    [crash, leave, nothing, silence, truth, no_outcome, another_name],
    ids=lambda a: a.__name__,
)
def test_a_check_that_crashes_or_answers_wrongly_fails_closed(
    desk: Desk, stage: Any, act: Callable[[Case], Any]
) -> None:
    held_without_a_byte(desk, stream(desk, desk.answerer(ScriptedCheck(act, stage))))


@on_sqlite
@pytest.mark.parametrize("stage", ["question", "draft"])
def test_a_check_that_hangs_fails_closed(desk: Desk, stage: Any) -> None:
    over = Event()

    def hang(_case: Case) -> list[Finding]:
        over.wait(30)
        return [Finding("scripted", Outcome.PASS, "Looked at last.")]

    try:
        body = stream(desk, desk.answerer(ScriptedCheck(hang, stage, timeout_s=0.05)))
    finally:
        over.set()
    held_without_a_byte(desk, body)


@on_sqlite
@pytest.mark.parametrize("name", [check.name for check in every_check(load_policy())])
def test_a_check_that_is_missing_fails_closed(desk: Desk, name: str) -> None:
    answerer = desk.answerer()
    answerer.answerer._policies = Policies(
        checks=lambda policy: [check for check in every_check(policy) if check.name != name]
    )
    held_without_a_byte(desk, stream(desk, answerer))


@on_sqlite
def test_no_check_at_all_fails_closed(desk: Desk) -> None:
    answerer = desk.answerer()
    answerer.answerer._policies = Policies(checks=lambda policy: [])
    held_without_a_byte(desk, stream(desk, answerer))


def test_a_held_question_sends_no_byte_of_its_draft(desk: Desk) -> None:
    held_without_a_byte(desk, stream(desk, desk.answerer(), COVERAGE))


def test_a_release_that_cannot_be_recorded_fails_closed(desk: Desk) -> None:
    with client(desk, desk.answerer()) as opened:
        with desk.database.transaction() as session:
            session.execute(delete(AuditHeadRow))
        body = opened.post("/v1/ask", json={"question": EXCESS}).content
    assert not [secret for secret in SECRETS if secret in body]
    last = events(body.decode())[-1]
    assert (last[0], last[1]["code"]) == ("error", "internal_error")


def held_without_a_byte(desk: Desk, body: bytes) -> None:
    """The draft exists, waits for a person, and no part of it is in the stream."""
    found = events(body.decode())
    assert found[-1][0] == "answer" and "sentence" not in [name for name, _ in found]
    answer = found[-1][1]
    assert (answer["status"], answer["answer"]) == ("held", None)
    # Titles of what was searched are the asker's to see; the draft and its sources are not.
    shown = body.replace(b'"titles": ["handbook"', b"")
    assert not [secret for secret in SECRETS if secret in shown]
    with desk.database.reading() as session:
        record = session.scalar(select(RecordRow))
        assert record is not None and record.draft is not None
        assert "350" in record.draft["text"]
        assert session.scalar(select(ReleaseRow)) is None


@on_sqlite
@pytest.mark.parametrize(
    ("path", "body", "last"),
    [
        ("/v1/ask", {"question": EXCESS}, b"event: answer"),
        (
            "/v1/chat/completions",
            {"model": "countersign", "messages": [{"role": "user", "content": EXCESS}]},
            b"[DONE]",
        ),
        ("/v1/responses", {"model": "countersign", "input": EXCESS}, b"response.completed"),
    ],
)
def test_a_question_that_is_being_asked_is_answered_although_the_service_ends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any], last: bytes
) -> None:
    answerer = desk.answerer()
    monkeypatch.setattr(AppStatus, "should_exit", True)
    with client(desk, answerer) as service:
        sent = body if path == "/v1/ask" else {**body, "stream": True}
        said = service.post(path, json=sent)
    assert said.status_code == 200
    assert last in said.content and b"350" in said.content
