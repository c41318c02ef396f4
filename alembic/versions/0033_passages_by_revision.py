"""Which documents have passages of earlier revisions is told by an index alone"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_passages_document_revision", "passages", ["document_id", "revision"])
    op.drop_index("ix_passages_document_id", table_name="passages")


def downgrade() -> None:
    op.create_index("ix_passages_document_id", "passages", ["document_id"])
    op.drop_index("ix_passages_document_revision", table_name="passages")
