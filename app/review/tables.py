"""The tables of review tasks, decisions and probes; only ``app.review`` writes them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Computed, ForeignKey, Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from app.db import SEQUENCE, Base, Json
from app.records.seals import Sealed
from guardrails.contract import AnswerObject


class ReviewTaskRow(Sealed, Base):
    """Something that waits for a reviewer; ``fence`` grows with every claim.

    ``kind`` is ``held`` for a draft, ``audit`` for an answer that was released and is checked
    afterwards, ``gold`` or ``second`` for a probe. A probe belongs to no record: its ``answer_id``
    is made up, and it appears at ``created_at``, which may lie ahead. With ``four_eyes`` two
    reviewers must approve the same answer. ``undecided`` is whether the state is open or claimed.
    ``scope`` names the set of collections that the evidence comes from, see ``TaskScopeRow``.

    ``priority``, ``question``, ``asker``, ``cause`` and ``risk`` are what lists sort and filter
    by, as ``app.review.priority`` says; a task that an older release opened comes first.
    ``snoozed_until`` keeps it out of the list of open tasks until then. ``claimed_at`` is when its
    holder took it up; renewing a claim leaves it. ``escalates_at`` is when it escalates by age if
    nobody takes it, null where it never does, and ``escalated_at`` when it did.
    """

    __tablename__ = "review_tasks"
    unsealed: ClassVar[frozenset[str]] = frozenset(
        {
            *("lease_until", "fence", "priority", "question", "asker", "cause", "risk"),
            *(
                "assigned_to",
                "snoozed_until",
                "claimed_at",
                "words",
                "escalates_at",
                "escalated_at",
            ),
        }
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    answer_id: Mapped[str] = mapped_column(String(32), unique=True)
    kind: Mapped[str] = mapped_column(String(12), server_default="held")
    state: Mapped[str] = mapped_column(String(12))
    undecided: Mapped[bool] = mapped_column(server_default=false())
    queue: Mapped[str] = mapped_column(String(40), server_default="", default="")
    scope: Mapped[str] = mapped_column(String(64), server_default="")
    four_eyes: Mapped[bool] = mapped_column(server_default=false(), default=False)
    claimed_by: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[datetime | None]
    fence: Mapped[int]
    claimed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    priority: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    question: Mapped[str] = mapped_column(Text, server_default="", default="")
    asker: Mapped[str] = mapped_column(String(80), server_default="", default="")
    cause: Mapped[str] = mapped_column(String(40), server_default="", default="")
    risk: Mapped[float | None]
    assigned_to: Mapped[str | None] = mapped_column(String(80))
    snoozed_until: Mapped[datetime | None]
    escalates_at: Mapped[datetime | None]
    escalated_at: Mapped[datetime | None]
    # A look that ignores case folds each text anew; on PostgreSQL that is most of its cost.
    words: Mapped[str | None] = mapped_column(Text, Computed("lower(question)"), deferred=True)
    __table_args__ = (
        Index("ix_review_tasks_order", "created_at", "id"),
        Index("ix_review_tasks_state", "state", "created_at", "id", "kind", "scope", "queue"),
        # Everything that lists and counts of open tasks ask for: they read no row to skip it.
        Index(
            "ix_review_tasks_priority",
            *("undecided", "priority", "id", "kind", "scope", "queue", "expires_at"),
            *("created_at", "snoozed_until", "state", "lease_until", "assigned_to"),
            *("cause", "asker", "risk"),
        ),
        Index("ix_review_tasks_expiry", "undecided", "expires_at"),
        Index("ix_review_tasks_early", "state", "expires_at"),
        Index("ix_review_tasks_age", "undecided", "escalated_at", "escalates_at"),
    )

    @staticmethod
    def as_sealed(values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Claims come and go without a link: of a task that waits, nobody holds it."""
        if values["undecided"] and values["state"] in ("open", "claimed"):
            return {**values, "state": "open", "claimed_by": None}
        return values


class TaskNoteRow(Base):
    """What a reviewer did to a task besides deciding it (owner: review).

    ``kind`` is comment, assigned, snoozed, escalated, escalated_by_age, taken_over, drafted_again,
    draft_taken or undone; ``text`` is what they wrote, and ``about`` whom or when it concerns.
    ``written_by`` is empty where the service did it.
    """

    __tablename__ = "task_notes"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("review_tasks.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    written_by: Mapped[str] = mapped_column(String(80))
    about: Mapped[str] = mapped_column(String(80), server_default="", default="")
    text: Mapped[str] = mapped_column(Text)
    number: Mapped[int] = mapped_column(SEQUENCE)
    written_at: Mapped[datetime]


class TaskScopeRow(Base):
    """One collection of a set of collections (owner: review).

    Tasks name sets, so that who may read a task is decided over the few sets that there are.
    ``scope`` is a hash of the set's names; the empty set has no row.
    """

    __tablename__ = "task_scopes"
    scope: Mapped[str] = mapped_column(String(64), primary_key=True)
    collection: Mapped[str] = mapped_column(String(400), primary_key=True, index=True)


class GoldItemRow(Sealed, Base):
    """An answer that is known to be wrong or right (owner: probes).

    ``content`` is what a reviewer is shown of it: the fields of a record named in
    ``app.review.probes.SHOWN``. ``task_id`` is the review task that it comes from; null: from a
    file.
    """

    __tablename__ = "gold_items"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection: Mapped[str] = mapped_column(String(400), index=True)
    wrong: Mapped[bool]
    content: Mapped[Json]
    content_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    task_id: Mapped[str | None] = mapped_column(ForeignKey("review_tasks.id"))
    known_by: Mapped[list[str]]
    added_by: Mapped[str] = mapped_column(String(80))
    added_at: Mapped[datetime]


class ProbeRow(Sealed, Base):
    """What makes a review task a probe: a gold item, or a blind second review (owner: probes).

    Nothing can be released by it. ``expected_wrong`` is the truth of a gold item or the first
    reviewer's word; ``called_wrong`` what this reviewer said, null while that is no measurement.
    ``first_task`` is the review task with the same content, if there is one.
    """

    __tablename__ = "probes"
    task_id: Mapped[str] = mapped_column(ForeignKey("review_tasks.id"), primary_key=True)
    collection: Mapped[str] = mapped_column(String(400))
    gold_item: Mapped[str | None] = mapped_column(ForeignKey("gold_items.id"), index=True)
    first_task: Mapped[str | None] = mapped_column(ForeignKey("review_tasks.id"), index=True)
    content: Mapped[Json]
    content_sha256: Mapped[str] = mapped_column(String(64))
    expected_wrong: Mapped[bool]
    called_wrong: Mapped[bool | None]
    decision: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))


