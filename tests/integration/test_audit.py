"""Whatever is edited in the database, the audit chain tells; and it never cries wolf."""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, Table, Text, cast, delete, insert, select, text, update

from app.access.service import Access
from app.access.tables import ApiKeyRow, PrincipalRow
from app.db import Database, now
from app.errors import AuditBroken, DependencyFailed, SettingsInvalid
from app.gate.drift import _raise_alarm
from app.gate.modes import switch_mode
from app.gate.tables import CertificateRow, GateAlarmRow, GateModeRow, LabelRow, ReviewerCheckRow
from app.proof.checkpoints import (
    Checkpoint,
    Checkpoints,
    MerkleTree,
    SigningKeys,
    inclusion_proofs,
    leaf_hash,
    read_checkpoint,
)
from app.proof.export import CHECKER, signed_proof_of
from app.proof.sealing import seal_earlier_rows
from app.proof.verify import AuditReport, verify_audit, verify_snapshot
from app.records.audit import link_sha256
from app.records.seals import sealed_table
from app.records.tables import (
    AuditHeadRow,
    AuditRow,
    PolicyRow,
    RecordRow,
    ReleaseRow,
    SettlementRow,
)
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.gold import add_gold_answer
from app.review.tables import ApprovalRow, DecisionRow, GoldItemRow, ProbeRow, ReviewTaskRow
from app.settings import Settings
from cli.doctor import audit_in_words, signing_key
from guardrails.contract import canonical_json, canonical_sha256
from guardrails.drift import Change
from tests.conftest import on_sqlite
from tests.integration.test_answering import RITA, Desk, Stocks, keep_stock, kept_stock
from tests.integration.test_probes import CARA, RAJ, Quiz
from tests.trails import WireDesk, hold, settings_for

Edit = Callable[[Connection], Any]


BUSY: Stocks = {}
"""What ``busy`` holds."""


@pytest.fixture
def busy(database: Database, tmp_path: Path) -> Database:
    """A database in which everything has happened that leaves a sealed row."""
    desk = Desk(database, tmp_path)
    if not kept_stock(BUSY, desk):
        desk.stock()
        happen(desk)
        keep_stock(BUSY, desk)
    return database


def happen(desk: Desk) -> None:
    """Everything that leaves a sealed row."""
    database, folder = desk.database, desk.folder
    quiz = Quiz(desk, gold_share=1.0, second_review_share=1.0)
    approved = quiz.first()
    quiz.first("reject", reason="The excess changed.")
    quiz.first("edit", text="It is £350 [1]. Please call us.")
    add_gold_answer(database, approved, wrong=False, by="olga")
    quiz.ask()
    for task in quiz.tasks(CARA):
        quiz.say(CARA, task["task_id"])
    audited = Quiz(desk, gate_mode="provisional", audit_share=1.0, audit_seed="s")
    audited.first("reject", RAJ, reason="Wrong.")
    audited.first("edit", RAJ, text="It is £350 [1]. Call us.")
    settings = settings_for(database.url, folder)
    four, _ = hold(database, settings, four_eyes=True)
    quiz.say(RITA, four)
    late, _ = hold(database, settings)
    with database.transaction() as session:
        session.execute(
            update(ReviewTaskRow)
            .where(ReviewTaskRow.id == four)
            .values(lease_until=now() - timedelta(days=1))
        )
    hold(database, settings, deadline_hours=1e-9)
    WireDesk(database, settings).expire_overdue()
    quiz.reviews.claim(RITA, late)
    _people_and_gate(database, settings)


def _people_and_gate(database: Database, settings: Settings) -> None:
    switch_mode(database, "review_everything", "to be sure", "olga")
    access = Access(database, settings)
    for name in ("ann", "olga"):
        access.accounts.create(name, ["asker"], scope=["main"], password="a long password")
    key = access.keys.create("ann")
    access.keys.revoke(key.key_id)
    access.keys.create("olga")
    access.accounts.change("olga", "ann", disabled=True)
    with database.transaction() as session:
        _raise_alarm(session, "main", "risk", Change(0.9, 1e-9))


