"""The tables of review tasks, decisions and probes; only ``app.review`` writes them."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json


class TaskColumns:
    """What a review task and a probe have alike; ``fence`` grows with every claim.

    With ``four_eyes`` two reviewers must approve the same answer.
    """

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[str] = mapped_column(String(12), index=True)
    claimed_by: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[datetime | None]
    fence: Mapped[int]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(12), server_default="held")
    queue: Mapped[str] = mapped_column(String(40), server_default="", default="")
    four_eyes: Mapped[bool] = mapped_column(server_default=false(), default=False)


class ReviewTaskRow(TaskColumns, Base):
    """A draft waiting for a person (owner: review).

    ``kind`` is ``held``, or ``audit`` for an answer that was released and is checked afterwards.
    """

    __tablename__ = "review_tasks"
    answer_id: Mapped[str] = mapped_column(ForeignKey("records.answer_id"), unique=True)


class GoldItemRow(Base):
    """An answer that is known to be wrong or right (owner: probes).

    ``content`` is what a reviewer is shown of it: the fields of a record named in
    ``app.probes.SHOWN``. ``task_id`` is the review task that it comes from; null: from a file.
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


class ProbeRow(TaskColumns, Base):
    """A task that measures reviewers: a gold item, or a blind second review (owner: probes).

    It looks like a review task, but belongs to no record: nothing can be released by it.
    ``answer_id`` is made up. ``expected_wrong`` is the truth of a gold item or the first
    reviewer's word; ``called_wrong`` what this reviewer said, null while that is no measurement.
    ``first_task`` is the review task with the same content, if there is one; ``known_by`` are those
    who know what became of it, and do not see the probe.
    """

    __tablename__ = "probes"
    answer_id: Mapped[str] = mapped_column(String(32))
    collection: Mapped[str] = mapped_column(String(400))
    gold_item: Mapped[str | None] = mapped_column(ForeignKey("gold_items.id"))
    first_task: Mapped[str | None] = mapped_column(ForeignKey("review_tasks.id"))
    known_by: Mapped[list[str]]
    content: Mapped[Json]
    content_sha256: Mapped[str] = mapped_column(String(64))
    expected_wrong: Mapped[bool]
    called_wrong: Mapped[bool | None]
    decision: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))


class ApprovalRow(Base):
    """One reviewer's approval of one answer to a four-eyes task (owner: review).

    The newest ``number`` of a task says which answer is proposed. The key allows nobody to
    approve the same answer twice.
    """

    __tablename__ = "approvals"
    task_id: Mapped[str] = mapped_column(ForeignKey("review_tasks.id"), primary_key=True)
    reviewer: Mapped[str] = mapped_column(String(80), primary_key=True)
    answer_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int]
    answer: Mapped[Json]
    edited: Mapped[bool]
    approved_at: Mapped[datetime]


class DecisionRow(Base):
    """The one decision on a review task (owner: review); the key allows no second."""

    __tablename__ = "decisions"
    task_id: Mapped[str] = mapped_column(ForeignKey("review_tasks.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    reviewer: Mapped[str] = mapped_column(String(80))
    reason: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    content_sha256: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[datetime]