class ProbeKnownByRow(Base):
    """Who knows what became of a probe's answer, and does not see the probe (owner: probes)."""

    __tablename__ = "probe_known_by"
    task_id: Mapped[str] = mapped_column(ForeignKey("probes.task_id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), primary_key=True)


class PracticeRow(Base):
    """What a reviewer said of a gold item when they practised (owner: review).

    It measures nobody. There is no foreign key: an item that is erased goes.
    """

    __tablename__ = "practice"
    gold_item: Mapped[str] = mapped_column(String(32), primary_key=True)
    reviewer: Mapped[str] = mapped_column(String(80), primary_key=True)
    right: Mapped[bool]
    practised_at: Mapped[datetime]


class ApprovalRow(Sealed, Base):
    """One reviewer's approval of one answer to a four-eyes task (owner: review).

    The newest ``number`` of a task says which answer is proposed. The key allows nobody to
    approve the same answer twice.
    """

    __tablename__ = "approvals"
    task_id: Mapped[str] = mapped_column(ForeignKey("review_tasks.id"), primary_key=True)
    reviewer: Mapped[str] = mapped_column(String(80), primary_key=True)
    answer_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int]
    answer: Mapped[AnswerObject] = mapped_column(JSON)
    edited: Mapped[bool]
    approved_at: Mapped[datetime]


class DecisionRow(Sealed, Base):
    """The one decision on a review task (owner: review); the key allows no second."""

    __tablename__ = "decisions"
    task_id: Mapped[str] = mapped_column(ForeignKey("review_tasks.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    reviewer: Mapped[str] = mapped_column(String(80))
    reason: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    content_sha256: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[datetime] = mapped_column(index=True)
    override_reason: Mapped[str | None] = mapped_column(Text)
    problems: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))


class SupersededDecisionRow(Sealed, Base):
    """A decision that counts no more (owner: review).

    ``cause`` is ``undone`` when its reviewer took it back at once, ``recheck`` when the answer
    came before reviewers again.
    """

    __tablename__ = "superseded_decisions"
    seal_key: ClassVar[tuple[str, ...]] = ("task_id", "id")
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("review_tasks.id"), index=True)
    kind: Mapped[str] = mapped_column(String(12))
    reviewer: Mapped[str] = mapped_column(String(80))
    reason: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    content_sha256: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[datetime]
    cause: Mapped[str] = mapped_column(String(12))
    superseded_by: Mapped[str] = mapped_column(String(80))
    superseded_at: Mapped[datetime]


class PendingDecisionRow(Base):
    """A decision that its reviewer may still take back (owner: review).

    Until ``due_at`` nothing is measured by it. ``wrong`` is what it said of the draft, and
    ``before`` the release as it was, null where there was none.
    """

    __tablename__ = "pending_decisions"
    task_id: Mapped[str] = mapped_column(ForeignKey("review_tasks.id"), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(index=True)
    wrong: Mapped[bool]
    before: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))


class RedraftRow(Sealed, Base):
    """A new draft for a review task, in the place of the record's (owner: review).

    ``content`` has the fields of a record that reviewers see; the newest ``number`` counts.
    Approvals up to ``approvals_before`` were of an earlier draft.
    """

    __tablename__ = "redrafts"
    task_id: Mapped[str] = mapped_column(ForeignKey("review_tasks.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[Json]
    content_sha256: Mapped[str] = mapped_column(String(64))
    approvals_before: Mapped[int]
    made_by: Mapped[str] = mapped_column(String(80))
    made_at: Mapped[datetime]


class BackgroundDraftRow(Base):
    """What the slower drafter made of a task, once for each (owner: review).

    ``content`` is as in ``RedraftRow``, and ``content_sha256`` what its hash will be once a
    reviewer takes it; null and "" while it is being made, and where nothing was found.
    """

    __tablename__ = "background_drafts"
    task_id: Mapped[str] = mapped_column(ForeignKey("review_tasks.id"), primary_key=True)
    model: Mapped[str] = mapped_column(String(400))
    content: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    content_sha256: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime]
