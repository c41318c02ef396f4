"""How SQLite looks for a page of review tasks: ids from an index that holds all that is asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from app.access.principals import Principal
from app.db import Database, migrate
from app.review.desk import ReviewDesk
from app.settings import Settings

REVIEWER = Principal("rita", frozenset({"reviewer"}), ("main",))


def plan(folder: Path, state: str, **wanted: Any) -> list[str]:
    """The steps in which the page's tasks are found, as SQLite names them."""
    database = Database(f"sqlite:///{folder}/plans.db")
    migrate(database)
    seen: list[tuple[str, Sequence[Any]]] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def keep(_c: Any, _cursor: Any, statement: str, values: Any, _x: Any, _many: Any) -> None:
        if "FROM review_tasks" in statement and "review_tasks.answer_id" in statement:
            seen.append((statement, values))

    ReviewDesk(database, Settings(data_dir=folder)).tasks(REVIEWER, state, **wanted)
    ((statement, values),) = seen
    with database.engine.connect() as connection:
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        found = [str(step[-1]) for step in steps]
    database.close()
    return found


@pytest.mark.parametrize("wanted", [{}, {"queue": "urgent"}, {"collection": "main"}])
def test_open_tasks_are_found_without_reading_a_row(tmp_path: Path, wanted: dict[str, Any]) -> None:
    covering = "SEARCH review_tasks USING COVERING INDEX ix_review_tasks_priority (undecided=?)"
    assert covering in plan(tmp_path, "open", **wanted)


def test_claimed_tasks_are_not_looked_for_among_all_that_wait(tmp_path: Path) -> None:
    steps = plan(tmp_path, "claimed")
    assert any("SEARCH review_tasks" in step and "(state=?" in step for step in steps)
    assert not any("SCAN" in step and "probes" in step for step in steps)
    assert not any("ix_review_tasks_priority" in step for step in steps)
