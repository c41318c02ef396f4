"""What the operations page tells of the audit chain and of the policy, over both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from app.access.principals import Principal
from app.db import Database, now
from app.proof.audit_checks import GIVEN_UP, KEPT, AuditCheckRow, AuditChecks
from app.proof.policy_report import policy_report
from app.records.tables import PolicyRow, RecordRow
from app.settings import Settings
from guardrails.policy.load import load_policy, policy_from_text
from tests.trails import hold

OLGA = Principal("olga", frozenset({"operator"}))


@pytest.fixture
def checks(database: Database, settings: Settings) -> AuditChecks:
    hold(database, settings)
    return AuditChecks(database, settings)


def test_a_check_is_asked_for_once_and_its_result_is_kept(
    database: Database, checks: AuditChecks
) -> None:
    assert checks.newest() == [] and not checks.run_next()
    asked = checks.ask("olga")
    assert (asked.state, checks.ask("otto").check_id) == ("waiting", asked.check_id)
    assert checks.run_next() and not checks.run_next()
    (done,) = checks.newest()
    assert (done.state, done.asked_by, done.problem_count) == ("sound", "olga", 0)
    assert done.rows > 0 and done.links > 0 and done.finished_at is not None

    with database.transaction() as session:
        session.execute(text("UPDATE review_tasks SET four_eyes = NOT four_eyes"))
    checks.ask("olga")
    checks.run_next()
    broken, before = checks.newest()
    assert (broken.state, before) == ("broken", done)
    assert [problem.where for problem in broken.problems] == ["review_tasks"]


def test_a_check_whose_process_ended_is_done_by_another(
    database: Database, checks: AuditChecks
) -> None:
    check_id = checks.ask("olga").check_id
    first = checks._take()
    assert first is not None and checks.newest()[0].state == "running"
    assert not checks.run_next()  # somebody is at it
    long_ago = now() - GIVEN_UP - timedelta(minutes=1)
    with database.transaction() as session:
        session.execute(update(AuditCheckRow).values(started_at=long_ago))
    second = checks._take()
    assert second is not None and second[0] == check_id
    checks._keep(*first, {"failed": "too late"})  # it lived after all: its word counts no more
    assert checks.newest()[0].state == "running"
    checks._keep(*second, {"failed": "dependency_failed"})
    assert checks.newest()[0].state == "failed"


def test_checks_of_a_clock_that_was_ahead_push_out_none_that_is_asked_for(
    database: Database, checks: AuditChecks
) -> None:
    for _ in range(KEPT):
        check_id = checks.ask("olga").check_id
        with database.transaction() as session:
            done = update(AuditCheckRow).where(AuditCheckRow.id == check_id)
            tomorrow = now() + timedelta(days=1)
            done = done.values(asked_at=tomorrow, finished_at=tomorrow, report={"failed": "x"})
            session.execute(done)
    asked = checks.ask("olga").check_id
    assert asked in [one.check_id for one in checks.newest()]
    assert checks.run_next()


STRICT = """
name: strict
version: 1
min_margin: 0
required_checks: []
topics: []
rules: [{when: "question.length > 0", then: review}]
"""


def test_the_policy_is_told_with_what_changed_and_what_the_shadow_says(
    database: Database, settings: Settings
) -> None:
    policy, shadow = load_policy(), policy_from_text(STRICT, "strict")
    older = {**policy.content, "version": 3, "min_margin": 2.5}
    hold(database, settings)
    told = {"policy": "strict 1", "policy_sha256": shadow.sha256, "agreement": "agree"}
    with database.transaction() as session:
        nothing = policy_report(session, OLGA, policy, shadow)
        session.add(PolicyRow(sha256="0" * 64, content=older, first_used_at=now()))
        session.execute(update(RecordRow).values(shadow=told))
        session.flush()
        found = policy_report(session, OLGA, policy, shadow)
        other = policy_report(session, OLGA, policy, replace(shadow, sha256="1" * 64))
        scoped = Principal("sam", frozenset({"operator"}), ("nothing",))
        hidden = policy_report(session, scoped, policy, shadow).shadow
    assert (nothing.before, nothing.changes, nothing.first_used_at) == (None, [], None)
    assert nothing.shadow is not None and nothing.shadow.answers == 0
    assert found.before is not None and found.before.version == 3
    changed = [(one.where, one.before, one.after) for one in found.changes]
    assert changed == [("version", "3", str(policy.version)), ("min_margin", "2.5", "3.0")]
    assert found.shadow is not None and (found.shadow.answers, found.shadow.agree) == (1, 1)
    assert other.shadow is not None and other.shadow.answers == 0
    assert hidden is not None and hidden.answers == 0
