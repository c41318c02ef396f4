"""Edits with any evidence, stale tasks and new drafts for them, on both databases."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.access.principals import Principal
from app.access.service import Access
from app.answering.reading import own_view
from app.backends import build_quote
from app.corpus.corpus import Corpus
from app.db import Database, now
from app.deadline import Deadline
from app.errors import AlreadyDecided, ApprovalVoid, EditNotSupported, Forbidden, Invalid, NotFound
from app.ports import DraftRequest
from app.proof.erasure import Eraser
from app.records import audit, recording
from app.records.release import ERASED_MESSAGE
from app.records.tables import AuditRow, RecordRow, ReleaseRow
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.quotes import Quote, Quotes
from app.review.tables import DecisionRow, RedraftRow, ReviewTaskRow
from app.review.tasks import open_task
from app.settings import Settings
from guardrails.contract import AnswerObject, Draft, Finding, Outcome, Passage
from tests.trails import EMBEDDER, add_ready_document, settings_for, trail

RITA = Principal("rita", frozenset({"reviewer"}))
RAJ = Principal("raj", frozenset({"reviewer"}))
WATER = "The excess for water damage is £350. Claims must be made within 30 days."
FIRE = "The excess for fire is £500. Call the fire brigade first."
NEW = "The excess for water damage is £400. Claims must be made within 30 days."


def unsupported(
    _record: RecordRow, answer: AnswerObject, added: Sequence[Passage]
) -> list[Finding]:
    """A check that only lets texts go out whose every sentence cites something."""
    bare = [one["text"] for one in answer["sentences"] if not one["citations"]]
    return [Finding("citations", Outcome.FAIL, f"No source: {text}") for text in bare]


class Bench:
    """A desk over two documents, with tasks whose evidence is both and whose draft cites one."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings, self.corpus = database, settings, Corpus(database)
        self.desk = ReviewDesk(database, settings, unsupported)
        self.documents = {
            "water": add_ready_document(self.corpus, "water.txt", WATER),
            "fire": add_ready_document(self.corpus, "fire.txt", FIRE),
        }

    def passages(self) -> dict[str, Passage]:
        ids = [one.id for one in self.corpus.passages.indexable(EMBEDDER)]
        found = self.corpus.passages.find(ids).values()
        return {("water" if "water" in one.text else "fire"): one for one in found}

    def trail(self, *, empty: bool = False, **values: Any) -> recording.Trail:
        known = self.passages()
        made = trail(known["water"])
        draft = Draft((), (), "test-generator") if empty else made.draft
        evidence = [known["water"], known["fire"]]
        return replace(made, draft=draft, evidence=evidence, **values)

    def hold(self, asker: str = "ann", **verdict: Any) -> str:
        made = self.trail(principal=asker)
        return self.record(replace(made, verdict=replace(made.verdict, **verdict)))

    def record(self, made: recording.Trail) -> str:
        with self.database.transaction() as session:
            return open_task(session, recording.write(session, made), self.settings)

    def decide(
        self, task_id: str, kind: Any = "approve", who: Principal = RITA, **more: Any
    ) -> Any:
        seen = self.desk.task(who, task_id)
        return self.desk.decide(who, task_id, Decision(kind, seen.content_sha256, None, **more))

    def released(self) -> AnswerObject:
        with self.database.reading() as session:
            (row,) = session.scalars(select(ReleaseRow))
            return row.answer

    def links(self, kind: str) -> list[Any]:
        with self.database.reading() as session:
            assert audit.broken_audit_link(session) is None
            query = select(AuditRow.event).where(AuditRow.kind == kind)
            return list(session.scalars(query.order_by(AuditRow.number)))


@pytest.fixture
def bench(database: Database, database_url: str, tmp_path: Path) -> Bench:
    return Bench(database, settings_for(database_url, tmp_path))


# Edits


