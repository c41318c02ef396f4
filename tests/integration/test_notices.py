"""Notices: written with what they tell of, sent signed, tried again, never lost."""

import asyncio
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sse_starlette import ServerSentEvent

from app.access.principals import Principal
from app.access.service import Access
from app.addresses import is_e_mail
from app.answering.reading import AnswerNews
from app.api import reviews
from app.api.requests import Credential
from app.db import Database, now
from app.errors import CredentialsExpired, DependencyFailed, SettingsInvalid
from app.notices.contents import Notice
from app.notices.mail import Mail
from app.notices.sender import (
    MOST_TRIES,
    WEBHOOK,
    Sender,
    forget_given_up,
    pause,
    send_again,
    waiting_notices,
)
from app.notices.webhook import Webhook, signature
from app.outbox import OutboxRow
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.released import ReleasedAnswers
from app.review.tables import ReviewTaskRow
from app.serving.watching import Watch
from app.settings import Settings
from countersign.webhooks import SignatureInvalid, check_signature
from tests.conftest import on_sqlite
from tests.mailbox import Mailbox, mailbox
from tests.trails import hold, settings_for

SECRET = "a secret of the receiver"
RITA = Principal("rita", frozenset({"reviewer"}))
"""For what does not depend on the kind of database."""


@dataclass
class Receiver:
    """What a webhook was sent, and what it answers."""

    address: str
    status: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)
    signed: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        return [one["kind"] for one in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            check_signature(SECRET, self.headers["Countersign-Signature"], body)
            found.got.append(json.loads(body))
            found.signed.append((self.headers["Countersign-Signature"], body))
            assert self.headers["Countersign-Event"] == found.got[-1]["id"]
            self.send_response(found.status)
            self.send_header("Location", found.address)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://localhost:{server.server_address[1]}/hook?a=b")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as found:
        yield found


@pytest.fixture
def settings(database_url: str, tmp_path: Path, receiver: Receiver) -> Settings:
    return settings_for(
        database_url,
        tmp_path,
        notice_webhook=receiver.address,
        notice_webhook_secret=SECRET,
        notice_private_addresses=True,
        gold_share=0.0,
    )


def with_mail(settings: Settings, box: Mailbox, **more: Any) -> Settings:
    sent = {"smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_security": "none"}
    return settings.model_copy(update={**sent, "smtp_from": "desk@example.com", **more})


def decide(database: Database, settings: Settings, task_id: str, kind: Any, by: str = "") -> None:
    desk, rita = ReviewDesk(database, settings), Principal(by or "rita", frozenset({"reviewer"}))
    seen = desk.task(rita, task_id)
    desk.decide(rita, task_id, Decision(kind, seen.content_sha256, None, "It is wrong."))


def make_due(database: Database) -> None:
    with database.transaction() as session:
        session.execute(update(OutboxRow).values(due_at=now() - timedelta(seconds=1)))


def rows(database: Database) -> list[OutboxRow]:
    with database.reading() as session:
        return list(session.scalars(select(OutboxRow)))


def test_the_life_of_a_held_answer_is_told_in_order_and_without_its_words(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    task_id, answer_id = hold(database, settings)
    sender = Sender(database, settings)
    assert sender.run() == 1
    (opened,) = receiver.got
    assert (opened["kind"], opened["task_id"]) == ("task_opened", task_id)
    assert opened["urgency"] == "normal" and "answer_id" not in opened
    decide(database, settings, task_id, "approve")
    ReleasedAnswers(database, settings).withdraw(RITA, answer_id, "wrong", "Call us instead.")
    make_due(database)
    sender.run()
    # Released is true no more, and nobody waits for the task: neither is told.
    assert receiver.kinds == ["task_opened", "answer_withdrawn"]
    assert (receiver.got[1]["answer_id"], receiver.got[1]["asker"]) == (answer_id, "ann")
    told = json.dumps(receiver.got)
    assert "excess" not in told and "Call us" not in told
    assert rows(database) == [] and sender.run() == 0


@on_sqlite
def test_with_the_setting_a_notice_holds_the_words(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    worded = settings.model_copy(
        update={"notice_text": True, "public_url": "https://desk.example.com/"}
    )
    task_id, answer_id = hold(database, worded)
    Sender(database, worded).run()
    decide(database, worded, task_id, "approve")
    Sender(database, worded).run()
    ReleasedAnswers(database, worded).withdraw(RITA, answer_id, "wrong", "Call us instead.")
    Sender(database, worded).run()
    assert receiver.kinds == ["task_opened", "answer_released", "answer_withdrawn"]
    assert receiver.got[0]["question"] == "What is the excess?"
    assert receiver.got[0]["url"] == f"https://desk.example.com/review#{task_id}"
    assert receiver.got[2]["note"] == "Call us instead."


@pytest.mark.parametrize("cut", ["before", "after"])
def test_what_ends_between_sending_and_marking_is_sent_again_with_the_same_id(
    database: Database,
    settings: Settings,
    receiver: Receiver,
    cut: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold(database, settings)
    sender = Sender(database, settings)
    with monkeypatch.context() as patch:
        ends = "_done" if cut == "after" else "_send"

        def killed(*_arguments: Any) -> None:
            raise SystemExit

        patch.setattr(sender, ends, killed)
        with pytest.raises(SystemExit):
            sender.run()
    assert len(receiver.got) == (cut == "after")
    Sender(database, settings).run()
    assert len({one["id"] for one in receiver.got}) == 1
    assert len(receiver.got) == 1 + (cut == "after")
    assert [row.kind for row in rows(database)] == ["task_deadline"]


def test_an_event_that_is_not_committed_is_not_told(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id, _ = hold(database, settings)
    before = len(rows(database))

    def fails(*_arguments: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("app.review.desk.note_made", fails)
    with pytest.raises(RuntimeError):
        decide(database, settings, task_id, "approve")
    assert len(rows(database)) == before


@pytest.mark.parametrize("status", [500, 302])
def test_what_is_not_taken_is_tried_again_later_and_given_up_in_the_end(
    database: Database, settings: Settings, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    hold(database, settings)
    hold(database, settings, asker="bob")
    sender, began = Sender(database, settings), now()
    assert sender.run() == 0
    assert len(receiver.got) == 1  # one failure, and the destination rests until the next run
    (failed,) = [row for row in rows(database) if row.attempts]
    assert failed.problem == f"The webhook answered {status}."
    assert failed.due_at > began + timedelta(seconds=4)
    with database.transaction() as session:
        session.execute(update(OutboxRow).values(attempts=MOST_TRIES - 1))
    make_due(database)
    for _ in range(6):
        sender.run()
    given_up = [one for one in waiting_notices(database) if one.gave_up]
    assert {one.kind for one in given_up} == {"task_opened", "task_deadline"}
    assert len(given_up) == 4
    receiver.status, receiver.got = 200, []
    assert sender.run() == 0
    assert send_again(database) == 4 and sender.run() == 4
    assert {one["id"] for one in receiver.got} == {one.event_id for one in given_up}
    assert rows(database) == []


def test_the_pause_doubles_up_to_an_hour() -> None:
    seconds = [pause(n, ("a", "b")).total_seconds() for n in (1, 2, 3, 10, 11, 80)]
    assert 5 <= seconds[0] <= 5.5
    assert [round(one / seconds[0]) for one in seconds[1:3]] == [2, 4]
    assert 3600 <= seconds[-1] == seconds[-2] <= 3960


@on_sqlite
def test_what_was_given_up_is_forgotten_after_a_month(
    database: Database, settings: Settings
) -> None:
    hold(database, settings)
    with database.transaction() as session:
        session.execute(update(OutboxRow).values(gave_up=True))
    forget_given_up(database)
    assert len(rows(database)) == 2
    with database.transaction() as session:
        session.execute(update(OutboxRow).values(happened_at=now() - timedelta(days=31)))
    forget_given_up(database)
    assert rows(database) == []


@on_sqlite
def test_urgent_and_late_tasks_go_to_reviewers_by_mail(
    database: Database, settings: Settings, box: Mailbox
) -> None:
    by_mail = with_mail(settings, box, notice_reviewers="a@example.com, b@example.com")
    usual, _ = hold(database, by_mail)
    urgent, _ = hold(database, by_mail, asker="bob", urgency="urgent")
    sender = Sender(database, by_mail)
    sender.run()
    assert [message["To"] for message in box.messages] == ["a@example.com", "b@example.com"]
    message = box.messages[0]
    assert message["Subject"] == "An urgent draft waits for a reviewer"
    assert "excess" not in message.get_content()
    assert message["Message-ID"].startswith("<") and message["Auto-Submitted"]
    ReviewDesk(database, by_mail).escalate(RITA, usual, "A lawyer must see it.")
    sender.run()
    assert len(box.messages) == 4
    decide(database, by_mail, urgent, "reject")
    make_due(database)
    sender.run()
    subjects = [one["Subject"] for one in box.messages[4:]]
    assert subjects == ["A draft must be decided soon"] * 2  # of the one that still waits


@on_sqlite
@pytest.mark.parametrize("to", ["=?utf-8?q?eve=40evil.example=2C?=a@example.com", "a@example.com"])
def test_a_mail_goes_to_the_address_as_it_is_written(
    settings: Settings, box: Mailbox, to: str
) -> None:
    notice = Notice("e1", "task_opened", now(), {}, None, "")
    Mail(with_mail(settings, box)).send(notice, to)
    assert box.recipients == [to]


@on_sqlite
def test_askers_whose_name_is_an_address_hear_of_their_answer(
    database: Database, settings: Settings, box: Mailbox
) -> None:
    by_mail = with_mail(settings, box, notice_askers=True)
    Access(database, by_mail).accounts.create("ann@example.com", ["asker"])
    for asker in ("ann@example.com", "bob", "gone@example.com"):
        task_id, _ = hold(database, by_mail, asker=asker)
        decide(database, by_mail, task_id, "approve")
    Sender(database, by_mail).run()
    assert [(m["To"], m["Subject"]) for m in box.messages] == [
        ("ann@example.com", "Your answer is there")
    ]


@on_sqlite
@pytest.mark.parametrize("change", [{"disabled": True}, {"roles": ["asker"]}, {"scope": ["none"]}])
def test_who_may_not_read_it_any_more_is_not_told_by_a_later_try(
    database: Database, settings: Settings, box: Mailbox, change: dict[str, Any]
) -> None:
    box.refuse = True
    by_mail = with_mail(settings, box, notice_text=True, notice_askers=True)
    accounts = Access(database, by_mail).accounts
    accounts.create("rita@example.com", ["reviewer"])
    accounts.create("ann@example.com", ["asker"])
    task_id, _ = hold(database, by_mail, asker="ann@example.com")
    decide(database, by_mail, task_id, "approve")
    hold(database, by_mail, urgency="urgent")
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(assigned_to="rita@example.com"))
    sender = Sender(database, by_mail)
    sender.run()
    named = {row.destination for row in rows(database) if row.destination}
    assert named == {"rita@example.com", "ann@example.com"}
    box.refuse = False
    accounts.change("rita@example.com", "olga", **change)
    if "disabled" in change:
        accounts.change("ann@example.com", "olga", disabled=True)
    make_due(database)
    sender.run()
    told = [] if "disabled" in change else ["ann@example.com"]
    assert [message["To"] for message in box.messages] == told
    make_due(database)
    sender.run()
    assert not rows(database), "nobody is left to tell"


@on_sqlite
def test_a_mail_server_that_refuses_does_not_hold_the_webhook_up(
    database: Database, settings: Settings, box: Mailbox, receiver: Receiver
) -> None:
    box.refuse = True
    by_mail = with_mail(settings, box, notice_reviewers="a@example.com")
    hold(database, by_mail, urgency="urgent")
    sender = Sender(database, by_mail)
    assert sender.run() == 1 and receiver.kinds == ["task_urgent"]
    box.refuse = False
    make_due(database)
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(assigned_to="b@example.com"))
    sender.run()
    assert {m["To"] for m in box.messages} == {"a@example.com"}
    assert receiver.kinds == ["task_urgent", "task_deadline"]


@on_sqlite
@pytest.mark.parametrize(
    "wrong", [{"smtp_user": "desk", "smtp_password": "pässwort"}, {"smtp_host": "mail..example"}]
)
def test_mail_that_can_never_be_sent_does_not_hold_the_webhook_up(
    database: Database, settings: Settings, box: Mailbox, receiver: Receiver, wrong: dict[str, Any]
) -> None:
    box.offers = "mailbox\r\n250-AUTH PLAIN"
    by_mail = with_mail(settings, box, notice_reviewers="a@example.com", **wrong)
    hold(database, by_mail, urgency="urgent")
    assert Sender(database, by_mail).run() == 1 and receiver.kinds == ["task_urgent"]
    (left,) = (row for row in rows(database) if row.attempts)
    assert left.destination == "a@example.com" and "Unicode" in left.problem
    assert "pässwort" not in left.problem


@on_sqlite
def test_a_name_that_no_host_has_is_a_webhook_that_does_not_answer(
    database: Database, settings: Settings
) -> None:
    nowhere = settings.model_copy(update={"notice_webhook": "https://hooks..example.com/x"})
    hold(database, nowhere)
    assert Sender(database, nowhere).run() == 0
    assert [row.destination for row in rows(database) if row.attempts == 1] == [WEBHOOK]


def test_what_can_be_taken_back_is_told_when_it_stands(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    slow = settings.model_copy(update={"undo_seconds": 60.0})
    task_id, _ = hold(database, slow)
    decide(database, slow, task_id, "approve")
    sender = Sender(database, slow)
    sender.run()
    assert receiver.kinds == []
    ReviewDesk(database, slow).undo(RITA, task_id)
    with database.transaction() as session:
        session.execute(update(OutboxRow).values(happened_at=now() - timedelta(seconds=61)))
    sender.run()
    assert receiver.kinds == []


@on_sqlite
def test_without_a_destination_events_are_let_go_together(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = settings.model_copy(update={"notice_webhook": ""})
    hold(database, silent)
    make_due(database)
    assert len(rows(database)) > 1
    opened, transaction = [], database.transaction

    def counted() -> AbstractContextManager[Session]:
        opened.append(1)
        return transaction()

    monkeypatch.setattr(database, "transaction", counted)
    for _ in range(2):  # the second time there is nothing, and no lock is taken for it
        assert Sender(database, silent).run() == 0
        assert (rows(database), len(opened)) == ([], 1)


@on_sqlite
def test_a_private_address_is_refused_also_behind_a_name(
    database: Database, settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_only = settings.model_copy(update={"notice_private_addresses": False})
    with pytest.raises(DependencyFailed, match="private"):
        Sender(database, public_only).test()

    def both(*_arguments: Any, **_options: Any) -> list[Any]:
        return [(0, 0, 0, "", (one, 80)) for one in ("93.184.216.34", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(DependencyFailed, match="private"):
        Sender(database, public_only).test()
    assert receiver.got == []


@on_sqlite
def test_a_test_notice_reaches_every_destination(
    database: Database, settings: Settings, receiver: Receiver, box: Mailbox
) -> None:
    by_mail = with_mail(settings, box, notice_reviewers="a@example.com")
    assert Sender(database, by_mail).test() == [WEBHOOK, "a@example.com"]
    assert receiver.got[0]["test"] is True and len(box.messages) == 1


def test_a_signature_binds_body_and_time() -> None:
    header = signature(SECRET, 1_000_000, b"{}")
    check_signature(SECRET, header, b"{}", now=1_000_299)
    for secret, said, body, at in (
        (SECRET, header, b"{} ", 1_000_000),
        ("another secret", header, b"{}", 1_000_000),
        (SECRET, header.replace("t=1000000", "t=1000200"), b"{}", 1_000_200),
        (SECRET, header, b"{}", 1_000_301),
        (SECRET, header, b"{}", 999_699),
        (SECRET, "", b"{}", 1_000_000),
        (SECRET, "t=²,v1=é", b"{}", 1_000_000),
    ):
        with pytest.raises(SignatureInvalid):
            check_signature(secret, said, body, now=at)
    expected = hmac.new(SECRET.encode(), b"1000000.{}", "sha256").hexdigest()
    assert header == f"t=1000000,v1={expected}"


def test_a_stream_of_the_queue_tells_of_tasks_and_ends_with_its_credential(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews, "TELL_EVERY_S", 0.0)
    ended = False

    def rita() -> Principal:
        if ended:
            raise CredentialsExpired
        return RITA

    async def scene() -> list[str | None]:
        nonlocal ended
        watch = Watch(AnswerNews(database), every_s=0.01)
        services: Any = SimpleNamespace(watch=watch)
        told = reviews._changes(services, Credential("x", rita), "r", keep=True)
        names: list[str | None] = []

        async def next_event() -> ServerSentEvent:
            return await anext(told)

        names.append((await asyncio.wait_for(next_event(), 60)).event)
        follow = asyncio.create_task(next_event())
        while (await asyncio.wait({follow}, timeout=0.3))[0]:  # until nothing has changed
            names.append(follow.result().event)
            follow = asyncio.create_task(next_event())
        assert set(names) == {"changed"} and len(names) <= 3
        hold(database, settings)
        names.append((await asyncio.wait_for(follow, 60)).event)
        ended = True
        hold(database, settings, asker="bob")
        names += [one.event async for one in told]
        watch.close()
        return names

    assert asyncio.run(scene())[-2:] == ["changed", "error"]


def test_who_opens_the_queue_is_told_once(database: Database) -> None:
    """What the watch finds when it begins is what the first event stood for."""

    async def scene() -> bool:
        watch = Watch(AnswerNews(database), every_s=0.01)
        services: Any = SimpleNamespace(watch=watch)
        told = reviews._changes(services, Credential("x", lambda: RITA), "r", keep=True)
        first = await asyncio.wait_for(anext(told), 60)
        second = asyncio.ensure_future(anext(told))
        came, _ = await asyncio.wait({second}, timeout=0.2)
        second.cancel()
        watch.close()
        return first.event == "changed" and not came

    assert asyncio.run(scene())


@pytest.mark.parametrize(
    "wrong",
    [
        {"notice_webhook": "ftp://example.com"},
        {"notice_webhook": "not an address"},
        {"notice_webhook": "http://[::1"},
        {"notice_webhook": "https://example.com", "notice_webhook_secret": "short"},
    ],
)
def test_a_webhook_that_cannot_be_used_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsInvalid):
        Webhook(Settings(**{"notice_webhook_secret": SECRET, **wrong}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"smtp_from": ""},
        {"smtp_from": "desk@example.com", "notice_reviewers": "a@example.com, b"},
        {"smtp_from": "desk@example.com", "smtp_user": "x", "smtp_security": "none"},
    ],
)
def test_mail_that_cannot_be_used_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsInvalid):
        Mail(Settings(smtp_host="127.0.0.1", **wrong))


def test_what_can_be_written_to() -> None:
    assert is_e_mail("ann.b@example.com")
    for text in ("ann", "a@b\r\nBcc: c@d", "Ann <a@b>", "a@b,c@d", "ä@b.com", "@b", "a@"):
        assert not is_e_mail(text), text
