"""Looks that were planned at a number of labels fixed beforehand; how much a wrong answer counts"""

import sqlalchemy as sa
from alembic import op

from app.db import SEQUENCE

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "planned_looks",
        sa.Column("collection", sa.String(length=400), nullable=False),
        sa.Column("risk_class", sa.String(length=80), nullable=False),
        sa.Column("lineage_sha256", sa.String(length=64), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("alpha", sa.Float(), nullable=False),
        sa.Column("delta", sa.Float(), nullable=False),
        sa.Column("miss_bound", sa.Float(), nullable=False),
        sa.Column("spent", sa.Boolean(), nullable=False),
        sa.Column("number", SEQUENCE, nullable=False),
        sa.Column("planned_by", sa.String(length=80), nullable=False),
        sa.Column("planned_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("collection", "risk_class", "lineage_sha256"),
    )
    op.add_column("labels", sa.Column("loss", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("labels", "loss")
    op.drop_table("planned_looks")
