"""An index version can extend another one: it notes what it adds and replaces"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("index_versions", sa.Column("base_id", sa.String(length=40), nullable=True))
    op.add_column("index_passages", sa.Column("replaced", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("index_passages", "replaced")
    op.drop_column("index_versions", "base_id")
