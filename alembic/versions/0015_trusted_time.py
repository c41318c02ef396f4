"""The clock that retention goes by, expired tasks by their time, and records in their order"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None
AT_ONCE = 5000
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "trusted_time",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("believed", sa.DateTime(), nullable=False),
        sa.Column("seen", sa.DateTime(), nullable=False),
        sa.Column("doubted", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_review_tasks_early", "review_tasks", ["state", "expires_at"])
    number = sa.Column("number", SEQUENCE, nullable=False, server_default="0")
    op.add_column("records", number)
    _number_records()
    op.create_index("ix_records_number", "records", ["number"])


def _number_records() -> None:
    """Each record gets the number of the link that recorded it."""
    connection = op.get_bind()
    links = sa.table(
        "audit_log", sa.column("number"), sa.column("kind"), sa.column("event", sa.JSON)
    )
    records = sa.table("records", sa.column("answer_id"), sa.column("number"))
    statement = sa.update(records).where(records.c.answer_id == sa.bindparam("of"))
    statement = statement.values(number=sa.bindparam("to"))
    last = 0
    while True:
        query = sa.select(links.c.number, links.c.event).where(
            links.c.kind == "recorded", links.c.number > last
        )
        rows = connection.execute(query.order_by(links.c.number).limit(AT_ONCE)).all()
        if not rows:
            return
        last = rows[-1].number
        named = [(event.get("answer_id"), number) for number, event in rows]
        connection.execute(statement, [{"of": name, "to": number} for name, number in named])


def downgrade() -> None:
    op.drop_index("ix_records_number", "records")
    with op.batch_alter_table("records") as table:
        table.drop_column("number")
    op.drop_index("ix_review_tasks_early", "review_tasks")
    op.drop_table("trusted_time")
