"""One table of review tasks, settlements of answers, and reviewer checks of the gate"""

import hashlib
import json
from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAMES = {"fk": "%(table_name)s_%(column_0_name)s_fkey"}
"""As PostgreSQL names them by itself; on SQLite they have no name."""
MOVED = (
    "state",
    "claimed_by",
    "lease_until",
    "fence",
    "created_at",
    "expires_at",
    "kind",
    "queue",
    "four_eyes",
)
"""What a probe had like a review task."""
BATCH = 1000


def _table(name, *columns):
    return sa.table(name, *(sa.column(*column) for column in columns))


TASKS = _table(
    "review_tasks",
    ("id", sa.String),
    ("answer_id", sa.String),
    ("kind", sa.String),
    ("state", sa.String),
    ("undecided", sa.Boolean),
    ("scope", sa.String),
    ("expires_at", sa.DateTime),
)
RECORDS = _table("records", ("answer_id", sa.String), ("evidence", sa.JSON))
PROBES = _table("probes", ("task_id", sa.String), ("content", sa.JSON))
SCOPES = _table("task_scopes", ("scope", sa.String), ("collection", sa.String))
KNOWN_BY = _table("probe_known_by", ("task_id", sa.String), ("name", sa.String))


def upgrade():
    _create_tables()
    _report_checks()
    _settle_answers()
    _move_probes()
    _name_scopes()
    op.create_index("ix_review_tasks_order", "review_tasks", ["created_at", "id"])
    shown = ["created_at", "id", "kind", "scope", "queue"]
    op.create_index("ix_review_tasks_state", "review_tasks", ["state", *shown])
    open_ = ["undecided", *shown, "expires_at"]
    op.create_index("ix_review_tasks_open", "review_tasks", open_)
    op.create_index("ix_review_tasks_expiry", "review_tasks", ["undecided", "expires_at"])