def test_an_edit_may_cite_every_passage_that_is_shown(bench: Bench) -> None:
    task_id = bench.hold()
    numbers = {one.title: one.number for one in bench.desk.task(RITA, task_id).evidence}
    assert sorted(one.number for one in bench.desk.task(RITA, task_id).evidence) == [1, 2]
    assert numbers
    bench.decide(task_id, "edit", text="For water £350 [1]. The excess for fire is £500 [2].")
    answer = bench.released()
    assert [(c["number"], c["quote"]) for c in answer["citations"]] == [
        (1, "The excess for water damage is £350."),
        (2, "The excess for fire is £500."),
    ]
    fire = bench.passages()["fire"]
    cited = answer["citations"][1]
    assert cited["passage_id"] == fire.id
    assert fire.text[cited["start"] : cited["end"]] == cited["quote"]


def test_a_marker_after_a_full_stop_belongs_to_the_sentence_that_it_ends(bench: Bench) -> None:
    task_id = bench.hold()
    text = "For water £350 [1]. [1] The excess for fire is £500. [2]"
    bench.decide(task_id, "edit", text=text)
    answer = bench.released()
    assert answer["text"] == text
    assert [(one["text"], one["citations"]) for one in answer["sentences"]] == [
        ("For water £350.", [1]),
        ("The excess for fire is £500.", [2]),
    ]


def test_an_edit_may_cite_what_was_searched_for(bench: Bench) -> None:
    made = bench.trail()
    task_id = bench.record(replace(made, evidence=[bench.passages()["water"]]))
    fire = bench.passages()["fire"]
    text = "The excess for fire is £500 [9]."
    with pytest.raises(Invalid, match=r"\[9\]"):
        bench.decide(task_id, "edit", text=text)
    with pytest.raises(Invalid):
        bench.decide(task_id, "edit", text=text, sources={9: "0" * 32})
    bench.decide(task_id, "edit", text=text, sources={9: fire.id})
    (cited,) = bench.released()["citations"]
    assert (cited["number"], cited["document_id"]) == (9, fire.document_id)
    ann = Principal("ann", frozenset({"asker"}))
    with bench.database.reading() as session:
        row = session.scalars(select(RecordRow).where(RecordRow.draft.is_not(None))).one()
        shown = own_view(session, ann, row)
    assert shown.answer is not None and shown.message == ""
    assert [(one.quote, one.removed) for one in shown.answer.citations] == [(cited["quote"], False)]


def test_what_reviewer_or_asker_may_not_read_cannot_be_cited(bench: Bench) -> None:
    task_id = bench.hold()
    fire = bench.passages()["fire"]
    accounts = Access(bench.database, bench.settings).accounts
    accounts.create("ann", ["asker"], scope=["other"])
    with pytest.raises(Invalid, match="asker"):
        bench.decide(task_id, "edit", text="£500 [5].", sources={5: fire.id})
    accounts.change("ann", "olga", scope=["main"])
    narrow = Principal("nell", frozenset({"reviewer"}), ("main",))
    bench.decide(task_id, "edit", narrow, text="£500 [5].", sources={5: fire.id})


def test_an_answer_is_written_where_there_was_no_draft_with_its_sources(bench: Bench) -> None:
    task_id = bench.record(bench.trail(empty=True))
    assert [one.number for one in bench.desk.task(RITA, task_id).evidence] == [1, 2]
    with pytest.raises(Invalid):
        bench.decide(task_id)
    bench.decide(task_id, "edit", text="The excess for fire is £500 [2].")
    assert bench.released()["citations"][0]["number"] == 2


def test_an_edit_that_fails_checks_needs_a_reason_which_is_kept(bench: Bench) -> None:
    task_id = bench.hold()
    text = "It is £350 [1]. Please call us."
    with pytest.raises(EditNotSupported, match="Please call us"):
        bench.decide(task_id, "edit", text=text)
    with pytest.raises(EditNotSupported):
        bench.decide(task_id, "edit", text=text, override_reason="  ")
    assert bench.desk.task(RITA, task_id).state == "open"  # nothing was claimed or decided
    seen = bench.decide(task_id, "edit", text=text, override_reason="An invitation needs none.")
    assert seen.decision.override_reason == "An invitation needs none."
    assert [one.check for one in seen.decision.problems] == ["citations"]
    (link,) = bench.links("decided")
    assert link["overridden"] == ["citations"]
    assert link["override_sha256"] == hashlib.sha256(b"An invitation needs none.").hexdigest()
    assert "invitation" not in json.dumps(link), "links stay when an answer is erased"


