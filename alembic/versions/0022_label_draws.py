"""Under which ceiling a labelling session drew an answer"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "label_draws",
        sa.Column("answer_id", sa.String(length=32), nullable=False),
        sa.Column("ceiling", sa.Float(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["records.answer_id"]),
        sa.PrimaryKeyConstraint("answer_id"),
    )


def downgrade() -> None:
    op.drop_table("label_draws")
