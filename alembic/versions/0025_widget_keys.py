"""Publishable keys of chat widgets on other sites; sign-in by a provider"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "widget_keys",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("principal", sa.String(length=80), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("questions_per_minute", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["principal"], ["principals.name"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_table(
        "oidc_attempts",
        sa.Column("state_sha256", sa.String(length=64), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("state_sha256"),
    )
    op.add_column("principals", sa.Column("oidc_subject", sa.String(length=64), nullable=True))
    op.create_index("ix_principals_oidc_subject", "principals", ["oidc_subject"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_principals_oidc_subject", "principals")
    op.drop_column("principals", "oidc_subject")
    op.drop_table("oidc_attempts")
    op.drop_table("widget_keys")
