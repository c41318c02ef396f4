"""Conversations, suggestions, feedback and usual waits, over both databases."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import DateTime, bindparam, func, select, text, update

from app.access.principals import Principal
from app.answering.stages import Ask
from app.answering.suggestions import TRIED, Suggestions, as_question
from app.corpus.corpus import Corpus
from app.corpus.tables import DocumentRow, LiveIndexRow, PassageRow
from app.db import Database, now
from app.deadline import Deadline
from app.gate.modes import switch_mode
from app.proof.erasure import Eraser
from app.records import release
from app.records.asked import asked_of
from app.records.conversations import NEWS_DAYS, see
from app.records.feedback import give
from app.records.tables import ConversationRow, FeedbackRow, RecordRow, SettlementRow
from app.settings import PROJECT
from app.wiring import Services
from ingestion.indexing import asked_vectors
from tests.fakes import HashEmbedder, Shelf
from tests.site import HELD, RELEASED, Site, site_over

NEXT = "And when is the office open?"
OTHER = "What is the cancellation fee?"


@pytest.fixture
def site(services: Services) -> Iterator[Site]:
    """A service over each database."""
    yield from site_over(services)


def listed(site: Site, name: str = "ann", **params: str) -> list[dict[str, Any]]:
    response = site.call(name, "GET", "/v1/conversations", params=params)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["conversations"]
    return found


def test_conversations_are_listed_searched_named_and_hidden(site: Site) -> None:
    first = site.ask(RELEASED)["answer_id"]
    second = site.ask(NEXT, previous_answer_id=first)["answer_id"]
    other = site.ask(OTHER)["answer_id"]
    site.ask(OTHER, name="eve")
    assert [(row["conversation_id"], row["title"], row["answers"]) for row in listed(site)] == [
        (other, OTHER, 1),
        (first, RELEASED, 2),
    ]
    assert [row["conversation_id"] for row in listed(site, find="OFFICE open")] == [first]
    assert listed(site, find="%") == []
    page = site.call("ann", "GET", "/v1/conversations?limit=1").json()
    rest = site.call(
        "ann", "GET", "/v1/conversations", params={"cursor": page["next_cursor"]}
    ).json()
    assert [row["conversation_id"] for row in rest["conversations"]] == [first]
    assert rest["next_cursor"] is None
    assert site.call("ann", "GET", "/v1/conversations?cursor=x").status_code == 400

    path = f"/v1/conversations/{first}"
    whole = site.call("ann", "GET", path).json()
    assert [one["answer_id"] for one in whole["answers"]] == [first, second]
    assert whole["more"] is False
    last = site.call("ann", "GET", f"{path}?limit=1").json()
    assert [one["answer_id"] for one in last["answers"]] == [second] and last["more"] is True
    older = site.call("ann", "GET", f"{path}?before={second}").json()
    assert [one["answer_id"] for one in older["answers"]] == [first]

    assert site.call("ann", "GET", f"{path}?before={other}").status_code == 404
    assert site.call("ann", "PUT", path, json={"title": " Water "}).status_code == 204
    assert [row["title"] for row in listed(site, find="water")] == ["Water"]
    for method, body in (("GET", {}), ("PUT", {"json": {"title": "x"}}), ("DELETE", {})):
        assert site.call("eve", method, path, **body).status_code == 404
    assert site.call("ann", "DELETE", path).status_code == 204
    assert [row["conversation_id"] for row in listed(site)] == [other]
    assert site.call("ann", "GET", path).status_code == 404
    assert site.call("ann", "GET", f"/v1/answers/{first}").status_code == 200  # the record stays


def test_a_list_of_conversations_says_where_somebody_still_decides(site: Site) -> None:
    switch_mode(site.services.database, "review_everything", "no labels yet", "admin", "main")
    first = site.ask(RELEASED)["answer_id"]
    second = site.ask(NEXT, previous_answer_id=first)["answer_id"]
    other = site.ask(OTHER)["answer_id"]

    def waiting() -> dict[str, int]:
        return {row["conversation_id"]: row["waiting"] for row in listed(site)}

    assert waiting() == {first: 2, other: 1}
    with site.services.database.transaction() as session:
        release.refuse(session, second, by="eve")
        release.expire(session, other)
    assert waiting() == {first: 1, other: 0}


def test_an_answer_is_news_until_its_asker_has_seen_it(site: Site) -> None:
    switch_mode(site.services.database, "review_everything", "no labels yet", "admin", "main")
    first = site.ask(RELEASED)["answer_id"]
    second = site.ask(NEXT, previous_answer_id=first)["answer_id"]
    other = site.ask(OTHER)["answer_id"]

    def unseen() -> dict[str, int]:
        page = site.call("ann", "GET", "/v1/conversations").json()
        found = {row["conversation_id"]: row["unseen"] for row in page["conversations"]}
        assert page["unseen"] == sum(found.values())
        one = site.call("ann", "GET", "/v1/conversations?limit=1").json()
        assert (one["unseen"], one["waiting"]) == (page["unseen"], page["waiting"])
        return found

    def settle(change: Any, *args: Any, **more: Any) -> None:
        with site.services.database.transaction() as session:
            change(session, *args, **more)

    assert unseen() == {first: 0, other: 0}
    settle(release.refuse, second, by="eve")
    settle(release.expire, other)
    assert unseen() == {first: 1, other: 1}
    assert site.call("ann", "PUT", f"/v1/conversations/{first}/seen").status_code == 204
    assert site.call("eve", "PUT", f"/v1/conversations/{other}/seen").status_code == 404
    assert unseen() == {first: 0, other: 1}
    settle(release.expire, first)
    assert unseen() == {first: 1, other: 1}  # what changes after that is news again
    assert site.call("ann", "DELETE", f"/v1/conversations/{other}").status_code == 204
    assert unseen() == {first: 1}
    with site.services.database.transaction() as session:
        later = {"settled_at": now() - timedelta(days=NEWS_DAYS, hours=1)}
        session.execute(update(SettlementRow).values(later))
    assert unseen() == {first: 0}


def test_a_conversation_that_begins_with_small_talk_is_called_by_its_question(site: Site) -> None:
    greeted = site.ask("Hi there!")
    assert greeted["reason"] == "small_talk"
    first = greeted["answer_id"]
    again = site.ask("How are you?", previous_answer_id=first)["answer_id"]
    assert [row["title"] for row in listed(site)] == ["Hi there!"]  # nothing else was said
    asked = site.ask(RELEASED, previous_answer_id=again)["answer_id"]
    thanked = site.ask("Thank you!", previous_answer_id=asked)["answer_id"]
    site.ask(NEXT, previous_answer_id=thanked)
    site.ask("Hello")  # another one, which must not lend its title
    assert [row["title"] for row in listed(site)] == ["Hello", RELEASED]
    path = f"/v1/conversations/{first}"
    assert site.call("ann", "GET", path).json()["title"] == RELEASED  # as it is exported
    assert site.call("ann", "PUT", path, json={"title": "Water"}).status_code == 204
    assert site.call("ann", "GET", path).json()["title"] == "Water"
    assert site.call("ann", "PUT", path, json={"title": ""}).status_code == 204
    assert site.call("ann", "GET", path).json()["title"] == RELEASED


def test_erasing_a_principal_leaves_no_words_of_a_conversation(site: Site) -> None:
    answer = site.ask(RELEASED)["answer_id"]
    site.call("ann", "PUT", f"/v1/conversations/{answer}", json={"title": "My secret"})
    said = {"useful": False, "reason": "My secret too"}
    assert site.call("ann", "PUT", f"/v1/answers/{answer}/feedback", json=said).status_code == 204
    assert site.call("ann", "GET", f"/v1/answers/{answer}").json()["feedback"] == said
    shown = site.call("olga", "GET", "/v1/feedback").json()["feedback"]
    assert [(one["reason"], one["question"]) for one in shown] == [("My secret too", RELEASED)]
    assert site.call("sam", "GET", "/v1/feedback").json()["feedback"] == []
    assert site.call("eve", "PUT", f"/v1/answers/{answer}/feedback", json=said).status_code == 404

    services = site.services
    corpus = Corpus(services.database)
    Eraser(services.database, services.settings, corpus).principal("ann", "local")
    with services.database.reading() as session:
        assert session.get(FeedbackRow, answer) is None
        assert session.get(ConversationRow, answer) is None
        assert session.get_one(RecordRow, answer).principal == ""


def test_what_a_collection_was_asked(site: Site) -> None:
    """The newest questions, each once, follow-ups as they were searched; no erased ones."""
    first = site.ask(OTHER)["answer_id"]
    follow_up = "And for theft?"
    told = site.ask(follow_up, previous_answer_id=first)
    site.ask(RELEASED, name="eve")
    site.ask(OTHER)
    database, embedder = site.services.database, site.services.embedder

    def asked(collection: str = "main", most: int = 9) -> list[str]:
        with database.reading() as session:
            return asked_of(session, collection, most)

    assert asked() == [OTHER, RELEASED, told["searched"]["question"] or follow_up]
    assert asked(most=2) == [OTHER, RELEASED] and asked("elsewhere") == []
    vectors = asked_vectors(database, lambda: embedder, "main")
    assert np.allclose(vectors[1], embedder.embed([RELEASED])[0], atol=1e-6)
    assert not len(asked_vectors(database, lambda: pytest.fail("not needed"), "elsewhere"))
    Eraser(database, site.services.settings, site.services.corpus).principal("ann", "local")
    assert asked() == [RELEASED]


RECORD = """
INSERT INTO records (answer_id, principal, question, outcome, message, evidence, findings, verdict,
    lineage, searched, timings_ms, content_sha256, created_at) VALUES
    (:answer_id, 'ann', 'q', 'held', '', '[]', '[]', '{}', '{}', :searched, '{}', '', :at)