# What is edited


def table(mapped: Any) -> Table:
    found: Table = mapped.__table__
    return found


def put(mapped: Any, column: str, change: Any, **where: Any) -> Edit:
    """Set one column of one row, by a value or a function of the value that stands there."""

    def edit(connection: Connection) -> None:
        rows = table(mapped)
        keys = list(rows.primary_key)
        wanted = select(*keys, rows.c[column]).where(*(rows.c[k] == v for k, v in where.items()))
        found = connection.execute(wanted.where(rows.c[column].is_not(None)).limit(1)).first()
        assert found is not None, f"no row of {rows.name} to edit"
        value = change(found[-1]) if callable(change) else change
        assert value != found[-1]
        here = (key == found[n] for n, key in enumerate(keys))
        connection.execute(update(rows).where(*here).values({column: value}))

    return edit


def remove(mapped: Any, **where: Any) -> Edit:
    def edit(connection: Connection) -> None:
        rows = table(mapped)
        done = connection.execute(delete(rows).where(*(rows.c[k] == v for k, v in where.items())))
        assert done.rowcount

    return edit


def copy(mapped: Any, **changes: Any) -> Edit:
    """Insert a row like one that is there."""

    def edit(connection: Connection) -> None:
        rows = table(mapped)
        stored = [column for column in rows.columns if column.computed is None]
        found = connection.execute(select(*stored).limit(1)).mappings().one()
        connection.execute(insert(rows).values({**found, **changes}))

    return edit


def both(*edits: Edit) -> Edit:
    def edit(connection: Connection) -> None:
        for one in edits:
            one(connection)

    return edit


def other_words(answer: Any) -> Any:
    return {**answer, "text": "You owe us everything."}


def draft_with_its_hash(connection: Connection) -> None:
    rows = table(RecordRow)
    found = connection.execute(select(rows).where(rows.c.outcome == "held").limit(1)).mappings()
    row = found.one()
    parts = {name: row[name] for name in ("question", "evidence", "lineage")}
    draft = other_words(row["draft"])
    digest = canonical_sha256({**parts, "draft": draft})
    here = rows.c.answer_id == row["answer_id"]
    connection.execute(update(rows).where(here).values(draft=draft, content_sha256=digest))


def rejection_into_release(connection: Connection) -> None:
    decisions, tasks, records = table(DecisionRow), table(ReviewTaskRow), table(RecordRow)
    query = (
        select(records.c.answer_id, records.c.draft, tasks.c.id)
        .join(tasks, tasks.c.answer_id == records.c.answer_id)
        .join(decisions, decisions.c.task_id == tasks.c.id)
        .where(decisions.c.kind == "reject", tasks.c.kind == "held")
    )
    answer_id, draft, task_id = connection.execute(query).first() or pytest.fail("no rejection")
    connection.execute(
        update(decisions).where(decisions.c.task_id == task_id).values(kind="approve", reason="")
    )
    connection.execute(
        insert(table(ReleaseRow)).values(
            answer_id=answer_id,
            answer=draft,
            released_by="reviewer",
            edited=False,
            released_at=now(),
            withdrawn_at=None,
        )
    )
    settled = table(SettlementRow)
    here = settled.c.answer_id == answer_id
    connection.execute(update(settled).where(here).values(state="released"))


def middle_link_gone(connection: Connection) -> None:
    links = table(AuditRow)
    connection.execute(delete(links).where(links.c.number == 3))


def another_reviewer_in_the_link(connection: Connection) -> None:
    links = table(AuditRow)
    found = select(links.c.number, links.c.event).where(links.c.kind == "decided").limit(1)
    number, event = connection.execute(found).one()
    here = links.c.number == number
    connection.execute(update(links).where(here).values(event={**event, "reviewer": "x"}))


