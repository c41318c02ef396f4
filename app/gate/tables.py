"""Tables of modes, certificates, labels, trials, alarms, reviewer checks (owner: gate)."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, LargeBinary, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from app.db import SEQUENCE, Base, Json
from app.records.seals import Sealed


class GateModeRow(Sealed, Base):
    """The release mode of one collection, or of the whole service as "" (owner: gate)."""

    __tablename__ = "gate_modes"
    collection: Mapped[str] = mapped_column(String(400), primary_key=True)
    mode: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text)
    changed_by: Mapped[str] = mapped_column(String(80))
    changed_at: Mapped[datetime]


class CertificateRow(Sealed, Base):
    """A certificate of one stratum, and its running test (owner: gate).

    State: live, superseded by a newer one, revoked, or violated by the running test. ``number``
    and ``ended_number`` are the audit links of its beginning and its end: they tell what came
    first, times are for people.
    """

    __tablename__ = "certificates"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    collection: Mapped[str] = mapped_column(String(400))
    risk_class: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(12))
    certificate: Mapped[Json]
    process: Mapped[Json]
    index_version: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    number: Mapped[int] = mapped_column(SEQUENCE, server_default="0")
    ended_number: Mapped[int | None] = mapped_column(SEQUENCE)
    __table_args__ = (Index("ix_certificates_stratum", "collection", "risk_class"),)


class CertificatePassagesRow(Base):
    """What the index held of a collection when a certificate came into force (owner: gate).

    ``texts`` are the sorted hashes of its passages' texts, 8 bytes each.
    """

    __tablename__ = "certificate_passages"
    certificate_id: Mapped[str] = mapped_column(ForeignKey("certificates.id"), primary_key=True)
    collection: Mapped[str] = mapped_column(String(80), primary_key=True)
    texts: Mapped[bytes] = mapped_column(LargeBinary)


class LabelRow(Sealed, Base):
    """One judged answer that the policy had let pass (owner: gate); written with its decision.

    ``number`` is the newest audit link when it was decided, ``answered`` the one when its draft
    was judged. ``weight`` is at most ``largest``, which any answer of the stratum could have had
    then; null where that was not noted. ``looked`` says which certificates counted it: "" none yet,
    "day" one that may be looked at any day, "once" a single look, which uses it up. ``key`` is the
    hash of question, answer and cited passages. ``pending``: the answer changed since, and nobody
    has labelled it as it is now; it counts as wrong. ``loss`` is how much a wrong answer counts;
    null: 1.
    """

    __tablename__ = "labels"
    answer_id: Mapped[str] = mapped_column(ForeignKey("records.answer_id"), primary_key=True)
    collection: Mapped[str] = mapped_column(String(400))
    risk_class: Mapped[str] = mapped_column(String(80))
    risk: Mapped[float] = mapped_column(Float)
    wrong: Mapped[bool]
    weight: Mapped[float] = mapped_column(Float)
    source: Mapped[str] = mapped_column(String(12))
    certificate: Mapped[str] = mapped_column(String(64))
    lineage_sha256: Mapped[str] = mapped_column(String(64))
    labelled_at: Mapped[datetime]
    number: Mapped[int] = mapped_column(SEQUENCE, server_default="0")
    answered: Mapped[int] = mapped_column(SEQUENCE, server_default="0")
    largest: Mapped[float | None] = mapped_column(Float)
    looked: Mapped[str] = mapped_column(String(8), server_default="day")
    key: Mapped[str] = mapped_column(String(64), server_default="")
    loss: Mapped[float | None] = mapped_column(Float)
    pending: Mapped[bool] = mapped_column(server_default=false())
    __table_args__ = (
        Index("ix_labels_stratum", "collection", "risk_class"),
        Index("ix_labels_key", "key"),
    )


class LabelDrawRow(Base):
    """An answer that a labelling session showed (owner: gate): above ``ceiling`` it left answers
    out, so that the label says nothing of thresholds above."""

    __tablename__ = "label_draws"
    answer_id: Mapped[str] = mapped_column(ForeignKey("records.answer_id"), primary_key=True)
    ceiling: Mapped[float] = mapped_column(Float)
    drawn_at: Mapped[datetime]


class PlannedLookRow(Sealed, Base):
    """The look that was planned for the labels of a stratum and lineage (owner: gate).

    ``miss_bound`` is what reviewers were known to miss then. ``spent``: labels were moved into or
    out of the stratum, so that there is no look any more. ``number`` is its audit link.
    """

    __tablename__ = "planned_looks"
    collection: Mapped[str] = mapped_column(String(400), primary_key=True)
    risk_class: Mapped[str] = mapped_column(String(80), primary_key=True)
    lineage_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    labels: Mapped[int]
    alpha: Mapped[float] = mapped_column(Float)
    delta: Mapped[float] = mapped_column(Float)
    miss_bound: Mapped[float] = mapped_column(Float)
    spent: Mapped[bool]
    number: Mapped[int] = mapped_column(SEQUENCE)
    planned_by: Mapped[str] = mapped_column(String(80))
    planned_at: Mapped[datetime]


class TrialRow(Base):
    """A generator version that is tried (owner: trials); its beginning and end are audit links.

    State: running, stopped by an operator, or rolled_back by itself. ``comparison`` is the state of
    its test, ``answers`` counts outcomes of the version that is ``tried`` and of the ``other``, and
    ``waiting`` are the newest of either that have no pair.
    """

    __tablename__ = "trials"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[str] = mapped_column(String(80))
    shadow: Mapped[bool]
    share: Mapped[float] = mapped_column(Float)
    state: Mapped[str] = mapped_column(String(12), index=True)
    reason: Mapped[str] = mapped_column(Text)
    comparison: Mapped[Json]
    answers: Mapped[Json]
    waiting: Mapped[Json]
    started_by: Mapped[str] = mapped_column(String(80))
    started_at: Mapped[datetime]
    ended_by: Mapped[str] = mapped_column(String(80))
    ended_at: Mapped[datetime | None]


class ShadowAnswerRow(Base):
    """What a version in the shadow drafted beside an answer (owner: trials); no asker sees it.

    ``draft`` is null where it failed.
    """

    __tablename__ = "shadow_answers"
    answer_id: Mapped[str] = mapped_column(ForeignKey("records.answer_id"), primary_key=True)
    trial_id: Mapped[str] = mapped_column(ForeignKey("trials.id"), index=True)
    draft: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    outcome: Mapped[Json]
    made_at: Mapped[datetime]


class HardQuestionRow(Base):
    """A question that the generator in use left hard (owner: hard_questions).

    ``pair`` is a hash of that generator and of the larger one, ``cell_group`` and ``kind`` say what
    it was like. Whether the larger one was ``asked``, and ``failed``; what that cost, in the unit
    of the budget. No words are kept.
    """

    __tablename__ = "hard_questions"
    answer_id: Mapped[str] = mapped_column(ForeignKey("records.answer_id"), primary_key=True)
    pair: Mapped[str] = mapped_column(String(64))
    cell_group: Mapped[str] = mapped_column(String(24))
    kind: Mapped[str] = mapped_column(String(24))
    asked: Mapped[bool]
    failed: Mapped[bool]
    cost: Mapped[float] = mapped_column(Float)
    came_at: Mapped[datetime]
    __table_args__ = (Index("ix_hard_questions_pair", "pair", "came_at"),)


class LargerHourRow(Base):
    """What the larger generator was paid in an hour, by all processes (owner: hard_questions).
    ``hour`` counts from the epoch."""

    __tablename__ = "larger_hours"
    hour: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    spent: Mapped[float] = mapped_column(Float)


class GateAlarmRow(Sealed, Base):
    """A monitor that saw answers change (owner: gate); open until an operator clears it."""

    __tablename__ = "gate_alarms"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection: Mapped[str] = mapped_column(String(400))
    monitor: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(Text)
    raised_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]


class ReviewerCheckRow(Sealed, Base):
    """What a reviewer said where the truth, or another's word, is known (owner: reviewer_error).

    ``kind`` is ``gold`` or ``second``. ``expected_wrong`` is the truth of a gold item, or what the
    first reviewer said. ``task_id`` names the review task that it comes from.
    """

    __tablename__ = "reviewer_checks"
    # The database numbers them, after their link is written.
    seal_key: ClassVar[tuple[str, ...]] = ("task_id",)
    unsealed: ClassVar[frozenset[str]] = frozenset({"number"})
    number: Mapped[int] = mapped_column(SEQUENCE, primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    collection: Mapped[str] = mapped_column(String(400))
    reviewer: Mapped[str] = mapped_column(String(80))
    expected_wrong: Mapped[bool]
    called_wrong: Mapped[bool]
    task_id: Mapped[str] = mapped_column(String(32), unique=True)
    __table_args__ = (Index("ix_reviewer_checks_kind", "kind", "collection"),)
