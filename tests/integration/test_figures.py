"""What the operations page shows of the last days, over both databases."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from app.access.principals import Principal
from app.db import Database, now
from app.proof.erasure import Eraser
from app.records import recording
from app.records.tables import AnswerDayRow, RecordRow, SettlementRow
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.figures import figures
from app.review.tables import ReviewTaskRow
from app.telemetry import Prices
from app.wiring import Services
from tests.clocks import every_clock_off
from tests.site import HELD, RELEASED, Site, site_over

OPERATOR = Principal("olga", frozenset({"operator"}))
RITA = Principal("rita", frozenset({"reviewer"}))


@pytest.fixture
def site(services: Services) -> Iterator[Site]:
    """A service over each database."""
    yield from site_over(services)


@pytest.fixture
def on_day(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Records what is asked from then on as of so many days ago. It is noon, so that the day does
    not change meanwhile."""
    until_noon = now().replace(hour=12, minute=0) - now()

    with (
        every_clock_off(monkeypatch, seconds=until_noon.total_seconds()),
        monkeypatch.context() as patch,
    ):

        def move(days: int) -> None:
            patch.setattr(recording, "now", lambda: now() + until_noon - timedelta(days=days))

        yield move


def recounted(database: Database) -> Counter[tuple[str, str, str]]:
    """The answers by day, outcome and state, as every record and settlement says."""
    query = select(RecordRow.created_at, RecordRow.outcome, SettlementRow.state).outerjoin(
        SettlementRow, SettlementRow.answer_id == RecordRow.answer_id
    )
    with database.reading() as session:
        rows = session.execute(query).all()
    return Counter((at.date().isoformat(), outcome, state or "") for at, outcome, state in rows)


def counted(database: Database) -> Counter[tuple[str, str, str]]:
    """The same, as it is kept."""
    found: Counter[tuple[str, str, str]] = Counter()
    with database.reading() as session:
        for row in session.scalars(select(AnswerDayRow)):
            found[row.day, row.outcome, row.state] += row.answers
    return +found


def test_figures_count_what_was_decided_and_what_became_of_it(
    site: Site, on_day: Callable[[int], None]
) -> None:
    empty = site.call("olga", "GET", "/v1/gate/figures?days=3").json()
    assert [day["released"] for day in empty["days"]] == [0, 0, 0]
    assert (empty["answers"], empty["stages"], empty["timed"]) == (0, [], 0)
    assert empty["backlog"] == {"waiting": 0, "overdue": 0, "oldest_at": None, "escalated": 0}

    on_day(3)
    site.ask(RELEASED)
    on_day(1)
    site.ask(RELEASED)
    on_day(0)
    site.ask(RELEASED)
    first, _ = site.held()
    site.held()
    site.decide("rita", site.claim("rita", first), "approve")
    found = site.call("olga", "GET", "/v1/gate/figures?days=3&collection=main").json()
    assert [(day["released"], day["held"]) for day in found["days"]] == [(0, 0), (1, 0), (1, 2)]
    assert (found["answers"], found["released"], found["waiting"]) == (4, 3, 1)
    assert found["timed"] == found["answers"]
    assert found["backlog"]["waiting"] == 1 and found["backlog"]["oldest_at"]
    total, *stages = found["stages"]
    assert total["stage"] == "total" and 0 < total["p50"] <= total["p95"] <= total["p99"]
    assert {"searching", "judging"} <= {stage["stage"] for stage in stages}

    assert counted(site.services.database) == recounted(site.services.database)

    elsewhere = site.call("sam", "GET", "/v1/gate/figures").json()
    assert (elsewhere["answers"], elsewhere["backlog"]["waiting"]) == (0, 0)
    with site.services.database.reading() as session:
        assert figures(session, OPERATOR, "board", 3).answers == 0
    assert site.call("olga", "GET", "/v1/gate/figures?days=91").status_code == 422


def test_the_plan_says_what_to_do_next(site: Site) -> None:
    plan = site.call("olga", "GET", "/v1/gate/plan?collection=main").json()
    assert plan["labels"] == 0 and plan["message"].startswith("There are no labels yet.")
    assert site.ask(HELD)["status"] == "held"


def test_what_a_released_answer_costs(site: Site) -> None:
    database = site.services.database
    site.ask(RELEASED)
    for minutes in (2, 90):  # the second was claimed before lunch
        task, _ = site.held()
        claimed = site.claim("rita", task)
        ago = now() - timedelta(minutes=minutes)
        with database.transaction() as session:
            of = ReviewTaskRow.id == task
            session.execute(update(ReviewTaskRow).where(of).values(claimed_at=ago))
        site.decide("rita", claimed, "approve")
    prices = Prices(cpu_hour=36_000.0, reviewer_hour=60.0)
    with database.reading() as session:
        cost = figures(session, OPERATOR, "main", 2, prices).cost
        free = figures(session, OPERATOR, "main", 2).cost
        elsewhere = figures(session, OPERATOR, "board", 2, prices).cost
    assert cost.cpu_s > 0 and cost.tokens_read > 0
    assert cost.reviewer_minutes == pytest.approx(2 + 30, abs=2)
    assert cost.total is not None
    assert cost.total == pytest.approx(cost.cpu_s * 10 + cost.reviewer_minutes, abs=2)
    assert cost.per_released == pytest.approx(cost.total / 3, abs=0.01)
    assert (free.total, free.per_released, free.cpu_s) == (None, None, cost.cpu_s)
    assert (elsewhere.reviewer_minutes, elsewhere.per_released) == (0, None)


def test_whatever_becomes_of_an_answer_it_is_counted_once(site: Site) -> None:
    services = site.services
    database, desk = services.database, services.desk
    withdrawn, erased = (site.ask(RELEASED)["answer_id"] for _ in range(2))
    services.released.withdraw(RITA, withdrawn, "It was wrong.", "Sorry.")
    Eraser(database, services.settings, services.corpus).answer(erased, "olga")
    undone, late = site.held()[0], site.held()[0]
    patient = ReviewDesk(database, services.settings.model_copy(update={"undo_seconds": 60.0}))
    task = patient.claim(RITA, undone)
    patient.decide(RITA, undone, Decision("reject", task.content_sha256, task.fence, "no"))
    patient.undo(RITA, undone)
    with database.transaction() as session:
        of = ReviewTaskRow.id == late
        session.execute(update(ReviewTaskRow).where(of).values(expires_at=now()))
    desk.expire_overdue()
    assert counted(database) == recounted(database)
    states = Counter(state for _, _, state in counted(database).elements())
    assert states == {"withdrawn": 1, "erased": 1, "recalled": 1, "expired": 1}
    with database.reading() as session:
        found = figures(session, OPERATOR, None, 1)
    assert (found.answers, found.released, found.waiting) == (4, 0, 1)
    with database.transaction() as session:  # an older release recorded it: it is not counted
        session.execute(delete(AnswerDayRow))
    site.decide("rita", site.claim("rita", undone), "reject", reason="no")
    assert counted(database) == Counter()
