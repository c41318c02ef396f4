"""Answers counted by day, checks of the audit chain, and an index of open tasks for every filter"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

from app.db import SEQUENCE
from guardrails.contract import canonical_sha256

revision = "0030"
down_revision = "0028"
branch_labels = None
depends_on = None
OPEN_TASKS = (
    *("undecided", "priority", "id", "kind", "scope", "queue", "expires_at"),
    *("created_at", "snoozed_until", "state", "lease_until", "assigned_to"),
)
FETCHED = 1000


def upgrade() -> None:
    days = op.create_table(
        "answer_days",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("searched", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("collections", sa.JSON(), nullable=False),
        sa.Column("answers", SEQUENCE, nullable=False),
        sa.Column("cpu_s", sa.Float(), nullable=False),
        sa.Column("tokens_read", sa.Float(), nullable=False),
        sa.Column("tokens_written", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("day", "searched", "outcome", "state"),
    )
    op.create_table(
        "audit_checks",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("asked_at", sa.DateTime(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_audit_checks_asked_at", "audit_checks", ["asked_at"])
    op.create_index("ix_decisions_decided_at", "decisions", ["decided_at"])
    op.drop_index("ix_review_tasks_priority", table_name="review_tasks")
    wider = [*OPEN_TASKS, "cause", "asker", "risk"]
    op.create_index("ix_review_tasks_priority", "review_tasks", wider)
    folded = sa.Column("words", sa.Text(), sa.Computed("lower(question)"), nullable=True)
    op.add_column("review_tasks", folded)
    _index_words(op.get_bind())
    if counted := list(_counted(op.get_bind())):
        op.bulk_insert(days, counted)


def downgrade() -> None:
    op.execute("DROP INDEX IF EXISTS ix_review_tasks_words")
    op.drop_column("review_tasks", "words")
    op.drop_index("ix_review_tasks_priority", table_name="review_tasks")
    op.create_index("ix_review_tasks_priority", "review_tasks", list(OPEN_TASKS))
    op.drop_index("ix_decisions_decided_at", table_name="decisions")
    op.drop_table("audit_checks")
    op.drop_table("answer_days")


def _index_words(connection: sa.Connection) -> None:
    """Trigrams of the questions that wait, where a server has them and lets us use them: else each
    open task is looked at for words."""
    if connection.dialect.name != "postgresql":
        return
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except DBAPIError:
        return
    op.execute(
        "CREATE INDEX ix_review_tasks_words ON review_tasks USING gin (words gin_trgm_ops) "
        "WHERE undecided"
    )


def _counted(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    """The answers that there are; what was spent on them nobody knows."""
    records = sa.table(
        "records",
        sa.column("answer_id"),
        sa.column("created_at", sa.DateTime()),
        sa.column("outcome"),
        sa.column("searched", sa.JSON()),
    )
    settled = sa.table("settlements", sa.column("answer_id"), sa.column("state"))
    query = sa.select(
        records.c.created_at, records.c.outcome, records.c.searched, settled.c.state
    ).select_from(records.outerjoin(settled, settled.c.answer_id == records.c.answer_id))
    found: Counter[tuple[str, str, str, str]] = Counter()
    rows = connection.execute(query, execution_options={"yield_per": FETCHED})
    for created, outcome, searched, state in rows:
        names = json.dumps(sorted(set(searched.get("collections", ()))))
        found[created.date().isoformat(), names, outcome, state or ""] += 1
    for (day, names, outcome, state), answers in found.items():
        collections = json.loads(names)
        yield {
            "day": day,
            "searched": canonical_sha256(collections),
            "outcome": outcome,
            "state": state,
            "collections": collections,
            "answers": answers,
            "cpu_s": 0.0,
            "tokens_read": 0.0,
            "tokens_written": 0.0,
        }
