"""Passages that seem to give orders, and why"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("passages") as table:
        table.add_column(sa.Column("suspect", sa.String(length=200), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("passages") as table:
        table.drop_column("suspect")
