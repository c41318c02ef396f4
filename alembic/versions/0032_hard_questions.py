"""Hard questions, and what a larger generator was paid for them"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hard_questions",
        sa.Column("answer_id", sa.String(length=32), nullable=False),
        sa.Column("pair", sa.String(length=64), nullable=False),
        sa.Column("cell_group", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("cost", sa.Float(), nullable=False),
        sa.Column("came_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["records.answer_id"]),
        sa.PrimaryKeyConstraint("answer_id"),
    )
    op.create_index("ix_hard_questions_pair", "hard_questions", ["pair", "came_at"])
    op.create_table(
        "larger_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("spent", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("hour"),
    )


def downgrade() -> None:
    op.drop_table("larger_hours")
    op.drop_index("ix_hard_questions_pair", table_name="hard_questions")
    op.drop_table("hard_questions")
