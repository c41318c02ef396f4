"""Review tasks on both databases: one decision, by the holder, on what was seen."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.access.principals import Principal
from app.corpus.corpus import Corpus
from app.db import Database, now
from app.errors import (
    AlreadyDecided,
    ApprovalVoid,
    ClaimLost,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
)
from app.records import audit, recording, release
from app.records.tables import AuditRow, RecordRow, ReleaseRow
from app.review.decisions import Decision
from app.review.tables import DecisionRow, ReviewTaskRow
from app.review.tasks import open_task
from app.settings import Settings
from tests.trails import (
    EMBEDDER,
    TEXT,
    WireDesk,
    add_ready_document,
    draft_from,
    hold,
    settings_for,
    trail,
)

RITA = Principal("rita", frozenset({"reviewer"}))
RAJ = Principal("raj", frozenset({"reviewer"}))


@pytest.fixture
def desk(database: Database, settings: Settings) -> WireDesk:
    return WireDesk(database, settings)


def decision(task: dict[str, Any], kind: Any = "approve", **values: Any) -> Decision:
    return Decision(kind, task["content_sha256"], task["fence"], **values)


def view(database: Database, answer_id: str) -> dict[str, Any]:
    with database.reading() as session:
        record = session.get_one(RecordRow, answer_id)
        return asdict(release.answer_view(session, record, release.cited_passages(record)))


def test_approving_releases_exactly_the_draft(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, answer_id = hold(database, settings)
    assert view(database, answer_id)["answer"] is None
    desk.decide(RITA, task_id, decision(desk.claim(RITA, task_id)))
    seen = view(database, answer_id)
    assert (seen["status"], seen["released_by"], seen["edited"]) == ("released", "reviewer", False)
    assert seen["answer"]["text"] == "The excess for water damage is £350 [1]."


def test_editing_releases_the_reviewers_text_with_its_citations(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, answer_id = hold(database, settings)
    claimed = desk.claim(RITA, task_id)
    desk.decide(RITA, task_id, decision(claimed, "edit", text="It is £350 [1]. Please call us."))
    seen = view(database, answer_id)
    assert seen["edited"]
    assert seen["answer"]["sentences"] == [
        {"text": "It is £350.", "citations": [1]},
        {"text": "Please call us.", "citations": []},
    ]


def test_an_edit_must_not_cite_what_is_not_there(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, answer_id = hold(database, settings)
    claimed = desk.claim(RITA, task_id)
    with pytest.raises(Invalid, match=r"\[7\]"):
        desk.decide(RITA, task_id, decision(claimed, "edit", text="It is £350 [7]."))
    assert view(database, answer_id)["status"] == "held"


def test_rejecting_needs_a_reason_and_never_shows_the_draft(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, answer_id = hold(database, settings)
    claimed = desk.claim(RITA, task_id)
    with pytest.raises(Invalid):
        desk.decide(RITA, task_id, decision(claimed, "reject"))
    desk.decide(RITA, task_id, decision(claimed, "reject", reason="The excess changed."))
    seen = view(database, answer_id)
    assert (seen["status"], seen["answer"]) == ("rejected", None)
    assert "excess changed" not in seen["message"]


@pytest.mark.parametrize("attempt", range(3))
def test_two_reviewers_never_both_decide(
    database: Database, desk: WireDesk, settings: Settings, attempt: int
) -> None:
    task_id, _ = hold(database, settings)
    reviewers = [Principal(f"reviewer-{n}", frozenset({"reviewer"})) for n in range(6)]
    start = Barrier(len(reviewers))

    def race(reviewer: Principal) -> str:
        start.wait()
        try:
            claimed = desk.claim(reviewer, task_id)
            desk.decide(reviewer, task_id, decision(claimed))
        except Conflict as error:
            return error.code
        return "decided"

    with ThreadPoolExecutor(len(reviewers)) as pool:
        results = sorted(pool.map(race, reviewers))
    assert results.count("decided") == 1
    assert set(results) <= {"decided", "claim_lost", "already_decided"}
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(DecisionRow)) == 1
        assert session.scalar(select(func.count()).select_from(ReleaseRow)) == 1


def test_the_same_claim_decides_only_once_even_when_sent_twice_at_once(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, _ = hold(database, settings)
    claimed = desk.claim(RITA, task_id)
    start = Barrier(2)

    def send(kind: str) -> str:
        start.wait()
        try:
            desk.decide(RITA, task_id, decision(claimed, kind, reason="twice"))
        except AlreadyDecided as error:
            return error.code
        return "decided"

    with ThreadPoolExecutor(2) as pool:
        results = sorted(pool.map(send, ["approve", "reject"]))
    assert results == ["already_decided", "decided"]


def test_a_claim_keeps_others_out_until_it_ends(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, _ = hold(database, settings)
    first = desk.claim(RITA, task_id)
    with pytest.raises(ClaimLost):
        desk.claim(RAJ, task_id)
    end_leases(database)
    second = desk.claim(RAJ, task_id)
    assert second["fence"] == first["fence"] + 1
    with pytest.raises(ClaimLost):
        desk.decide(RITA, task_id, decision(first))
    assert desk.decide(RAJ, task_id, decision(second))["decision"]["reviewer"] == "raj"


def test_a_claim_is_let_go_by_its_holder_only(
    database: Database, settings: Settings, desk: WireDesk
) -> None:
    task_id, _ = hold(database, settings)
    claim = desk.claim(RITA, task_id)
    desk.let_go(RAJ, task_id, claim["fence"])
    desk.let_go(RITA, task_id, claim["fence"] - 1)
    with pytest.raises(ClaimLost):
        desk.claim(RAJ, task_id)
    desk.let_go(RITA, task_id, claim["fence"])
    assert desk.task(RITA, task_id)["state"] == "open"
    taken = desk.claim(RAJ, task_id)
    desk.let_go(RITA, task_id, claim["fence"])
    assert desk.decide(RAJ, task_id, decision(taken))["state"] == "decided"


def test_renewing_a_claim_voids_the_older_fence(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, _ = hold(database, settings)
    older, newer = desk.claim(RITA, task_id), desk.claim(RITA, task_id)
    with pytest.raises(ClaimLost):
        desk.decide(RITA, task_id, decision(older))
    desk.decide(RITA, task_id, decision(newer))


def test_an_unclaimed_task_cannot_be_decided_with_a_fence(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, _ = hold(database, settings)
    with pytest.raises(ClaimLost):
        desk.decide(RITA, task_id, decision(desk.task(RITA, task_id)))


def end_leases(database: Database) -> None:
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(lease_until=now() - timedelta(seconds=1)))


def test_a_claim_that_has_ended_is_held_by_nobody_and_its_holder_may_still_decide(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, _ = hold(database, settings)
    claimed = desk.claim(RITA, task_id)
    assert [one["task_id"] for one in desk.tasks(RAJ, "claimed")["tasks"]] == [task_id]
    end_leases(database)
    (listed,) = desk.tasks(RAJ, "open")["tasks"]
    assert (listed["state"], listed["claimed_by"]) == ("open", None)
    assert desk.tasks(RAJ, "claimed")["tasks"] == []
    assert desk.task(RAJ, task_id)["claimed_by"] is None
    assert desk.decide(RITA, task_id, decision(claimed))["decision"]["reviewer"] == "rita"


def test_claiming_and_deciding_is_one_step_unless_somebody_holds_the_task(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, _ = hold(database, settings)
    seen = desk.task(RITA, task_id)
    at_once = Decision("approve", seen["content_sha256"], None)
    desk.claim(RAJ, task_id)
    with pytest.raises(ClaimLost):
        desk.decide(RITA, task_id, at_once)
    with pytest.raises(ClaimLost):
        desk.claim(RITA, task_id)
    taken = desk.claim(RITA, task_id, take_over=True)
    assert taken["claimed_by"] == "rita"
    assert [(n["kind"], n["about"]) for n in taken["notes"]] == [("taken_over", "raj")]
    assert desk.decide(RITA, task_id, at_once)["decision"]["reviewer"] == "rita"
    with pytest.raises(AlreadyDecided):
        desk.decide(RAJ, task_id, at_once)


def test_of_many_who_decide_in_one_step_one_does(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, _ = hold(database, settings)
    at_once = Decision("approve", desk.task(RITA, task_id)["content_sha256"], None)
    start = Barrier(6)

    def race(number: int) -> str:
        start.wait()
        try:
            desk.decide(Principal(f"r{number}", frozenset({"reviewer"})), task_id, at_once)
        except Conflict as error:
            return error.code
        return "decided"

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(race, range(6)))
    assert results.count("decided") == 1
    assert set(results) <= {"decided", "claim_lost", "already_decided"}


@pytest.mark.parametrize("change", ["replace", "delete", "other content"])
def test_an_approval_is_void_when_what_was_seen_has_changed(
    database: Database, desk: WireDesk, settings: Settings, change: str
) -> None:
    task_id, answer_id = hold(database, settings)
    claimed = desk.claim(RITA, task_id)
    corpus = Corpus(database)
    if change == "replace":
        add_ready_document(corpus, text="The excess for water damage is £500. Ask us.")
    elif change == "delete":
        (document,) = corpus.documents.page(["main"]).documents
        corpus.documents.delete(document.document_id)
    else:
        claimed = {**claimed, "content_sha256": "f" * 64}
    with pytest.raises(ApprovalVoid):
        desk.decide(RITA, task_id, decision(claimed))
    assert view(database, answer_id)["status"] == "held"


def test_a_tampered_record_cannot_be_approved(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, _ = hold(database, settings)
    claimed = desk.claim(RITA, task_id)
    with database.transaction() as session:
        session.execute(update(RecordRow).values(question="What is the weather?"))
    with pytest.raises(ApprovalVoid):
        desk.decide(RITA, task_id, decision(claimed))


def test_a_removed_source_loses_its_text_on_the_review_screen(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, _ = hold(database, settings)
    corpus = Corpus(database)
    (document,) = corpus.documents.page(["main"]).documents
    corpus.documents.delete(document.document_id)
    (evidence,) = desk.task(RITA, task_id)["evidence"]
    assert evidence["removed"]
    assert evidence["text"] == ""


def edit(desk: WireDesk, task_id: str, text: str) -> None:
    desk.decide(RITA, task_id, decision(desk.claim(RITA, task_id), "edit", text=text))


def test_released_edits_are_rows_to_learn_from_oldest_first(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    decided = []
    for kind, text in [("edit", "It is £350 [1]. Call us."), ("approve", ""), ("edit", "£350 [1]")]:
        task_id, _ = hold(database, settings)
        desk.decide(RITA, task_id, decision(desk.claim(RITA, task_id), kind, text=text))
        decided.append(task_id)
    first, second = desk.edits(RITA)
    assert set(first) == {"question", "titles", "evidence", "answer", "task_id", "decided_at"}
    assert first["question"] == "What is the excess?"
    assert (first["titles"], first["evidence"]) == (["Handbook"], [TEXT])
    assert first["answer"] == "It is £350 [1]. Call us."
    assert [row["task_id"] for row in (first, second)] == [decided[0], decided[2]]
    assert first["decided_at"] <= second["decided_at"]


def test_the_markers_of_an_exported_edit_count_its_evidence(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    corpus = Corpus(database)
    for source in ("first.txt", "second.txt"):
        add_ready_document(corpus, source)
    ids = [indexed.id for indexed in corpus.passages.indexable(EMBEDDER)]
    stored = corpus.passages.find(ids)
    other, cited = (stored[key] for key in ids)
    draft = draft_from(cited)
    rest = cited.text[len(draft.citations[0].quote) + 1 :]
    start = len(cited.text) - len(rest)
    second = replace(draft.citations[0], number=2, quote=rest, start=start, end=len(cited.text))
    draft = replace(draft, citations=(*draft.citations, second))
    held = replace(trail(cited), draft=draft, evidence=[other, cited])
    with database.transaction() as session:
        task_id = open_task(session, recording.write(session, held), settings)
    edit(desk, task_id, "It is £350 [1]. Claim in 30 days [1][2].")
    (row,) = desk.edits(RITA)
    assert row["answer"] == "It is £350 [2]. Claim in 30 days [2]."
    assert row["evidence"][1] == cited.text


def test_an_edit_over_a_deleted_document_is_not_exported(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    edit(desk, hold(database, settings)[0], "It is £350 [1].")
    corpus = Corpus(database)
    (document,) = corpus.documents.page(["main"]).documents
    corpus.documents.delete(document.document_id)
    assert list(desk.edits(RITA)) == []


def test_edits_are_for_reviewers_and_only_over_what_they_may_read(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    edit(desk, hold(database, settings)[0], "It is £350 [1].")
    with pytest.raises(Forbidden):
        desk.edits(Principal("ann", frozenset({"asker"})))
    elsewhere = Principal("eve", frozenset({"reviewer"}), scope=("other",))
    assert list(desk.edits(elsewhere)) == []
    assert len(list(desk.edits(RITA))) == 1


def test_an_overdue_task_expires_closed(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, answer_id = hold(database, settings)
    claimed = desk.claim(RITA, task_id)
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(expires_at=now() - timedelta(seconds=1)))
    with pytest.raises(AlreadyDecided):
        desk.decide(RITA, task_id, decision(claimed))
    seen = view(database, answer_id)
    assert (seen["status"], seen["answer"]) == ("rejected", None)
    assert desk.tasks(RITA, "expired")["tasks"][0]["task_id"] == task_id


def test_only_reviewers_see_the_queue_and_only_what_they_may_read(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, _ = hold(database, settings)
    asker = Principal("ann", frozenset({"asker"}))
    elsewhere = Principal("eve", frozenset({"reviewer"}), scope=("other",))
    with pytest.raises(Forbidden):
        desk.tasks(asker, "open")
    with pytest.raises(Forbidden):
        desk.claim(asker, task_id)
    assert desk.tasks(elsewhere, "open")["tasks"] == []
    with pytest.raises(NotFound):
        desk.task(elsewhere, task_id)


def test_self_review_can_be_forbidden(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    strict = settings_for(database_url, tmp_path, self_review=False)
    task_id, _ = hold(database, strict, asker="rita")
    with pytest.raises(Forbidden):
        WireDesk(database, strict).claim(RITA, task_id)
    assert WireDesk(database, strict).claim(RAJ, task_id)["claimed_by"] == "raj"


def test_the_audit_chain_holds_and_shows_tampering(
    database: Database, desk: WireDesk, settings: Settings
) -> None:
    task_id, _ = hold(database, settings)
    desk.decide(RITA, task_id, decision(desk.claim(RITA, task_id)))
    with database.reading() as session:
        assert audit.broken_audit_link(session) is None
        kinds = list(session.scalars(select(AuditRow.kind)))
    assert {"recorded", "held", "decided", "released"} <= set(kinds)
    with database.transaction() as session:
        session.execute(
            update(AuditRow)
            .where(AuditRow.kind == "decided")
            .values(event={"reviewer": "somebody else"})
        )
    with database.reading() as session:
        assert audit.broken_audit_link(session) is not None
