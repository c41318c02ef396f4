"""The outbox, since when a task is claimed, and by what authority people review"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("destination", sa.String(length=340), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("happened_at", sa.DateTime(), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(length=200), nullable=False),
        sa.Column("gave_up", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "destination"),
    )
    op.create_index("ix_outbox_due", "outbox", ["gave_up", "due_at"])
    op.create_table(
        "practice",
        sa.Column("gold_item", sa.String(length=32), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("right", sa.Boolean(), nullable=False),
        sa.Column("practised_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("gold_item", "reviewer"),
    )
    op.add_column("review_tasks", sa.Column("claimed_at", sa.DateTime()))
    op.add_column("principals", sa.Column("authority", sa.String(length=200)))
    op.add_column("principals", sa.Column("trained_on", sa.String(length=10)))


def downgrade() -> None:
    op.drop_column("principals", "trained_on")
    op.drop_column("principals", "authority")
    op.drop_column("review_tasks", "claimed_at")
    op.drop_table("practice")
    op.drop_index("ix_outbox_due", table_name="outbox")
    op.drop_table("outbox")
