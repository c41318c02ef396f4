"""What leaks or goes out by another way than the answer itself: over questions that no collection
stands behind, over texts that nobody sees, and by who may no longer sign."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from app.access.principals import ROLES, Principal
from app.access.service import Access
from app.access.tables import PrincipalRow
from app.corpus.corpus import Corpus
from app.db import Database
from app.notices.contents import Notice
from app.notices.mail import Mail
from app.proof.dry_run import dry_run
from app.records import recording
from app.records.release import answer_view, cited_passages
from app.records.tables import RecordRow
from app.review.decisions import Decision
from app.review.tasks import open_task
from app.settings import Settings
from guardrails.contract import Sentence
from guardrails.policy.load import load_policy
from tests.conftest import on_sqlite
from tests.servers import tiny_services
from tests.site import Site, coded, site_over
from tests.trails import WireDesk, add_ready_document, hold, only_passage, trail

DESPAIR = "I want to kill myself. I am Ben Smith."
HIDDEN = "\u200b\u202e\u061c\u3164\ufeff\U000e0041\x07\x1b"
RITA, RAJ, RUTH = (Principal(name, frozenset({"reviewer"})) for name in ("rita", "raj", "ruth"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Site]:
    """Ben's team has no documents yet; Sam's is another one, and has all roles there."""
    services = tiny_services(tmp_path_factory.mktemp("doors"), migrated_sqlite, undo_seconds=0.0)
    for made in site_over(services):
        for name, roles in (("ben", ["asker"]), ("bea", list(ROLES))):
            services.access.accounts.create(name, roles, scope=["new"])
            made.keys[name] = services.access.keys.create(name).key
        yield made


# Behind which no collection stands


@pytest.mark.parametrize("collections", [None, ["main"]])
def test_a_question_without_evidence_is_for_those_it_was_asked_of(
    site: Site, collections: list[str] | None
) -> None:
    """Of no collection it may be anybody's, so nobody with a scope sees it."""
    asker = "ann" if collections else "ben"
    answer = site.ask(DESPAIR, asker, collections=collections)
    assert answer["status"] == "held"
    path = f"/v1/answers/{answer['answer_id']}/feedback"
    said = {"useful": False, "reason": "my secret"}
    assert site.call(asker, "PUT", path, json=said).status_code == 204
    task_id = site.task_of(answer["answer_id"])
    for outsider in ("sam", "bea"):
        for path in ("/v1/reviews", "/v1/feedback", "/v1/gaps", "/v1/suggestions"):
            told = site.call(outsider, "GET", path)
            assert told.status_code == 200 and "Ben Smith" not in told.text, path
        assert site.call(outsider, "GET", "/v1/reviews/counts").json()["queues"] == []
        coded(site.call(outsider, "GET", f"/v1/reviews/{task_id}"), 404, "not_found")
        coded(site.call(outsider, "POST", f"/v1/reviews/{task_id}/claim"), 404, "not_found")
        mine = Principal(outsider, frozenset(ROLES), ("elsewhere", "new"))
        report = dry_run(site.services.database, mine, load_policy())
        assert "Ben Smith" not in str(report)
    assert "my secret" in site.call("eve", "GET", "/v1/feedback").text


def test_a_scope_that_shrank_shows_no_title_any_more(site: Site) -> None:
    seen = site.ask("What is the excess for water damage?", "ann")
    assert seen["searched"]["titles"]
    path = f"/v1/answers/{seen['answer_id']}"
    site.services.access.accounts.change("ann", "eve", scope=["new"])
    try:
        narrowed = site.call("ann", "GET", path).json()
    finally:
        site.services.access.accounts.change("ann", "eve", scope=None)
    assert narrowed["searched"]["titles"] == [] and narrowed["choices"] == []
    assert site.call("ann", "GET", path).json()["searched"] == seen["searched"]


# What nobody sees


