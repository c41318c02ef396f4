"""Review tasks have a priority, notes, new drafts and decisions that were taken back; citations"""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STEP = 10**13
USUAL = 2 * STEP
"""Where tasks of no special urgency begin, as ``app.review.priority`` has it."""
BATCH = 1000


def upgrade() -> None:
    _widen_tasks()
    with op.batch_alter_table("settlements") as table:
        table.add_column(sa.Column("message", sa.Text(), nullable=True))
    with op.batch_alter_table("decisions") as table:
        table.add_column(sa.Column("override_reason", sa.Text(), nullable=True))
        table.add_column(sa.Column("problems", sa.JSON(), nullable=True))
    _add_tables()
    _fill_tasks()
    _fill_citations()


def downgrade() -> None:
    for name in ("citations", "pending_decisions", "superseded_decisions", "redrafts"):
        op.drop_table(name)
    op.drop_table("task_notes")
    with op.batch_alter_table("decisions") as table:
        table.drop_column("problems")
        table.drop_column("override_reason")
    with op.batch_alter_table("settlements") as table:
        table.drop_column("message")
    op.drop_index("ix_review_tasks_priority", table_name="review_tasks")
    with op.batch_alter_table("review_tasks") as table:
        for name in ("snoozed_until", "assigned_to", "risk", "cause", "asker", "question"):
            table.drop_column(name)
        table.drop_column("priority")
    op.create_index(
        "ix_review_tasks_open",
        "review_tasks",
        ["undecided", "created_at", "id", "kind", "scope", "queue", "expires_at"],
    )


def _widen_tasks() -> None:
    with op.batch_alter_table("review_tasks") as table:
        table.add_column(sa.Column("priority", sa.BigInteger(), nullable=False, server_default="0"))
        table.add_column(sa.Column("question", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("asker", sa.String(80), nullable=False, server_default=""))
        table.add_column(sa.Column("cause", sa.String(40), nullable=False, server_default=""))
        table.add_column(sa.Column("risk", sa.Double(), nullable=True))
        table.add_column(sa.Column("assigned_to", sa.String(80), nullable=True))
        table.add_column(sa.Column("snoozed_until", sa.DateTime(), nullable=True))
    op.drop_index("ix_review_tasks_open", table_name="review_tasks")
    op.create_index(
        "ix_review_tasks_priority",
        "review_tasks",
        [
            *("undecided", "priority", "id", "kind", "scope", "queue", "expires_at"),
            *("created_at", "snoozed_until", "state", "lease_until", "assigned_to"),
        ],
    )


def _task_id(**options: bool) -> sa.Column:
    return sa.Column("task_id", sa.String(32), sa.ForeignKey("review_tasks.id"), **options)


def _decision_columns() -> list[sa.Column]:
    return [
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("reviewer", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
    ]


def _add_tables() -> None:
    op.create_table(
        "task_notes",
        sa.Column("id", sa.String(32), primary_key=True),
        _task_id(nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("written_by", sa.String(80), nullable=False),
        sa.Column("about", sa.String(80), nullable=False, server_default=""),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("written_at", sa.DateTime(), nullable=False),
    )
    op.create_index("ix_task_notes_task_id", "task_notes", ["task_id"])
    op.create_table(
        "redrafts",
        _task_id(primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("approvals_before", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.String(80), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "superseded_decisions",
        sa.Column("id", sa.String(32), primary_key=True),
        _task_id(nullable=False),
        *_decision_columns(),
        sa.Column("cause", sa.String(12), nullable=False),
        sa.Column("superseded_by", sa.String(80), nullable=False),
        sa.Column("superseded_at", sa.DateTime(), nullable=False),
    )
    op.create_index("ix_superseded_decisions_task_id", "superseded_decisions", ["task_id"])
    op.create_table(
        "pending_decisions",
        _task_id(primary_key=True),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("wrong", sa.Boolean(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
    )
    op.create_index("ix_pending_decisions_due_at", "pending_decisions", ["due_at"])
    op.create_table(
        "citations",
        sa.Column("answer_id", sa.String(32), sa.ForeignKey("records.answer_id"), primary_key=True),
        sa.Column("passage_id", sa.String(32), primary_key=True),
        sa.Column("document_id", sa.String(32), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_index("ix_citations_document_id", "citations", ["document_id"])


TASKS = sa.table(
    "review_tasks",
    *(sa.column(name) for name in ("id", "answer_id", "kind", "question", "asker", "cause")),
    sa.column("undecided", sa.Boolean),
    sa.column("created_at", sa.DateTime),
    sa.column("expires_at", sa.DateTime),
    sa.column("priority", sa.BigInteger),
)
RECORDS = sa.table(
    "records",
    sa.column("answer_id"),
    sa.column("question"),
    sa.column("principal"),
)
RELEASES = sa.table("releases", sa.column("answer_id"), sa.column("answer", sa.JSON))
CITATIONS = sa.table(
    "citations", sa.column("answer_id"), sa.column("passage_id"), sa.column("document_id")
)


def _fill_tasks() -> None:
    """Question and asker of all tasks; a place in the queue for those that wait."""
    bind = op.get_bind()
    same = RECORDS.c.answer_id == TASKS.c.answer_id
    for name, source in (("question", "question"), ("asker", "principal")):
        found = sa.select(RECORDS.c[source]).where(same).scalar_subquery()
        has_record = sa.exists(sa.select(RECORDS.c.answer_id).where(same))
        bind.execute(TASKS.update().where(has_record).values({name: found}))
    probes = bind.execute(sa.text("SELECT task_id, content FROM probes")).all()
    for task_id, content in probes:
        shown = json.loads(content) if isinstance(content, str) else content
        said = {"question": shown["question"], "asker": shown["principal"]}
        bind.execute(TASKS.update().where(TASKS.c.id == task_id).values(**said))
    columns = TASKS.c.id, TASKS.c.created_at, TASKS.c.expires_at
    waiting = bind.execute(sa.select(*columns).where(TASKS.c.undecided == sa.true())).all()
    for task_id, created, expires in waiting:
        value = USUAL + _milliseconds(created + (expires - created) * 0.75)
        bind.execute(TASKS.update().where(TASKS.c.id == task_id).values(priority=value))


def _milliseconds(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _fill_citations() -> None:
    bind = op.get_bind()
    rows = bind.execute(sa.select(RELEASES.c.answer_id, RELEASES.c.answer))
    for part in rows.partitions(BATCH):
        found = {
            (answer_id, one["passage_id"]): one["document_id"]
            for answer_id, answer in part
            for one in answer["citations"]
        }
        made = [
            {"answer_id": answer_id, "passage_id": passage, "document_id": document}
            for (answer_id, passage), document in found.items()
        ]
        if made:
            bind.execute(CITATIONS.insert(), made)