def cut_tail(connection: Connection, links: int = 2) -> None:
    rows, head = table(AuditRow), table(AuditHeadRow)
    last = connection.scalar(select(head.c.number)) or 0
    connection.execute(delete(rows).where(rows.c.number > last - links))
    digest = connection.scalar(select(rows.c.sha256).where(rows.c.number == last - links))
    connection.execute(update(head).values(number=last - links, sha256=digest))


def fake_seals_in_another_spelling(connection: Connection) -> None:
    """A release is edited, and its link says so first, under a key that comes twice: the last one
    counts, which is spelled otherwise, so that the link keeps its hash."""
    put(ReleaseRow, "answer", other_words)(connection)
    (problem,) = verify_snapshot(connection).problems
    releases, links = table(ReleaseRow), table(AuditRow)
    query = select(releases).where(releases.c.answer_id == problem.key)
    row = connection.execute(query).mappings().one()
    digest = sealed_table(ReleaseRow).digest(dict(row))
    said = connection.execute(
        select(links.c.number, cast(links.c.event, Text)).order_by(links.c.number.desc())
    )
    number, event = next(row for row in said if f'["releases","{problem.key}"' in row[1])
    fake = canonical_json([["releases", problem.key, digest]])
    spelled = f'{{"rows":{fake},' + event[1:].replace('"rows":', '"\\u0072ows":')
    connection.execute(
        text("UPDATE audit_log SET event = CAST(:event AS JSON) WHERE number = :number")
        if connection.dialect.name == "postgresql"
        else text("UPDATE audit_log SET event = :event WHERE number = :number"),
        {"event": spelled, "number": number},
    )


def inserted_without_a_time(connection: Connection) -> None:
    """What SQLite stores in a column of times without complaint."""
    copy(ReviewTaskRow, id="f" * 32, answer_id="e" * 32)(connection)
    if connection.dialect.name != "postgresql":
        connection.exec_driver_sql(
            f"UPDATE review_tasks SET created_at = 'never' WHERE id = '{'f' * 32}'"
        )


