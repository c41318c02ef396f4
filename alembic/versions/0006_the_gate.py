"""The gate: modes, certificates with their running test, labels, alarms, audits"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gate_modes",
        sa.Column("collection", sa.String(length=400), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(length=80), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("collection"),
    )
    op.create_table(
        "certificates",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("collection", sa.String(length=400), nullable=False),
        sa.Column("risk_class", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("certificate", sa.JSON(), nullable=False),
        sa.Column("process", sa.JSON(), nullable=False),
        sa.Column("index_version", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_certificates_stratum", "certificates", ["collection", "risk_class"])
    op.create_table(
        "labels",
        sa.Column("answer_id", sa.String(length=32), nullable=False),
        sa.Column("collection", sa.String(length=400), nullable=False),
        sa.Column("risk_class", sa.String(length=80), nullable=False),
        sa.Column("risk", sa.Float(), nullable=False),
        sa.Column("wrong", sa.Boolean(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("source", sa.String(length=12), nullable=False),
        sa.Column("certificate", sa.String(length=64), nullable=False),
        sa.Column("lineage_sha256", sa.String(length=64), nullable=False),
        sa.Column("labelled_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["records.answer_id"]),
        sa.PrimaryKeyConstraint("answer_id"),
    )
    op.create_index("ix_labels_stratum", "labels", ["collection", "risk_class"])
    op.create_table(
        "gate_alarms",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("collection", sa.String(length=400), nullable=False),
        sa.Column("monitor", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(), nullable=False),
        sa.Column("cleared_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("records", sa.Column("gate", sa.JSON(), nullable=True))
    op.add_column("releases", sa.Column("withdrawn_at", sa.DateTime(), nullable=True))
    op.add_column(
        "review_tasks",
        sa.Column("kind", sa.String(length=12), server_default="held", nullable=False),
    )


def downgrade() -> None:
    op.drop_table("gate_alarms")
    op.drop_index("ix_labels_stratum", table_name="labels")
    op.drop_table("labels")
    op.drop_index("ix_certificates_stratum", table_name="certificates")
    op.drop_table("certificates")
    op.drop_table("gate_modes")
    op.drop_column("review_tasks", "kind")
    op.drop_column("releases", "withdrawn_at")
    op.drop_column("records", "gate")
