"""Accounts can be disabled, keys know their last use, and periodic work has a lease"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ADDED = (
    ("principals", "disabled_at"),
    ("api_keys", "last_used_at"),
    ("sessions", "started_at"),
)
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("fence", SEQUENCE, nullable=False),
        sa.Column("beat", SEQUENCE, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    for table, column in ADDED:
        op.add_column(table, sa.Column(column, sa.DateTime(), nullable=True))


def downgrade() -> None:
    for table, column in ADDED:
        op.drop_column(table, column)
    op.drop_table("leases")