EDITS: dict[str, Edit] = {
    "text of a release": put(ReleaseRow, "answer", other_words),
    "reviewer of a decision": put(DecisionRow, "reviewer", "somebody"),
    "kind of a decision": put(DecisionRow, "kind", "reject", kind="approve"),
    "reason of a decision": put(DecisionRow, "reason", lambda old: f"{old}!"),
    "time of a decision": put(DecisionRow, "decided_at", datetime(2020, 1, 1)),
    "rejection into release": rejection_into_release,
    "decision deleted": remove(DecisionRow, kind="approve"),
    "findings": put(RecordRow, "findings", [], outcome="held"),
    "gate entry": put(RecordRow, "gate", lambda old: {**old, "risk": 0.000123}),
    "draft with its hash": draft_with_its_hash,
    "draft": put(RecordRow, "draft", other_words),
    "question": put(RecordRow, "question", "What else?"),
    "evidence": put(RecordRow, "evidence", []),
    "verdict": put(RecordRow, "verdict", lambda old: {**old, "reasons": ["none"]}),
    "outcome": put(RecordRow, "outcome", "released", outcome="held"),
    "asker": put(RecordRow, "principal", "somebody"),
    "lineage": put(RecordRow, "lineage", lambda old: {**old, "generator": "other"}),
    "inputs": put(RecordRow, "inputs", lambda old: {**old, "model": "other"}),
    "time of a record": put(RecordRow, "created_at", datetime(2020, 1, 1)),
    "who released": put(ReleaseRow, "released_by", "policy", released_by="reviewer"),
    "withdrawal undone": put(ReleaseRow, "withdrawn_at", None),
    "release deleted": remove(ReleaseRow),
    "settlement": put(SettlementRow, "state", "released", state="refused"),
    "settlement deleted": remove(SettlementRow),
    "kind of a task": put(ReviewTaskRow, "kind", "audit", kind="held"),
    "decided task opened": put(ReviewTaskRow, "state", "open", state="decided"),
    "open task decided": both(put(ReviewTaskRow, "state", "decided", state="claimed")),
    "four eyes no more": put(ReviewTaskRow, "four_eyes", False, four_eyes=True),
    "deadline": put(ReviewTaskRow, "expires_at", datetime(2099, 1, 1)),
    "approval by another": put(ApprovalRow, "reviewer", "somebody"),
    "approved answer": put(ApprovalRow, "answer", other_words),
    "approval deleted": remove(ApprovalRow),
    "label": put(LabelRow, "wrong", lambda old: not old),
    "risk of a label": put(LabelRow, "risk", 0.0123),
    "label deleted": remove(LabelRow),
    "gold item": put(GoldItemRow, "wrong", lambda old: not old),
    "truth of a probe": put(ProbeRow, "expected_wrong", lambda old: not old),
    "what a reviewer said": put(ReviewerCheckRow, "called_wrong", lambda old: not old),
    "running test": put(CertificateRow, "process", lambda old: {**old, "observed": 0}),
    "state of a certificate": put(CertificateRow, "state", "superseded"),
    "gate mode": put(GateModeRow, "mode", "off"),
    "gate mode deleted": remove(GateModeRow),
    "alarm cleared": remove(GateAlarmRow),
    "role": put(PrincipalRow, "roles", ["admin"]),
    "scope": put(PrincipalRow, "scope", None, name="ann"),
    "password": put(PrincipalRow, "password_hash", "x"),
    "account enabled": put(PrincipalRow, "disabled_at", None),
    "key valid again": put(ApiKeyRow, "revoked_at", None),
    "policy": put(PolicyRow, "content", {}),
    "record inserted": copy(RecordRow, answer_id="f" * 32),
    "task inserted": copy(ReviewTaskRow, id="f" * 32, answer_id="e" * 32),
    "account inserted": copy(PrincipalRow, name="mallory"),
    "link edited": another_reviewer_in_the_link,
    "link deleted": middle_link_gone,
    "head": put(AuditHeadRow, "number", lambda old: old - 1),
    "tail cut": cut_tail,
    "fake seals": fake_seals_in_another_spelling,
    "task inserted without a time": inserted_without_a_time,
}


def verified_after(database: Database, edit: Edit, *signed: Checkpoint) -> AuditReport:
    """The report on a database with the edit, which is undone afterwards."""
    with database.engine.connect() as connection:
        try:
            if database.embedded:
                connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            edit(connection)
            return verify_snapshot(connection, signed)
        finally:
            connection.rollback()


def unnoticed(database: Database, edits: dict[str, Edit]) -> list[str]:
    return [name for name, edit in edits.items() if verified_after(database, edit).sound]


def test_a_clean_database_is_never_flagged_and_every_edit_is(busy: Database) -> None:
    report = verify_audit(busy)
    assert report.problems == []
    assert (report.links_without_seals, report.rows_without_seals) == (0, 0)
    assert report.links > 20 and report.rows > 20
    assert unnoticed(busy, EDITS) == []
    assert verify_audit(busy).problems == []


def test_the_report_names_what_was_edited(busy: Database) -> None:
    report = verified_after(busy, EDITS["text of a release"])
    (problem,) = report.problems
    assert problem.where == "releases" and "sealed" in problem.message
    assert report.broken_link is None


UNREADABLE = {
    "labels": "UPDATE labels SET risk = 'much'",
    "records": "UPDATE records SET message = x'ff00'",
    "releases": "UPDATE releases SET answer = '{'",
    "decisions": "UPDATE decisions SET decided_at = 'then'",
    "principals": "UPDATE principals SET roles = '{'",
    "review_tasks": "UPDATE review_tasks SET four_eyes = 'maybe'",
    "policies": "UPDATE policies SET content = '{'",
    "audit_log": "UPDATE audit_log SET kind = x'ff00' WHERE number = 3",
    "audit_head": "UPDATE audit_head SET number = 'last'",
    "settlements": "UPDATE settlements SET answer_id = 'f', number = 'last' WHERE number ="
    " (SELECT max(number) FROM settlements)",
}
"""Values that only SQLite lets somebody store, as its columns take any kind."""