def test_the_second_reviewer_sees_what_the_first_cited_and_which_checks_failed(
    bench: Bench,
) -> None:
    task_id = bench.hold(four_eyes=True)
    add_ready_document(bench.corpus, "storm.txt", "The excess for storms is £700.")
    ids = bench.corpus.passages.indexable(EMBEDDER)
    found = bench.corpus.passages.find([one.id for one in ids]).values()
    (added,) = (one for one in found if "storms" in one.text)
    text = "The excess for storms is £700 [9]. Please call us."
    why = "We want them to."
    bench.decide(task_id, "edit", text=text, sources={9: added.id}, override_reason=why)
    seen = bench.desk.task(RAJ, task_id)
    assert seen.proposal is not None
    (cited,) = [one for one in seen.proposal.answer.citations if one.passage_id == added.id]
    assert (cited.removed, cited.quote != "") == (False, True)
    (note,) = seen.notes
    assert "Please call us" in note.text and why in note.text
    replace_document(bench, "storm", "Storms have another excess.")
    seen = bench.desk.task(RAJ, task_id)
    assert seen.proposal is not None
    (cited,) = [one for one in seen.proposal.answer.citations if one.passage_id == added.id]
    assert (cited.removed, cited.quote) == (True, "")


def test_an_edit_without_a_fault_says_nothing_of_a_reason(bench: Bench) -> None:
    task_id = bench.hold()
    seen = bench.decide(task_id, "edit", text="It is £350 [1].", override_reason="In case.")
    assert (seen.decision.override_reason, seen.decision.problems) == ("", [])
    assert "overridden" not in bench.links("decided")[0]


# Sources that changed


def replace_document(bench: Bench, name: str, text: str) -> None:
    add_ready_document(bench.corpus, f"{name}.txt", text)


def test_only_a_cited_source_that_changed_voids_an_approval(bench: Bench) -> None:
    task_id = bench.hold()
    replace_document(bench, "fire", "The excess for fire is £900.")
    seen = bench.desk.task(RITA, task_id)
    assert (seen.stale, seen.changed_sources) == (False, [])
    assert not bench.desk.tasks(RITA, "open").tasks[0].stale
    bench.decide(task_id)
    assert bench.released()["text"].startswith("The excess for water")


def test_a_task_whose_source_changed_says_so_and_what(bench: Bench) -> None:
    task_id = bench.hold()
    replace_document(bench, "water", NEW)
    assert bench.desk.tasks(RITA, "open").tasks[0].stale
    (change,) = bench.desk.task(RITA, task_id).changed_sources
    assert (change.removed, change.before, change.now) == (False, WATER, NEW)
    with pytest.raises(ApprovalVoid):
        bench.decide(task_id)
    bench.corpus.documents.delete(bench.documents["water"])
    (change,) = bench.desk.task(RITA, task_id).changed_sources
    assert (change.removed, change.before, change.now) == (True, "", "")
    bench.decide(task_id, "reject", reason="Its source is gone.")
    assert not bench.desk.tasks(RITA, "decided").tasks[0].stale


# New drafts


def redraft(bench: Bench, task_id: str, who: Principal = RITA, **values: Any) -> Any:
    seen = bench.desk.task(who, task_id)
    return bench.desk.redraft(who, task_id, bench.trail(**values), seen.content_sha256)


