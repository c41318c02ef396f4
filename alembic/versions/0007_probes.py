"""Gold items, and probes: the tasks that measure reviewers"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gold_items",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("collection", sa.String(length=400), nullable=False),
        sa.Column("wrong", sa.Boolean(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=32), nullable=True),
        sa.Column("known_by", sa.JSON(), nullable=False),
        sa.Column("added_by", sa.String(length=80), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["review_tasks.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("content_sha256"),
    )
    op.create_index("ix_gold_items_collection", "gold_items", ["collection"])
    op.create_table(
        "probes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("answer_id", sa.String(length=32), nullable=False),
        sa.Column("collection", sa.String(length=400), nullable=False),
        sa.Column("gold_item", sa.String(length=32), nullable=True),
        sa.Column("first_task", sa.String(length=32), nullable=True),
        sa.Column("known_by", sa.JSON(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("expected_wrong", sa.Boolean(), nullable=False),
        sa.Column("called_wrong", sa.Boolean(), nullable=True),
        sa.Column("decision", sa.JSON(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("claimed_by", sa.String(length=80), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.String(length=12), server_default="held", nullable=False),
        sa.Column("queue", sa.String(length=40), server_default="", nullable=False),
        sa.Column("four_eyes", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["gold_item"], ["gold_items.id"]),
        sa.ForeignKeyConstraint(["first_task"], ["review_tasks.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_probes_state", "probes", ["state"])


def downgrade() -> None:
    op.drop_index("ix_probes_state", table_name="probes")
    op.drop_table("probes")
    op.drop_index("ix_gold_items_collection", table_name="gold_items")
    op.drop_table("gold_items")
