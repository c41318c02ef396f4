"""Queues, four-eyes review, and the shadow policy's verdicts"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("task_id", sa.String(length=32), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("answer_sha256", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("edited", sa.Boolean(), nullable=False),
        sa.Column("approved_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["review_tasks.id"]),
        sa.PrimaryKeyConstraint("task_id", "reviewer", "answer_sha256"),
    )
    op.add_column("records", sa.Column("facts", sa.JSON(), nullable=True))
    op.add_column("records", sa.Column("shadow", sa.JSON(), nullable=True))
    op.create_index("ix_records_created_at", "records", ["created_at"], unique=False)
    op.add_column(
        "review_tasks",
        sa.Column("queue", sa.String(length=40), server_default="", nullable=False),
    )
    op.add_column(
        "review_tasks",
        sa.Column("four_eyes", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    with op.batch_alter_table("review_tasks", schema=None) as batch_op:
        batch_op.drop_column("four_eyes")
        batch_op.drop_column("queue")

    with op.batch_alter_table("records", schema=None) as batch_op:
        batch_op.drop_index("ix_records_created_at")
        batch_op.drop_column("shadow")
        batch_op.drop_column("facts")

    op.drop_table("approvals")