@on_sqlite
@pytest.mark.parametrize("where", UNREADABLE)
def test_what_cannot_be_read_is_reported_and_ends_no_check(busy: Database, where: str) -> None:
    report = verified_after(busy, lambda connection: connection.execute(text(UNREADABLE[where])))
    named = {problem.where for problem in report.problems}
    assert named == {"audit_log" if where == "audit_head" else where}
    assert report.links > 20 and report.rows > 20


# Checkpoints


def rewritten(connection: Connection) -> None:
    """The whole chain anew: other words in a release, with links that say so."""
    releases, links, head = table(ReleaseRow), table(AuditRow), table(AuditHeadRow)
    EDITS["text of a release"](connection)
    for problem in verify_snapshot(connection).problems:
        assert problem.where == releases.name
        key = problem.key
    previous = ""
    for row in connection.execute(select(links).order_by(links.c.number)).mappings().all():
        event = row["event"]
        event["rows"] = [one for one in event["rows"] if one[1] != key or one[0] != "releases"]
        spelled = canonical_json(event)
        digest = link_sha256(row["number"], row["kind"], spelled, previous)
        here = links.c.number == row["number"]
        values = {"event": json.loads(spelled), "previous_sha256": previous, "sha256": digest}
        connection.execute(update(links).where(here).values(values))
        previous = digest
    connection.execute(delete(releases).where(releases.c.answer_id == key))
    connection.execute(update(head).values(sha256=previous))


def last_answer_undone(connection: Connection) -> None:
    """The newest link cut off, with the row that it sealed."""
    links, alarms = table(AuditRow), table(GateAlarmRow)
    newest = select(links.c.kind).order_by(links.c.number.desc()).limit(1)
    assert connection.scalar(newest) == "drift_alarm"
    connection.execute(delete(alarms))
    cut_tail(connection, 1)


def test_a_checkpoint_shows_a_cut_tail_and_a_rewritten_chain(
    busy: Database, tmp_path: Path
) -> None:
    checkpoints = Checkpoints(busy, settings_for(busy.url, tmp_path))
    signed = checkpoints.make(tmp_path / "elsewhere.json")
    assert verify_audit(busy, [signed]).checkpoint == signed.number
    for edit in (rewritten, last_answer_undone):
        assert verified_after(busy, edit).sound  # the chain alone cannot know
        found = verified_after(busy, edit, signed).problems
        assert [one.where for one in found] == ["checkpoint"]
    assert read_checkpoint(tmp_path / "elsewhere.json") == signed == checkpoints.kept()[0]


def test_nothing_is_signed_over_a_chain_that_does_not_hold(busy: Database, tmp_path: Path) -> None:
    checkpoints = Checkpoints(busy, settings_for(busy.url, tmp_path))
    checkpoints.make()
    with busy.transaction() as session:
        last_answer_undone(session.connection())
    with pytest.raises(AuditBroken, match="gone"):
        checkpoints.make()


@on_sqlite
def test_nothing_is_signed_over_a_link_whose_hash_is_none(busy: Database, tmp_path: Path) -> None:
    with busy.transaction() as session:
        session.execute(text("UPDATE audit_log SET sha256 = 'zz' WHERE number = 3"))
    with pytest.raises(AuditBroken):
        Checkpoints(busy, Settings(data_dir=tmp_path)).make()