"""


def test_answers_from_before_there_were_conversations_are_filed(database: Database) -> None:
    migrated(database, "0017", down=True)
    follows = {"a": None, "b": "a", "c": None, "d": "b", "e": "gone"}
    with database.transaction() as session:
        for minute, (answer_id, previous) in enumerate(follows.items()):
            values = {
                "answer_id": answer_id,
                "searched": json.dumps({"previous_answer_id": previous}),
                "at": datetime(2026, 1, 1, 0, minute),
            }
            session.execute(text(RECORD).bindparams(bindparam("at", type_=DateTime)), values)
    migrated(database, "head")
    with database.reading() as session:
        filed = session.execute(select(RecordRow.answer_id, RecordRow.conversation)).all()
    assert sorted(map(tuple, filed)) == [("a", "a"), ("b", "a"), ("c", "c"), ("d", "a"), ("e", "e")]


def test_what_was_settled_before_news_were_counted_was_seen(database: Database) -> None:
    migrated(database, "0033", down=True)
    at = bindparam("at", type_=DateTime)
    settled = text(
        "INSERT INTO settlements (answer_id, state, number, settled_at) "
        "VALUES (:answer_id, 'released', :number, :at)"
    )
    kept = text("INSERT INTO conversations (id, principal, title) VALUES ('b', 'ann', 'Mine')")
    with database.transaction() as session:
        for number, answer_id in enumerate("abc", 7):
            values = {"answer_id": answer_id, "searched": "{}", "at": now()}
            session.execute(text(RECORD).bindparams(at), values)
            if answer_id != "c":
                values = {"answer_id": answer_id, "number": number, "at": now()}
                session.execute(settled.bindparams(at), values)
        session.execute(kept)
    migrated(database, "head")
    with database.reading() as session:
        rows = session.execute(
            select(ConversationRow.id, ConversationRow.title, ConversationRow.seen)
        )
        assert sorted(map(tuple, rows)) == [("a", None, 7), ("b", "Mine", 8)]


def migrated(database: Database, revision: str, *, down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(PROJECT / "alembic"))
    config.attributes["database"] = database
    (command.downgrade if down else command.upgrade)(config, revision)


def test_suggestions_come_from_what_the_asker_may_read(site: Site) -> None:
    tried = suggested(site)
    assert tried["documents"]
    kept = records(site)
    for question in tried["questions"]:  # what is offered is answered at once
        assert site.ask(question)["status"] == "released", question
    assert kept == 0  # nothing that was tried is recorded
    nothing = site.call("sam", "GET", "/v1/suggestions").json()
    assert nothing == {"questions": [], "documents": False, "complete": True}
    assert site.call("sam", "GET", "/v1/suggestions").json()["questions"] == []
    site.ask(RELEASED)
    site.ask("What is my excess for water damage?")  # about the asker's own affair
    found = site.call("eve", "GET", "/v1/suggestions").json()["questions"]
    assert found[0] == RELEASED and not any("my excess" in one for one in found)
    assert site.call("sam", "GET", "/v1/suggestions").json()["questions"] == []


def suggested(site: Site, name: str = "ann") -> dict[str, Any]:
    """The suggestions when all that may be offered was tried."""
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        found: dict[str, Any] = site.call(name, "GET", "/v1/suggestions").json()
        if found["complete"]:
            return found
        time.sleep(0.2)
    raise AssertionError("The suggestions are still being tried.")


def records(site: Site) -> int:
    with site.services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(RecordRow)) or 0


@dataclass
class Rehearsing:
    """Stands for the answerer: says what would become of each question."""

    released: frozenset[str]
    asked: list[str] = field(default_factory=list)

    def rehearse(self, _principal: Principal, ask: Ask, _deadline: Deadline) -> Any:
        self.asked.append(ask.question)
        outcome = "released" if ask.question in self.released else "held"
        return SimpleNamespace(outcome=outcome)


def tried(suggestions: Suggestions, principal: Principal) -> list[str]:
    ends = time.monotonic() + 60
    while not (found := suggestions.view(principal)).complete and time.monotonic() < ends:
        time.sleep(0.02)
    assert found.complete
    return found.questions


def test_of_headings_only_those_are_offered_that_would_be_released(services: Services) -> None:
    claim = "What do the documents say about “Making a claim”?"
    answerer = Rehearsing(frozenset({claim}))
    busy = [True]
    suggestions = Suggestions(
        services.database, cast("Any", answerer), lambda: busy[0], services.settings.deadline_s
    )
    ann = Principal("ann", frozenset({"asker"}))
    for _ in range(3):  # nothing is tried while somebody waits for an answer
        first = suggestions.view(ann)
        assert (first.questions, first.complete) == ([], False)
        time.sleep(0.05)
    assert answerer.asked == []
    busy[0] = False
    assert tried(suggestions, ann) == [claim]
    assert 1 < len(answerer.asked) <= TRIED and len(set(answerer.asked)) == len(answerer.asked)
    times = len(answerer.asked)
    assert tried(suggestions, ann) == [claim] and len(answerer.asked) == times
    with services.database.transaction() as session:  # another index version: all anew
        live = session.get_one(LiveIndexRow, 1)
        live.version_id = None
    assert tried(suggestions, ann) == [] and len(answerer.asked) == times
    suggestions.close()


def test_of_a_deleted_document_no_heading_is_offered(services: Services) -> None:
    claim = "What do the documents say about “Making a claim”?"
    answerer = Rehearsing(frozenset({claim}))
    suggestions = Suggestions(services.database, cast("Any", answerer), lambda: False, 5.0)
    ann = Principal("ann", frozenset({"asker"}))
    assert tried(suggestions, ann) == [claim]
    with services.database.reading() as session:
        of = DocumentRow.title == "Making a claim"
        document_id = session.scalars(select(DocumentRow.id).where(of)).one()
    services.corpus.documents.delete(document_id)
    assert claim not in tried(suggestions, ann)
    suggestions.close()


def test_headings_that_are_questions_are_tried_first(services: Services) -> None:
    shelf = Shelf(Corpus(services.database), HashEmbedder(), services.settings.index_dir)
    headings = [["Fees"], ["Hours"], ["How do I pay?"], ["How do I return a tent?"]]
    for number, heading in enumerate(headings):
        shelf.store(f"{number}.txt", f"Text {number}.")
        with services.database.transaction() as session:
            row = session.scalars(select(PassageRow).where(PassageRow.text == f"Text {number}."))
            row.one().headings = heading
    answerer = Rehearsing(frozenset({"How do I pay?"}))
    suggestions = Suggestions(services.database, cast("Any", answerer), lambda: False, 10.0)
    assert tried(suggestions, Principal("ann", frozenset({"asker"}))) == ["How do I pay?"]
    assert set(answerer.asked[:2]) == {"How do I pay?", "How do I return a tent?"}
    suggestions.close()


def test_cells_with_simple_names_are_asked_for(services: Services) -> None:
    shelf = Shelf(Corpus(services.database), HashEmbedder(), services.settings.index_dir)
    rows = ["Item | Code | Price EUR", "Single kayak | K-1 | 42", "T-401 | K-2 | 65"]
    shelf.store("prices.txt", "\n".join(rows))
    rows = ["Section | Excess per person", "Baggage | £75", "Delay | £50"]
    shelf.store("excess.txt", "\n".join(rows))
    price = "What is the price for Single kayak?"
    excess = "What is the excess per person for Baggage?"
    answerer = Rehearsing(frozenset({price, excess}))
    suggestions = Suggestions(services.database, cast("Any", answerer), lambda: False, 10.0)
    assert tried(suggestions, Principal("ann", frozenset({"asker"}))) == [excess, price]
    asked = [one for one in answerer.asked if one.startswith("What is the")]
    assert asked == [excess, price]
    suggestions.close()


def test_the_usual_wait_is_said_when_there_is_enough_to_say(site: Site) -> None:
    assert site.call("ann", "GET", "/v1/waiting").json() == {"usual_seconds": None}
    for _ in range(5):
        task_id, _answer = site.held()
        assert site.decide("rita", site.claim("rita", task_id), "reject", reason="no").is_success
    usual = site.call("ann", "GET", "/v1/waiting").json()["usual_seconds"]
    assert usual is not None and 0 <= usual < 60
    assert site.ask(HELD)["status"] == "held"


def test_headings_become_questions() -> None:
    assert as_question("Fees | Acme", []) == "What do the documents say about “Fees”?"
    assert as_question("x", ["A", "How do I claim?"]) == "How do I claim?"
    assert as_question("Fees", ["§ 4"]) is None
    assert as_question("ab", []) is None


def test_answers_of_one_moment_are_all_reached(site: Site) -> None:
    first = site.ask(RELEASED)["answer_id"]
    for _ in range(3):
        site.ask(NEXT, previous_answer_id=first)
    with site.services.database.transaction() as session:
        session.execute(update(RecordRow).values(created_at=now()))
    found: list[str] = []
    page: dict[str, Any] = {"more": True}
    while page["more"]:
        params = {"limit": 1, **({"before": found[-1]} if found else {})}
        page = site.call("ann", "GET", f"/v1/conversations/{first}", params=params).json()
        found += [one["answer_id"] for one in page["answers"]]
    assert len(set(found)) == 4


@pytest.mark.parametrize("what", ["seen", "title", "feedback"])
def test_two_who_say_it_first_at_once_are_both_heard(site: Site, what: str) -> None:
    answer_id = site.ask(RELEASED)["answer_id"]
    one = f"/v1/conversations/{answer_id}"
    path, body = {
        "seen": (f"{one}/seen", None),
        "title": (one, {"title": "Water"}),
        "feedback": (f"/v1/answers/{answer_id}/feedback", {"useful": True, "reason": "Short"}),
    }[what]
    with ThreadPoolExecutor(1) as pool:
        with site.services.database.transaction() as session:
            if what == "feedback":
                give(session, "ann", answer_id, useful=False, reason="")
            else:
                see(session, "ann", answer_id)
            session.flush()
            second = pool.submit(site.call, "ann", "PUT", path, json=body)
            time.sleep(0.5)  # it waits for the first
        assert second.result().status_code in (200, 204), second.result().text
    with site.services.database.reading() as session:
        row = session.get(ConversationRow, answer_id)
        told = session.get(FeedbackRow, answer_id)
        assert what != "title" or (row is not None and row.title == "Water")
        assert what != "feedback" or (told is not None and told.useful)