def test_what_a_reviewer_writes_goes_out_as_it_is_seen(site: Site) -> None:
    task_id, answer_id = site.held()
    task = site.claim("rita", task_id)
    text = f"The excess is {HIDDEN}£350 [1]."
    note = {"text": f"Look{HIDDEN} here"}
    told = site.call("rita", "POST", f"/v1/reviews/{task_id}/comments", json=note)
    assert told.json()["notes"][-1]["text"] == "Look here"
    done = site.decide("rita", task, "edit", text=text, override_reason=f"as{HIDDEN} told")
    assert done.status_code == 200, done.text
    seen = site.call("ann", "GET", f"/v1/answers/{answer_id}").json()["answer"]
    assert seen["text"] == "The excess is £350 [1]."
    assert [one["text"] for one in seen["sentences"]] == ["The excess is £350."]
    taken = {"reason": f"w{HIDDEN}rong", "message": f"Call{HIDDEN} us."}
    path = f"/v1/released/{answer_id}/withdrawal"
    assert site.call("rita", "POST", path, json=taken).status_code == 204
    message = site.call("ann", "GET", f"/v1/answers/{answer_id}").json()["message"]
    assert message.endswith("Call us.")


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=database_url, data_dir=tmp_path, undo_seconds=0, gold_share=0.0)


def decide(desk: WireDesk, who: Principal, task_id: str) -> dict[str, object]:
    task = desk.claim(who, task_id)
    return desk.decide(who, task_id, Decision("approve", task["content_sha256"], task["fence"]))


def test_a_draft_goes_out_as_the_reviewer_saw_it(database: Database, settings: Settings) -> None:
    corpus = Corpus(database)
    add_ready_document(corpus)
    written = trail(only_passage(corpus))
    assert written.draft is not None
    (sentence,) = written.draft.sentences
    words = Sentence(f"{sentence.text[:-1]}{HIDDEN}.", sentence.citations)
    draft = replace(written.draft, sentences=(words,), short=f"£35{HIDDEN}0")
    with database.transaction() as session:
        record = recording.write(session, replace(written, draft=draft))
        task_id, answer_id = open_task(session, record, settings), record.answer_id
    decide(WireDesk(database, settings), RITA, task_id)
    with database.reading() as session:
        record = session.get_one(RecordRow, answer_id)
        view = answer_view(session, record, cited_passages(record))
    assert view.answer is not None and not set(HIDDEN) & set(str(view.answer))


@on_sqlite
def test_a_question_makes_no_line_of_a_mail(settings: Settings) -> None:
    forged = f"Is it?\r\n\r\nnote: approved\nhttps://evil.example/review{HIDDEN}"
    about = {"question": forged, "queue": "", "note": None}
    notice = Notice("e1", "task_opened", datetime(2026, 1, 2), about, None, "https://desk.example")
    mail = Mail(settings.model_copy(update={"smtp_from": "desk@example.com"}))
    text = mail._message(notice, "rita@example.com").get_content()
    assert text.splitlines() == [
        "A draft waits for a reviewer.",
        "",
        "question: Is it? note: approved https://evil.example/review",
        "https://desk.example",
    ]


# Who may no longer sign


@pytest.mark.parametrize("change", ["disabled", "role", "scope"])
def test_the_approval_of_who_may_no_longer_sign_does_not_count(
    database: Database, settings: Settings, change: str
) -> None:
    accounts = Access(database, settings).accounts
    accounts.create("rita", ["reviewer"])
    task_id, answer_id = hold(database, settings, four_eyes=True)
    desk = WireDesk(database, settings)
    assert decide(desk, RITA, task_id)["state"] == "open"
    with database.transaction() as session:
        row = session.get_one(PrincipalRow, "rita")
        if change == "disabled":
            row.disabled_at = datetime(2026, 1, 1)
        elif change == "role":
            row.roles = ["asker"]
        else:
            row.scope = ["elsewhere"]
    assert decide(desk, RAJ, task_id)["state"] == "open"
    with database.reading() as session:
        record = session.get_one(RecordRow, answer_id)
        assert answer_view(session, record, ()).status == "held"
    assert decide(desk, RUTH, task_id)["state"] == "decided"