def test_keys_rotate_and_a_changed_checkpoint_is_refused(
    database: Database, tmp_path: Path
) -> None:
    checkpoints = Checkpoints(database, settings_for(database.url, tmp_path))
    hold(database, settings_for(database.url, tmp_path))
    first = checkpoints.make()
    second_key = checkpoints.keys.rotate()
    hold(database, settings_for(database.url, tmp_path))
    second = checkpoints.make()
    assert first.key != second.key == second_key
    assert checkpoints.kept() == [first, second]
    private = list((tmp_path / "audit_keys").glob("*.pem"))
    assert len(private) == 1 and private[0].stat().st_mode & 0o777 == 0o600
    (path, *_) = sorted((tmp_path / "checkpoints").iterdir())
    path.write_text(path.read_text("ascii").replace(first.at[:4], "1999"), "ascii")
    with pytest.raises(AuditBroken):
        read_checkpoint(path)
    assert (checkpoints.kept(), checkpoints.refused()) == ([second], [path.name])


def test_checkpoints_are_made_when_they_are_due(database: Database, tmp_path: Path) -> None:
    settings = settings_for(database.url, tmp_path, checkpoint_links=3, checkpoint_hours=0)
    checkpoints = Checkpoints(database, settings)
    assert checkpoints.make_if_due() is None
    hold(database, settings)
    assert checkpoints.make_if_due() is not None
    assert checkpoints.make_if_due() is None
    hourly = settings_for(database.url, tmp_path, checkpoint_links=0, checkpoint_hours=1)
    switch_mode(database, "off", "why not", "olga")
    assert Checkpoints(database, hourly).make_if_due() is None
    never = settings_for(database.url, tmp_path, checkpoint_links=0, checkpoint_hours=0)
    assert Checkpoints(database, never).make_if_due() is None


def test_an_empty_chain_can_be_signed(database: Database, tmp_path: Path) -> None:
    settings = settings_for(database.url, tmp_path)
    checkpoints = Checkpoints(database, settings)
    assert checkpoints.make().number == 0
    hold(database, settings)
    assert checkpoints.make().number > 0
    assert verify_audit(database, checkpoints.kept()).problems == []


