"""Corrections as regression cases: what was corrected must not go out again."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from app.access.principals import Principal
from app.answering.answerer import Answerer
from app.answering.policies import Policies
from app.answering.regress import Correction, corrections, judged, replay_corrections, says_the_same
from app.answering.stages import Ask
from app.db import Database
from app.ports import DraftRequest
from app.proof.erasure import Eraser
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.released import ReleasedAnswers
from benchmarks.regressions import measure_regress
from cli.regress import _write_junit
from guardrails.contract import Draft, Finding, Outcome, Sentence
from tests.fakes import QuotingGenerator, ScriptedCheck
from tests.integration.test_answering import ANN, EXCESS, Desk
from tests.trails import every_check

RITA = Principal("rita", frozenset({"reviewer"}))
ANYBODY = Principal("ann", frozenset({"asker"}))


def case(wrong: str, right: str | None) -> Correction:
    return Correction("a", "What is the excess?", ANYBODY, ("main",), None, wrong, right)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("It is £350 [1].", "It is £350.", True),
        ("The excess is £350 for water.", "The excess for water is £350.", True),
        ("It is £350.", "It is £400.", False),
        ("Theft is covered.", "Theft is not covered.", False),
        ("Theft is covered.", "The office opens at nine.", False),
        ("The Amber plan pays £50.", "The Silver plan pays £50.", False),
        ("The amber plan pays £50.", "The Amber plan pays £50.", True),
        ("It is paid in 16 working days.", "It is paid in 16 working months.", False),
        ("It costs 5 pounds.", "It costs £5.", True),
        ("The fee is 5 pounds a day.", "The fee is 5 £ a day.", True),
    ],
)
def test_when_two_answers_say_the_same(one: str, other: str, same: bool) -> None:
    assert says_the_same(one, other) is same is says_the_same(other, one)


@pytest.mark.parametrize(
    ("right", "now", "bad"),
    [
        ("The excess is £400.", "The excess is £350.", True),
        ("The excess is £400.", "The excess is £400 [1].", False),
        ("The excess is £400.", "An excess of £999 applies to all claims.", True),
        ("The excess is £400 for water.", "For water damage £400 is the excess.", False),
        (None, "The excess is £350 [2].", True),
        ("The excess is £400.", "The office opens at nine.", True),
        ("The excess is £400 for water.", "The excess is not £400 for water.", True),
        ("The excess is £400 for water.", "The excess is €400 for water.", True),
        ("The excess of Amber is £400.", "The excess of Silver is £400.", True),
        ("The excess is £400 for water.", "The excess is.", True),
        ("The excess is £400 within 30 days.", "The excess is £400 [1].", True),
        ("£400.", "The excess for water damage is £400, paid within the year.", False),
        (None, "Theft must be reported within 24 hours.", False),
    ],
)
def test_what_may_go_out_after_a_correction(right: str | None, now: str, bad: bool) -> None:
    assert bool(judged(case("The excess is £350 [1].", right), now)) is bad


class Wrong(QuotingGenerator):
    """A worse model: it says another sum than its source."""

    sum = "£999"

    def submit(self, item: DraftRequest, deadline: Any) -> Draft:
        draft = super().submit(item, deadline)
        said = replace(draft.sentences[0], text=f"The excess for water damage is {self.sum}.")
        return replace(draft, sentences=(Sentence(said.text, said.citations),))


LAX = """
{name: lax, version: 1, min_margin: 0, required_checks: [], topics: [], rules: [%s]}
"""


def lax(desk: Desk) -> Answerer:
    """The worse model under a policy that lets every failed check pass."""
    checks = ("numbers", "support", "terms", "citations", "contradiction", "identifiers")
    rules = ", ".join(f"{{check: {name}, then: release}}" for name in checks)
    path = desk.folder / "lax.yaml"
    path.write_text(LAX % rules, "utf-8")
    answerer = desk.answerer(generator=Wrong()).answerer
    answerer._policies = Policies(path, checks=every_check)
    return answerer


def correct(desk: Desk, kind: Any, text: str = "") -> str:
    """A held answer that a reviewer corrected or rejected; returns its id."""
    held = desk.answerer(generator=Wrong()).answer(ANN, Ask(EXCESS))
    assert held["status"] == "held"
    reviews = ReviewDesk(desk.database, desk.settings)
    (task,) = reviews.tasks(RITA, "open").tasks
    seen = reviews.task(RITA, task.task_id)
    decision = Decision(kind, seen.content_sha256, None, "It is wrong.", text)
    reviews.decide(RITA, task.task_id, decision)
    return str(held["answer_id"])


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    built = Desk(database, tmp_path)
    built.stock()
    return built


@pytest.mark.parametrize("kind", ["edit", "reject"])
def test_a_corrected_mistake_is_found_when_it_would_go_out_again(desk: Desk, kind: str) -> None:
    answer_id = correct(desk, kind, "The excess for water damage is £350 [1].")
    cases = corrections(desk.database)
    assert [one.answer_id for one in cases] == [answer_id]
    good = desk.answerer().answerer
    (passed,) = replay_corrections(cases, good, desk.corpus)
    assert (passed.outcome, passed.now) == ("passed", "released")
    (held,) = replay_corrections(cases, desk.answerer(generator=Wrong()).answerer, desk.corpus)
    assert (held.outcome, held.now) == ("passed", "held")
    (again,) = replay_corrections(cases, lax(desk), desk.corpus)
    assert (again.outcome, again.now) == ("regression", "released")
    assert "£999" in again.detail


def test_approved_answers_are_cases_too_when_they_are_asked_for(desk: Desk) -> None:
    answerer = desk.answerer(
        ScriptedCheck(lambda _case: [Finding("scripted", Outcome.FAIL, "Somebody must look.")])
    )
    held = answerer.answer(ANN, Ask(EXCESS))
    assert held["status"] == "held" and corrections(desk.database, approved=9) == []
    reviews = ReviewDesk(desk.database, desk.settings)
    (task,) = reviews.tasks(RITA, "open").tasks
    seen = reviews.task(RITA, task.task_id)
    reviews.decide(RITA, task.task_id, Decision("approve", seen.content_sha256, None))
    assert corrections(desk.database) == []
    cases = corrections(desk.database, approved=9)
    assert [(one.answer_id, one.wrong) for one in cases] == [(held["answer_id"], "")]
    (passed,) = replay_corrections(cases, desk.answerer().answerer, desk.corpus)
    (worse,) = replay_corrections(cases, lax(desk), desk.corpus)
    assert (passed.outcome, worse.outcome) == ("passed", "regression")
    ReleasedAnswers(desk.database, desk.settings).withdraw(RITA, held["answer_id"], "wrong")
    assert corrections(desk.database, approved=9) == []


def test_every_planted_worse_model_or_policy_is_blocked_and_the_good_one_is_not() -> None:
    found = measure_regress(15)
    # Of some the checks that every policy needs hold what is wrong: these are no worse ones.
    assert 10 <= found["worse"] == found["blocked"] and found["passed"] == []
    assert found["good_blocked"] == 0
    assert (
        len(found["by_kind"]) >= 5
    )  # negations are none: a check that every policy needs holds them


def test_an_edit_of_style_and_an_erased_answer_are_no_cases(desk: Desk) -> None:
    answer_id = correct(desk, "edit", "The excess for water damage is £999! [1]")
    assert corrections(desk.database) == []
    other = correct(desk, "reject")
    assert [one.answer_id for one in corrections(desk.database)] == [other]
    Eraser(desk.database, desk.settings, desk.corpus).answer(other, "olga")
    assert corrections(desk.database) == [] and answer_id


def test_the_junit_file_has_a_case_each(tmp_path: Path, desk: Desk) -> None:
    correct(desk, "reject")
    cases = corrections(desk.database)
    found = list(replay_corrections(cases, desk.answerer().answerer, desk.corpus))
    bad = replace(found[0], outcome="regression", detail="It says \x00 again", question="A & <B>?")
    path = tmp_path / "regress.xml"
    _write_junit(path, [*found, bad])
    suite = ElementTree.parse(path).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    (failure,) = suite.iter("failure")
    assert failure.get("message") == "It says  again"
