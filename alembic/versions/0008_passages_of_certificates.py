"""What index versions hold and what certificates are for, as hashes of passages"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "index_passages",
        sa.Column("version_id", sa.String(length=40), nullable=False),
        sa.Column("collection", sa.String(length=80), nullable=False),
        sa.Column("passages", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["index_versions.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", "collection"),
    )
    op.create_table(
        "certificate_passages",
        sa.Column("certificate_id", sa.String(length=64), nullable=False),
        sa.Column("collection", sa.String(length=80), nullable=False),
        sa.Column("texts", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificates.id"]),
        sa.PrimaryKeyConstraint("certificate_id", "collection"),
    )


def downgrade() -> None:
    op.drop_table("certificate_passages")
    op.drop_table("index_passages")