def _create_tables():
    op.create_table(
        "reviewer_checks",
        sa.Column("number", SEQUENCE, primary_key=True),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("collection", sa.String(length=400), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("expected_wrong", sa.Boolean(), nullable=False),
        sa.Column("called_wrong", sa.Boolean(), nullable=False),
        sa.Column("task_id", sa.String(length=32), nullable=False, unique=True),
    )
    op.create_index("ix_reviewer_checks_kind", "reviewer_checks", ["kind", "collection"])
    op.create_table(
        "settlements",
        sa.Column(
            "answer_id", sa.String(length=32), sa.ForeignKey("records.answer_id"), primary_key=True
        ),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("number", SEQUENCE, nullable=False),
        sa.Column("settled_at", sa.DateTime(), nullable=False),
    )
    op.create_index("ix_settlements_number", "settlements", ["number"])
    op.create_table(
        "task_scopes",
        sa.Column("scope", sa.String(length=64), primary_key=True),
        sa.Column("collection", sa.String(length=400), primary_key=True),
    )
    op.create_index("ix_task_scopes_collection", "task_scopes", ["collection"])


def _report_checks():
    """What probes measured, in the order in which they appeared."""
    op.execute(
        "INSERT INTO reviewer_checks"
        " (kind, collection, reviewer, expected_wrong, called_wrong, task_id)"
        " SELECT kind, collection, claimed_by, expected_wrong, called_wrong, id FROM probes"
        " WHERE state = 'decided' AND called_wrong IS NOT NULL ORDER BY created_at, id"
    )


def _settle_answers():
    """What the asker was told by the review tables; no audit link said so, so ``number`` is 0."""
    held = "FROM review_tasks t JOIN records r ON r.answer_id = t.answer_id"
    decided = f"{held} JOIN decisions d ON d.task_id = t.id"
    op.execute(
        "INSERT INTO settlements (answer_id, state, number, settled_at)"
        " SELECT e.answer_id, CASE WHEN e.withdrawn_at IS NULL THEN 'released'"
        " ELSE 'withdrawn' END, 0, COALESCE(e.withdrawn_at, e.released_at) FROM releases e"
        " JOIN records r ON r.answer_id = e.answer_id"
        " WHERE e.released_by = 'reviewer' OR e.withdrawn_at IS NOT NULL"
    )
    op.execute(
        "INSERT INTO settlements (answer_id, state, number, settled_at)"
        f" SELECT t.answer_id, 'refused', 0, d.decided_at {decided}"
        " WHERE t.kind = 'held' AND d.kind = 'reject'"
    )
    op.execute(
        "INSERT INTO settlements (answer_id, state, number, settled_at)"
        f" SELECT t.answer_id, 'expired', 0, t.expires_at {held}"
        " WHERE t.kind = 'held' AND t.state = 'expired'"
    )


def _move_probes():
    op.drop_index("ix_review_tasks_state", table_name="review_tasks")
    op.drop_index("ix_probes_state", table_name="probes")
    with op.batch_alter_table("review_tasks", naming_convention=NAMES) as batch:
        batch.drop_constraint("review_tasks_answer_id_fkey", type_="foreignkey")
        undecided = sa.Column("undecided", sa.Boolean(), server_default=sa.false(), nullable=False)
        batch.add_column(undecided)
        batch.add_column(
            sa.Column("scope", sa.String(length=64), server_default="", nullable=False)
        )
    names = ", ".join(("id", "answer_id", *MOVED))
    op.execute(f"INSERT INTO review_tasks ({names}) SELECT {names} FROM probes")
    open_ = TASKS.update().where(TASKS.c.state.in_(["open", "claimed"]))
    op.execute(open_.values(undecided=sa.true()))
    known = op.get_bind().execute(sa.text("SELECT id, known_by FROM probes")).all()
    with op.batch_alter_table("probes", naming_convention=NAMES) as batch:
        batch.alter_column("id", new_column_name="task_id", existing_type=sa.String(length=32))
        for name in ("answer_id", "known_by", *MOVED):
            batch.drop_column(name)
    with op.batch_alter_table("probes", naming_convention=NAMES) as batch:
        batch.create_foreign_key("probes_task_id_fkey", "review_tasks", ["task_id"], ["id"])
    op.create_index("ix_probes_gold_item", "probes", ["gold_item"])
    op.create_index("ix_probes_first_task", "probes", ["first_task"])
    op.create_table(
        "probe_known_by",
        sa.Column(
            "task_id", sa.String(length=32), sa.ForeignKey("probes.task_id"), primary_key=True
        ),
        sa.Column("name", sa.String(length=80), primary_key=True),
    )
    for task_id, stored in known:
        names = json.loads(stored) if isinstance(stored, str) else stored
        for name in sorted(set(names)):
            op.execute(KNOWN_BY.insert().values(task_id=task_id, name=name))


def _name_scopes():
    """The collections of each task's evidence, read a thousand tasks at a time."""
    bind = op.get_bind()
    drafts = sa.select(TASKS.c.id, RECORDS.c.evidence).join(
        RECORDS, RECORDS.c.answer_id == TASKS.c.answer_id
    )
    probes = sa.select(TASKS.c.id, PROBES.c.content).join(PROBES, PROBES.c.task_id == TASKS.c.id)
    known = set()
    for query in (drafts, probes):
        after = ""
        while rows := bind.execute(
            query.where(TASKS.c.id > after).order_by(TASKS.c.id).limit(BATCH)
        ).all():
            for task_id, stored in rows:
                evidence = stored if isinstance(stored, list) else stored["evidence"]
                scope = _scope({passage["collection"] for passage in evidence}, known)
                bind.execute(TASKS.update().where(TASKS.c.id == task_id).values(scope=scope))
            after = rows[-1][0]


def _scope(collections, known):
    """As ``app.review.scopes`` names a set of collections."""
    names = sorted(collections)
    if not names:
        return ""
    text = json.dumps(names, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    scope = hashlib.sha256(text.encode("utf-8")).hexdigest()
    if scope not in known:
        known.add(scope)
        rows = [{"scope": scope, "collection": name} for name in names]
        op.get_bind().execute(SCOPES.insert(), rows)
    return scope


def downgrade():
    """Probes get their own table again; what was settled is told by the review tables as before."""
    bind = op.get_bind()
    for name in ("order", "state", "open", "expiry"):
        op.drop_index(f"ix_review_tasks_{name}", table_name="review_tasks")
    known = {}
    for task_id, name in bind.execute(sa.select(KNOWN_BY.c.task_id, KNOWN_BY.c.name)):
        known.setdefault(task_id, []).append(name)
    op.drop_table("probe_known_by")
    op.drop_index("ix_probes_first_task", table_name="probes")
    op.drop_index("ix_probes_gold_item", table_name="probes")
    with op.batch_alter_table("probes", naming_convention=NAMES) as batch:
        batch.drop_constraint("probes_task_id_fkey", type_="foreignkey")
    with op.batch_alter_table("probes", naming_convention=NAMES) as batch:
        batch.alter_column("task_id", new_column_name="id", existing_type=sa.String(length=32))
        for column in _probe_columns():
            batch.add_column(column)
    for name in ("answer_id", *MOVED):
        op.execute(
            f"UPDATE probes SET {name} ="
            f" (SELECT t.{name} FROM review_tasks t WHERE t.id = probes.id)"
        )
    rows = sa.table("probes", sa.column("id", sa.String), sa.column("known_by", sa.JSON))
    for task_id, names in known.items():
        op.execute(rows.update().where(rows.c.id == task_id).values(known_by=names))
    op.execute("DELETE FROM review_tasks WHERE kind IN ('gold', 'second')")
    with op.batch_alter_table("review_tasks", naming_convention=NAMES) as batch:
        batch.drop_column("scope")
        batch.drop_column("undecided")
        batch.create_foreign_key(
            "review_tasks_answer_id_fkey", "records", ["answer_id"], ["answer_id"]
        )
    op.create_index("ix_review_tasks_state", "review_tasks", ["state"])
    op.create_index("ix_probes_state", "probes", ["state"])
    op.drop_index("ix_task_scopes_collection", table_name="task_scopes")
    op.drop_table("task_scopes")
    op.drop_index("ix_settlements_number", table_name="settlements")
    op.drop_table("settlements")
    op.drop_index("ix_reviewer_checks_kind", table_name="reviewer_checks")
    op.drop_table("reviewer_checks")


def _probe_columns():
    moment = datetime(1970, 1, 1).isoformat(sep=" ")  # until the values are copied
    yield sa.Column("answer_id", sa.String(length=32), server_default="", nullable=False)
    yield sa.Column("known_by", sa.JSON(), server_default="[]", nullable=False)
    yield sa.Column("state", sa.String(length=12), server_default="", nullable=False)
    yield sa.Column("claimed_by", sa.String(length=80), nullable=True)
    yield sa.Column("lease_until", sa.DateTime(), nullable=True)
    yield sa.Column("fence", sa.Integer(), server_default="0", nullable=False)
    yield sa.Column("created_at", sa.DateTime(), server_default=moment, nullable=False)
    yield sa.Column("expires_at", sa.DateTime(), server_default=moment, nullable=False)
    yield sa.Column("kind", sa.String(length=12), server_default="held", nullable=False)
    yield sa.Column("queue", sa.String(length=40), server_default="", nullable=False)
    yield sa.Column("four_eyes", sa.Boolean(), server_default=sa.false(), nullable=False)
