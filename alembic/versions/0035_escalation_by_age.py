"""When a review task that nobody takes escalates by age, and when it did"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null in tasks of the release before: these never escalate by themselves.
    op.add_column("review_tasks", sa.Column("escalates_at", sa.DateTime(), nullable=True))
    op.add_column("review_tasks", sa.Column("escalated_at", sa.DateTime(), nullable=True))
    columns = ["undecided", "escalated_at", "escalates_at"]
    op.create_index("ix_review_tasks_age", "review_tasks", columns)


def downgrade() -> None:
    op.drop_index("ix_review_tasks_age", table_name="review_tasks")
    op.drop_column("review_tasks", "escalated_at")
    op.drop_column("review_tasks", "escalates_at")