def test_a_checkpoint_is_sent_to_the_webhook(database: Database, tmp_path: Path) -> None:
    taken: list[Any] = []

    class Keeper(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204 if len(taken) == 1 else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    server = HTTPServer(("127.0.0.1", 0), Keeper)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/keep"
    settings = settings_for(database.url, tmp_path, checkpoint_webhook=address)
    checkpoints = Checkpoints(database, settings)
    made = checkpoints.make()
    with pytest.raises(DependencyFailed, match="kept"):
        checkpoints.make()
    server.shutdown()
    server.server_close()
    assert Checkpoint(**taken[0]) == made and made.is_genuine()


@on_sqlite
def test_a_webhook_that_never_stops_talking_holds_nothing_up(
    database: Database, tmp_path: Path
) -> None:
    gone = Event()

    class Talker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while not gone.wait(0.01):
                    self.wfile.write(b"x" * 1000)
            gone.set()

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    server = HTTPServer(("127.0.0.1", 0), Talker)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/keep"
    settings = settings_for(database.url, tmp_path, checkpoint_webhook=address)
    making = Thread(target=Checkpoints(database, settings).make, daemon=True)
    making.start()
    assert gone.wait(60), "what it says is read without an end"
    making.join(60)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("leaves", [1, 2, 3, 7, 8, 13])
def test_the_merkle_tree_is_that_of_rfc_6962(leaves: int) -> None:
    def root(some: list[bytes]) -> bytes:
        if len(some) == 1:
            return leaf_hash(some[0])
        half = 1 << (len(some) - 1).bit_length() - 1
        return leaf_hash_of(root(some[:half]), root(some[half:]))

    some = [bytes([n]) * 32 for n in range(leaves)]
    tree = MerkleTree()
    for leaf in some:
        tree.add(leaf)
    assert tree.root() == root(some)
    assert len(inclusion_proofs(some, [leaves - 1])) == 1


def leaf_hash_of(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


# Rows from before there were seals


def without_seals(database: Database) -> None:
    """The chain as the release before wrote it."""
    with database.transaction() as session:
        previous = ""
        for row in session.scalars(select(AuditRow).order_by(AuditRow.number)).all():
            event = {name: value for name, value in row.event.items() if name != "rows"}
            digest = link_sha256(row.number, row.kind, canonical_json(event), previous)
            row.event, row.previous_sha256, row.sha256 = event, previous, digest
            previous = digest
        session.get_one(AuditHeadRow, 1).sha256 = previous


EARLIER = (
    "text of a release",
    "reviewer of a decision",
    "kind of a decision",
    "rejection into release",
    "decision deleted",
    "draft with its hash",
    "draft",
    "question",
    "evidence",
    "outcome",
    "lineage",
    "who released",
    "release deleted",
    "settlement",
    "decided task opened",
    "approved answer",
    "gate mode",
    "role",
    "policy",
    "record inserted",
    "task inserted",
    "account inserted",
    "link edited",
    "link deleted",
)
"""What links without seals tell of."""


def test_earlier_rows_are_compared_as_far_as_their_links_go(busy: Database) -> None:
    without_seals(busy)
    report = verify_audit(busy)
    assert report.problems == []
    assert report.links_without_seals == report.links
    assert report.rows_without_seals == report.rows
    assert f"{report.rows} rows have no seal: `countersign audit seal`" in audit_in_words(report)
    assert unnoticed(busy, {name: EDITS[name] for name in EARLIER}) == []


def test_earlier_rows_can_be_sealed_as_they_are(busy: Database) -> None:
    without_seals(busy)
    assert seal_earlier_rows(busy) == verify_audit(busy).rows
    report = verify_audit(busy)
    assert report.problems == [] and report.rows_without_seals == 0
    assert unnoticed(busy, {name: edit for name, edit in EDITS.items() if name != "tail cut"}) == []
    assert seal_earlier_rows(busy) == 0


# One answer, for somebody else to check


def check(folder: Path, proof: Any, *options: str) -> tuple[int, str]:
    """What the checker says, alone in a folder and without our code."""
    shutil.copy(CHECKER, folder / "verify_answer.py")
    (folder / "answer.json").write_text(json.dumps(proof), "utf-8")
    command = [sys.executable, "-I", "verify_answer.py", "answer.json", *options]
    done = subprocess.run(
        command, cwd=folder, env={}, capture_output=True, text=True, timeout=240, check=False
    )
    assert not done.stderr
    return done.returncode, done.stdout


def answers(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(RecordRow.answer_id)))


def test_an_exported_answer_is_checked_without_our_code(busy: Database, tmp_path: Path) -> None:
    checkpoints = Checkpoints(busy, settings_for(busy.url, tmp_path))
    source = CHECKER.read_text("utf-8")
    assert "from app" not in source and "import app" not in source
    for answer_id in answers(busy)[:4]:
        proof = signed_proof_of(checkpoints, busy, answer_id)
        status, said = check(tmp_path, proof, "--key", proof["checkpoint"]["key"])
        assert (status, proof["record"]["question"] in said) == (0, True), said
    assert len(checkpoints.kept()) == 1


@on_sqlite
@pytest.mark.parametrize("signed", ["here", "by another process"])
def test_an_answer_is_exported_while_something_happens_to_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signed: str
) -> None:
    settings = settings_for(database.url, tmp_path)
    task_id, answer_id = hold(database, settings)
    checkpoints, desk = Checkpoints(database, settings), ReviewDesk(database, settings)
    other, make, told = Checkpoints(database, settings), checkpoints.make, iter(["Look at this."])

    def comment() -> None:
        if text := next(told, ""):
            desk.comment(RITA, task_id, text)

    def made() -> Checkpoint:
        done = make()
        comment()
        return done

    def seen() -> list[Checkpoint]:
        if signed == "by another process":
            comment()
            other.make()
        return other.kept()

    monkeypatch.setattr(checkpoints, "make", made)
    monkeypatch.setattr(checkpoints, "kept", seen)
    proof = signed_proof_of(checkpoints, database, answer_id)
    status, said = check(tmp_path, proof, "--key", proof["checkpoint"]["key"])
    assert status == 0, said


