"""Ingestion jobs with their items; documents know their job, their size and their turn"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=32), primary_key=True),
        sa.Column("collection", sa.String(length=80), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(), nullable=True),
    )
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"])
    op.create_table(
        "job_items",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=1000), nullable=False),
        sa.Column("document_id", sa.String(length=32), nullable=True),
        sa.Column("outcome", sa.String(length=12), nullable=True),
        sa.Column("error_code", sa.String(length=40), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "ordinal"),
    )
    op.create_index("ix_job_items_document_id", "job_items", ["document_id"])
    op.create_index("ix_documents_sha256", "documents", ["sha256"])
    op.add_column("documents", sa.Column("job_id", sa.String(length=32), nullable=True))
    op.add_column(
        "documents", sa.Column("left_out", sa.JSON(), nullable=False, server_default="[]")
    )
    for column in ("turn", "size"):
        op.add_column(
            "documents", sa.Column(column, sa.Integer(), nullable=False, server_default="0")
        )


def downgrade() -> None:
    for column in ("size", "turn", "left_out", "job_id"):
        op.drop_column("documents", column)
    op.drop_index("ix_documents_sha256", table_name="documents")
    op.drop_table("job_items")
    op.drop_table("jobs")
