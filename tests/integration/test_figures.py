"""What the operations page shows of the last days, over both databases."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from app.access.principals import Principal
from app.db import now
from app.records.tables import RecordRow
from app.review.figures import figures
from app.wiring import Services
from tests.integration.test_api import HELD, RELEASED, Site, site_over

OPERATOR = Principal("olga", frozenset({"operator"}))


@pytest.fixture
def site(services: Services) -> Iterator[Site]:
    """A service over each database."""
    yield from site_over(services)


def test_figures_count_what_was_decided_and_what_became_of_it(site: Site) -> None:
    empty = site.call("olga", "GET", "/v1/gate/figures?days=3").json()
    assert [day["released"] for day in empty["days"]] == [0, 0, 0]
    assert (empty["answers"], empty["stages"], empty["complete"]) == (0, [], True)
    assert empty["backlog"] == {"waiting": 0, "overdue": 0, "oldest_at": None}

    site.ask(RELEASED)
    old = site.ask(RELEASED)["answer_id"]
    gone = site.ask(RELEASED)["answer_id"]
    first, _ = site.held()
    site.held()
    site.decide("rita", site.claim("rita", first), "approve")
    with site.services.database.transaction() as session:
        session.get_one(RecordRow, old).created_at = now() - timedelta(days=1)
        session.get_one(RecordRow, gone).created_at = now() - timedelta(days=3)
    found = site.call("olga", "GET", "/v1/gate/figures?days=3&collection=main").json()
    assert [(day["released"], day["held"]) for day in found["days"]] == [(0, 0), (1, 0), (1, 2)]
    assert (found["answers"], found["released"], found["waiting"]) == (4, 3, 1)
    assert found["backlog"]["waiting"] == 1 and found["backlog"]["oldest_at"]
    total, *stages = found["stages"]
    assert total["stage"] == "total" and 0 < total["p50"] <= total["p95"] <= total["p99"]
    assert {"searching", "judging"} <= {stage["stage"] for stage in stages}

    elsewhere = site.call("sam", "GET", "/v1/gate/figures").json()
    assert (elsewhere["answers"], elsewhere["backlog"]["waiting"]) == (0, 0)
    with site.services.database.reading() as session:
        assert figures(session, OPERATOR, "board", 3).answers == 0
    assert site.call("olga", "GET", "/v1/gate/figures?days=91").status_code == 422


def test_the_plan_says_what_to_do_next(site: Site) -> None:
    plan = site.call("olga", "GET", "/v1/gate/plan?collection=main").json()
    assert plan["labels"] == 0 and "more labels are needed" in plan["message"]
    assert site.ask(HELD)["status"] == "held"
