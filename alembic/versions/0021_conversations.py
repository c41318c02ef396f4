"""Conversations that askers name, hide and find again, and what they say of answers"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("records") as table:
        table.add_column(sa.Column("conversation", sa.String(32), nullable=True))
        table.create_index("ix_records_conversation", ["principal", "conversation", "created_at"])
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("principal", sa.String(80), nullable=False, index=True),
        sa.Column("title", sa.String(200), nullable=True),
        sa.Column("hidden_at", sa.DateTime(), nullable=True),
    )
    op.create_table(
        "feedback",
        sa.Column("answer_id", sa.String(32), sa.ForeignKey("records.answer_id"), primary_key=True),
        sa.Column("useful", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(), nullable=False, index=True),
    )
    _file_older_records()


def _file_older_records() -> None:
    """An answer belongs where the one that it follows does; older ones come first."""
    records = sa.table(
        "records",
        sa.column("answer_id", sa.String),
        sa.column("searched", sa.JSON),
        sa.column("created_at", sa.DateTime),
        sa.column("conversation", sa.String),
    )
    connection = op.get_bind()
    query = sa.select(records.c.answer_id, records.c.searched).order_by(records.c.created_at)
    filed: dict[str, str] = {}
    for answer_id, searched in connection.execute(query).all():
        before = (searched or {}).get("previous_answer_id")
        filed[answer_id] = filed.get(before, answer_id)
    by_id = records.c.answer_id == sa.bindparam("of_answer")
    change = records.update().where(by_id).values(conversation=sa.bindparam("to_conversation"))
    if filed:
        rows = [{"of_answer": one, "to_conversation": other} for one, other in filed.items()]
        connection.execute(change, rows)


def downgrade() -> None:
    op.drop_table("feedback")
    op.drop_table("conversations")
    with op.batch_alter_table("records") as table:
        table.drop_index("ix_records_conversation")
        table.drop_column("conversation")