def forgeries(proof: Any) -> dict[str, Any]:
    """Copies of the file, each with one thing changed."""
    links, checkpoint = proof["audit"], proof["checkpoint"]
    first = {**links[0], "event": {**links[0]["event"], "outcome": "blocked"}}
    return {
        "release": {**proof, "release": {**proof["release"], "released_by": "policy"}},
        "reviewer": {**proof, "decision": {**proof["decision"], "reviewer": "x"}},
        "no decision": {**proof, "decision": None},
        "no review": {**proof, "decision": None, "review_task": None},
        "question": {**proof, "record": {**proof["record"], "question": "x"}},
        "policy": {**proof, "policy": {"name": "other"}},
        "link": {**proof, "audit": [first, *links[1:]]},
        "link gone": {**proof, "audit": links[1:]},
        "path": {**proof, "audit": [{**links[0], "proof": links[0]["proof"][1:]}, *links[1:]]},
        "checkpoint": {**proof, "checkpoint": {**checkpoint, "number": checkpoint["number"] + 1}},
        "signature": {**proof, "checkpoint": {**checkpoint, "signature": "00" * 64}},
        "unreadable": [],
    }


@on_sqlite
def test_the_checker_refuses_a_forged_file(database: Database, tmp_path: Path) -> None:
    settings = settings_for(database.url, tmp_path)
    desk = WireDesk(database, settings)
    hold(database, settings)
    task_id, answer_id = hold(database, settings)
    quiz = desk.claim(RITA, task_id)
    desk.decide(RITA, task_id, Decision("approve", quiz["content_sha256"], quiz["fence"]))
    proof = signed_proof_of(Checkpoints(database, settings), database, answer_id)
    assert check(tmp_path, proof)[0] == 0
    passed = [name for name, one in forgeries(proof).items() if check(tmp_path, one)[0] == 0]
    assert passed == []
    assert check(tmp_path, proof, "--key", "0" * 64)[0] == 1


def test_doctor_names_a_signing_key_that_is_lost_or_damaged(
    database: Database, tmp_path: Path
) -> None:
    settings = settings_for(database.url, tmp_path)
    told: Any = SimpleNamespace(database=database, settings=settings)
    checkpoints = Checkpoints(database, settings)
    assert signing_key(told).startswith("none yet")
    lost = checkpoints.make().key
    assert signing_key(told) == lost[:16]
    (key,) = (tmp_path / "audit_keys").glob("*.pem")
    whole = key.read_bytes()
    key.write_bytes(b"nothing")
    with pytest.raises(SettingsInvalid, match=r"holds no key\. Bring it back from a backup"):
        signing_key(told)
    key.unlink()
    with pytest.raises(SettingsInvalid, match=f"signed by the key {lost[:16]}, which is not in"):
        signing_key(told)
    assert checkpoints.make().key != lost, "another one signs"
    with pytest.raises(SettingsInvalid, match=lost[:16]):
        signing_key(told)
    key.write_bytes(whole)
    assert signing_key(told) and checkpoints.lost_keys() == []
    for file in (tmp_path / "audit_keys").glob("*.pem"):
        file.rename(file.with_suffix(".pub"))
    with pytest.raises(SettingsInvalid, match="no key to sign with"):
        signing_key(told)


def test_what_was_begun_of_a_key_by_who_was_killed_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "audit_keys"
    folder.mkdir()
    dead, taken = folder / ".0001-ab.pem.1234.part", folder / ".0002-cd.pem.1234.part"
    for part in (dead, taken):
        part.write_bytes(b"a key")
    with taken.open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        SigningKeys(tmp_path).rotate()
        assert taken.exists() and not dead.exists()