def test_a_new_draft_takes_the_place_of_the_stale_one_under_a_new_hash(bench: Bench) -> None:
    task_id = bench.hold()
    before = bench.desk.task(RITA, task_id)
    replace_document(bench, "water", NEW)
    after = redraft(bench, task_id)
    assert (after.task_id, after.answer_id) == (before.task_id, before.answer_id)
    assert after.content_sha256 != before.content_sha256
    assert (after.draft.text, after.stale, after.redrafts) == (
        "The excess for water damage is £400 [1].",
        False,
        1,
    )
    assert after.claimed_by == "rita"
    assert not bench.desk.tasks(RITA, "open").tasks[0].stale
    old = Decision("approve", before.content_sha256, None)
    with pytest.raises(ApprovalVoid):
        bench.desk.decide(RITA, task_id, old)
    bench.decide(task_id)
    assert "£400" in bench.released()["text"]
    (link,) = bench.links("drafted_again")
    assert link["content_sha256"] == after.content_sha256
    with pytest.raises(AlreadyDecided):
        redraft(bench, task_id)


def test_the_record_and_its_draft_stay_as_they_were(bench: Bench) -> None:
    task_id = bench.hold()
    answer_id = bench.desk.task(RITA, task_id).answer_id
    replace_document(bench, "water", NEW)
    redraft(bench, task_id)
    redraft(bench, task_id)
    with bench.database.reading() as session:
        record = session.get_one(RecordRow, answer_id)
        assert record.draft is not None and "£350" in record.draft["text"]
        assert len(session.scalars(select(RedraftRow)).all()) == 2


def test_of_two_new_drafts_at_once_the_second_is_refused(bench: Bench) -> None:
    task_id = bench.hold()
    seen = bench.desk.task(RITA, task_id).content_sha256
    replace_document(bench, "water", NEW)
    bench.desk.redraft(RITA, task_id, bench.trail(), seen)
    with pytest.raises(ApprovalVoid):
        bench.desk.redraft(RAJ, task_id, bench.trail(), seen)


def test_an_approval_of_the_draft_before_counts_no_more(bench: Bench) -> None:
    task_id = bench.hold(four_eyes=True)
    bench.decide(task_id)
    replace_document(bench, "water", NEW)
    after = redraft(bench, task_id, RAJ)
    assert (after.approved_by, after.proposal) == ([], None)
    assert bench.decide(task_id, who=RAJ).decision is None
    assert bench.decide(task_id, who=RITA).decision is not None
    assert "£400" in bench.released()["text"]


def test_a_new_draft_that_the_policy_blocks_is_none(bench: Bench) -> None:
    task_id = bench.hold()
    with pytest.raises(Invalid):
        redraft(bench, task_id, outcome="blocked")
    assert bench.desk.task(RITA, task_id).redrafts == 0


def test_who_may_not_decide_may_not_draft(bench: Bench) -> None:
    strict = bench.settings.model_copy(update={"self_review": False})
    desk = ReviewDesk(bench.database, strict, unsupported)
    task_id = bench.hold(asker="rita")
    seen = desk.task(RITA, task_id).content_sha256
    with pytest.raises(Forbidden):
        desk.redraft(RITA, task_id, bench.trail(), seen)


# Quotes beside the draft


def quotes(
    bench: Bench, task_id: str, who: Principal = RITA, quote: Quote | None = None
) -> list[str]:
    find = Quotes(bench.database, quote or build_quote(bench.settings))
    found = find.beside_draft(who, task_id, Deadline(60)).quotes
    texts = {one.id: one.text for one in bench.passages().values()}
    for one in found:
        for cited in one.answer.citations:
            assert texts[cited.passage_id][cited.start : cited.end] == cited.quote
    return [" ".join(said.text for said in one.answer.sentences) for one in found]


def written(bench: Bench) -> list[int]:
    """The numbers of the audit links."""
    with bench.database.reading() as session:
        return list(session.scalars(select(AuditRow.number).order_by(AuditRow.number)))


def test_the_other_sentences_of_the_evidence_are_quoted_and_nothing_is_kept(bench: Bench) -> None:
    task_id = bench.hold()
    before = bench.desk.task(RITA, task_id), written(bench)
    assert set(quotes(bench, task_id)) == {
        "The excess for fire is £500.",
        "Call the fire brigade first.",
        "Claims must be made within 30 days.",
    }
    assert quotes(bench, task_id) == quotes(bench, task_id, RAJ)
    assert (bench.desk.task(RITA, task_id), written(bench)) == before


