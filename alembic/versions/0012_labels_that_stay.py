"""Labels know their largest possible weight, who looked at them, and what they are of"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("labels", sa.Column("largest", sa.Float(), nullable=True))
    op.add_column(
        "labels", sa.Column("looked", sa.String(length=8), nullable=False, server_default="day")
    )
    op.add_column(
        "labels", sa.Column("key", sa.String(length=64), nullable=False, server_default="")
    )
    op.add_column(
        "labels", sa.Column("pending", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index("ix_labels_key", "labels", ["key"])


def downgrade() -> None:
    op.drop_index("ix_labels_key", table_name="labels")
    for column in ("pending", "key", "looked", "largest"):
        op.drop_column("labels", column)
