"""What is said about documents, their editions, near copies, and where they are fetched from"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("documents") as batch:
        batch.add_column(sa.Column("valid_from", sa.String(length=10), nullable=True))
        batch.add_column(sa.Column("language", sa.String(length=35), nullable=True))
        batch.add_column(sa.Column("about", sa.JSON(), server_default="{}", nullable=False))
        batch.add_column(sa.Column("series", sa.String(length=200), nullable=True))
        batch.add_column(sa.Column("edition", sa.String(length=80), nullable=True))
        batch.add_column(sa.Column("superseded_by", sa.String(length=32), nullable=True))
        batch.add_column(sa.Column("signature", sa.LargeBinary(), nullable=True))
        batch.add_column(
            sa.Column("linked", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        batch.create_index("ix_documents_series", ["series"])
    op.create_table(
        "document_bands",
        sa.Column("document_id", sa.String(length=32), nullable=False),
        sa.Column("band", sa.Integer(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("document_id", "band"),
    )
    op.create_index("ix_document_bands_value", "document_bands", ["value"])
    op.create_table(
        "near_copies",
        sa.Column("document_id", sa.String(length=32), nullable=False),
        sa.Column("other_id", sa.String(length=32), nullable=False),
        sa.Column("similarity", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["other_id"], ["documents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("document_id", "other_id"),
    )
    op.create_index("ix_near_copies_other_id", "near_copies", ["other_id"])
    op.create_table(
        "fetched",
        sa.Column("document_id", sa.String(length=32), nullable=False),
        sa.Column("origin", sa.String(length=1000), nullable=False),
        sa.Column("etag", sa.String(length=200), nullable=False),
        sa.Column("modified", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("document_id"),
    )
    op.create_index("ix_fetched_origin", "fetched", ["origin"])


def downgrade() -> None:
    op.drop_table("fetched")
    op.drop_table("near_copies")
    op.drop_table("document_bands")
    with op.batch_alter_table("documents") as batch:
        batch.drop_index("ix_documents_series")
        for name in (
            "linked",
            "signature",
            "superseded_by",
            "edition",
            "series",
            "about",
            "language",
            "valid_from",
        ):
            batch.drop_column(name)
