"""The clock that retention goes by, and expired tasks by their time"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trusted_time",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("believed", sa.DateTime(), nullable=False),
        sa.Column("seen", sa.DateTime(), nullable=False),
        sa.Column("doubted", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_review_tasks_early", "review_tasks", ["state", "expires_at"])


def downgrade() -> None:
    op.drop_index("ix_review_tasks_early", "review_tasks")
    op.drop_table("trusted_time")
