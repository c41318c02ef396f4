"""Up to which change of its answers an asker has seen a conversation"""

import datetime

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

NEWS_DAYS = 30
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("conversations", sa.Column("seen", NUMBER, nullable=True))
    # What was settled before counts as seen; what is older than the days is never news.
    since = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - datetime.timedelta(NEWS_DAYS)
    settled = """
        SELECT coalesce(records.conversation, records.answer_id) AS id, records.principal,
               max(settlements.number) AS seen
        FROM settlements JOIN records ON records.answer_id = settlements.answer_id
        WHERE settlements.settled_at > :since GROUP BY 1, 2
    """
    bound = {"since": since}
    types = sa.bindparam("since", type_=sa.DateTime())
    known = f"""
        UPDATE conversations SET seen =
            (SELECT seen FROM ({settled}) AS settled WHERE settled.id = conversations.id)
    """
    new = f"""
        INSERT INTO conversations (id, principal, seen) SELECT id, principal, seen
        FROM ({settled}) AS settled WHERE id NOT IN (SELECT id FROM conversations)
    """
    for statement in (known, new):
        op.get_bind().execute(sa.text(statement).bindparams(types), bound)


def downgrade() -> None:
    op.drop_column("conversations", "seen")
