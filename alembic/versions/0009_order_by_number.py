"""What came first by number instead of by clock; counts of collections; attempts and leases"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENTS = (
    ("labels", "answer_id", "answered", "records.created_at", "JOIN records USING (answer_id)"),
    ("labels", "answer_id", "number", "labelled_at", ""),
    ("index_versions", "id", "number", "created_at", ""),
    ("certificates", "id", "number", "created_at", ""),
    ("certificates", "id", "ended_number", "ended_at", ""),
    ("documents", "id", "number", "updated_at", ""),
)
"""Table, key, new column, and where its moment stands today. At the same moment, what stands
further up came first: so a tie ends a certificate's labels, and puts a document into an index."""


def upgrade() -> None:
    collections = op.create_table(
        "collections",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    counted = sa.text(
        "SELECT collection AS name, count(*) AS documents FROM documents"
        " WHERE state != 'deleted' GROUP BY collection"
    )
    rows = [dict(row) for row in op.get_bind().execute(counted).mappings()]
    if rows:
        op.bulk_insert(collections, rows)
    for table, names in (
        ("documents", ("number", "attempts")),
        ("index_versions", ("number",)),
        ("certificates", ("number",)),
        ("labels", ("number", "answered")),
    ):
        with op.batch_alter_table(table) as batch:
            for name in names:
                kind = sa.Integer() if name == "attempts" else NUMBER
                batch.add_column(sa.Column(name, kind, nullable=False, server_default="0"))
    with op.batch_alter_table("certificates") as batch:
        batch.add_column(sa.Column("ended_number", NUMBER, nullable=True))
    with op.batch_alter_table("index_versions") as batch:
        batch.add_column(sa.Column("lease_until", sa.DateTime(), nullable=True))
    _number_the_past()


def _number_the_past() -> None:
    """Negative numbers, in the order of time: links of the audit log, from 1, come after."""
    bind = op.get_bind()
    found: list[tuple[datetime, int, str]] = []
    for place, (table, key, _, moment, join) in enumerate(MOMENTS):
        query = f"SELECT {key}, {moment} AS moment FROM {table} {join} WHERE {moment} IS NOT NULL"
        typed = sa.text(query).columns(sa.column(key, sa.String), moment=sa.DateTime)
        found += [(row[1], place, row[0]) for row in bind.execute(typed)]
    found.sort()
    for number, (_, place, row_id) in enumerate(found, start=-len(found)):
        table, key, column, *_ = MOMENTS[place]
        change = sa.text(f"UPDATE {table} SET {column} = :number WHERE {key} = :key")
        bind.execute(change, {"number": number, "key": row_id})


def downgrade() -> None:
    for table, names in (
        ("labels", ("number", "answered")),
        ("certificates", ("number", "ended_number")),
        ("index_versions", ("number", "lease_until")),
        ("documents", ("number", "attempts")),
    ):
        with op.batch_alter_table(table) as batch:
            for name in names:
                batch.drop_column(name)
    op.drop_table("collections")
