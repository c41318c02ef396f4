"""Passages know the headings they stand under, and the page their last sentence ends on"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("passages") as table:
        table.add_column(sa.Column("headings", sa.JSON(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("last_page", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("passages") as table:
        table.drop_column("last_page")
        table.drop_column("headings")