def test_where_there_is_no_draft_the_best_places_are_quoted(bench: Bench) -> None:
    found = quotes(bench, bench.record(bench.trail(empty=True)))
    assert len(found) == 3
    assert {one for one in found if "excess" in one} == {
        "The excess for water damage is £350.",
        "The excess for fire is £500.",
    }


def test_a_first_reviewers_text_is_not_quoted_again(bench: Bench) -> None:
    task_id = bench.hold(four_eyes=True)
    bench.decide(task_id, "edit", text="The excess for fire is £500 [2].")
    assert set(quotes(bench, task_id, RAJ)) == {
        "The excess for water damage is £350.",
        "Call the fire brigade first.",
        "Claims must be made within 30 days.",
    }


def test_only_what_both_reviewer_and_asker_may_read_is_quoted(bench: Bench) -> None:
    task_id = bench.hold()
    with pytest.raises(NotFound):
        quotes(bench, task_id, Principal("nell", frozenset({"reviewer"}), ("other",)))
    with pytest.raises(Forbidden):
        quotes(bench, task_id, Principal("olga", frozenset({"operator"})))
    Access(bench.database, bench.settings).accounts.create("ann", ["asker"], scope=["other"])
    assert quotes(bench, task_id) == []


def test_passages_that_changed_or_are_gone_are_not_quoted(bench: Bench) -> None:
    task_id = bench.hold()
    replace_document(bench, "fire", "The excess for fire is £600.")
    assert quotes(bench, task_id) == ["Claims must be made within 30 days."]

    def removed_meanwhile(request: DraftRequest, seen: AnswerObject, most: int) -> list[Draft]:
        found = build_quote(bench.settings)(request, seen, most)
        assert found
        bench.corpus.documents.delete(bench.documents["water"])
        return found

    assert quotes(bench, task_id, quote=removed_meanwhile) == []
    assert quotes(bench, task_id) == []


def test_a_task_that_waits_no_more_has_no_quotes(bench: Bench) -> None:
    decided, expired, erased = (bench.hold(asker) for asker in ("ann", "bob", "eve"))
    assert quotes(bench, expired)
    bench.decide(decided)
    eraser = Eraser(bench.database, bench.settings, bench.corpus)
    eraser.answer(bench.desk.task(RITA, erased).answer_id, "olga")
    with bench.database.transaction() as session:
        session.get_one(ReviewTaskRow, expired).expires_at = now() - timedelta(minutes=1)
    for task_id in (decided, expired, erased):
        assert quotes(bench, task_id) == []
    assert bench.desk.task(RITA, erased).why == ERASED_MESSAGE
    assert ERASED_MESSAGE not in {bench.desk.task(RITA, one).why for one in (decided, expired)}


# Erasure


def test_a_document_that_only_a_new_draft_or_an_edit_used_takes_their_words_along(
    bench: Bench,
) -> None:
    water = [bench.passages()["water"]]
    fire = bench.passages()["fire"]
    edited, drafted = (bench.record(replace(bench.trail(), evidence=water)) for _ in range(2))
    bench.decide(edited, "edit", text="The excess for fire is £500 [9].", sources={9: fire.id})
    seen = bench.desk.task(RITA, drafted)
    bench.desk.redraft(RITA, drafted, bench.trail(), seen.content_sha256)
    Eraser(bench.database, bench.settings, bench.corpus).document(bench.documents["fire"], "olga")
    with bench.database.reading() as session:
        told = [row.answer for row in session.scalars(select(ReleaseRow))]
        kept = [row.content for row in session.scalars(select(RedraftRow))]
        notes = [row.text for row in session.scalars(select(DecisionRow))]
    assert "£500" not in str([told, kept, notes])
    assert bench.links("document_erased")
