"""Tables of records, releases, settlements and the audit chain; ``app.records`` writes them."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, Float, ForeignKey, Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from app.db import SEQUENCE, Base, Json
from app.records.seals import Sealed
from guardrails.contract import AnswerObject


class RecordRow(Sealed, Base):
    """The write-once trail of one answer (owner: records).

    ``inputs`` is what judging saw that nobody is shown: the draft's features, its model, the
    caller's schema, and whether there was a second try; null before replay was possible.
    ``facts`` are what conditions of the policy looked at beside question, draft, evidence and
    findings. ``shadow`` is the verdict of the policy that runs in the shadow, if one does.
    ``number`` is that of the audit link that recorded it: it says what came first. It is 0 where
    there is none. ``conversation`` is the id of the answer that its conversation began with.
    """

    __tablename__ = "records"
    unsealed: ClassVar[frozenset[str]] = frozenset({"number", "conversation"})
    answer_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    principal: Mapped[str] = mapped_column(String(80))
    question: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(12))
    message: Mapped[str] = mapped_column(Text)
    draft: Mapped[AnswerObject | None] = mapped_column(JSON)
    evidence: Mapped[list[Any]]
    findings: Mapped[list[Any]]
    verdict: Mapped[Json]
    lineage: Mapped[Json]
    searched: Mapped[Json]
    timings_ms: Mapped[Json]
    inputs: Mapped[Json | None] = mapped_column(JSON)
    content_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    gate: Mapped[Json | None]
    facts: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    shadow: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    number: Mapped[int] = mapped_column(SEQUENCE, default=0, server_default="0", index=True)
    conversation: Mapped[str | None] = mapped_column(String(32))
    __table_args__ = (
        Index("ix_records_conversation", "principal", "conversation", "created_at"),
        Index("ix_records_principal_created", "principal", "created_at"),
        Index("ix_records_created_at", "created_at"),
    )


class ConversationRow(Base):
    """What an asker made of one of their conversations (owner: records); most have no row.

    ``id`` is that of its first answer. ``title`` null: its first question that is no
    small talk. One that is hidden is off its asker's list; the records stay. ``seen`` is the number
    of the newest settlement when its asker last saw its answers; null: none was seen.
    """

    __tablename__ = "conversations"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    principal: Mapped[str] = mapped_column(String(80), index=True)
    title: Mapped[str | None] = mapped_column(String(200))
    hidden_at: Mapped[datetime | None]
    seen: Mapped[int | None] = mapped_column(SEQUENCE)


class FeedbackRow(Base):
    """What an asker said of an answer, newest word only (owner: records)."""

    __tablename__ = "feedback"
    answer_id: Mapped[str] = mapped_column(ForeignKey("records.answer_id"), primary_key=True)
    useful: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text)
    given_at: Mapped[datetime] = mapped_column(index=True)


class PolicyRow(Base):
    """The content of each policy that judged an answer, kept once (owner: records)."""

    __tablename__ = "policies"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[Json]
    first_used_at: Mapped[datetime]


class ReleaseRow(Sealed, Base):
    """What the asker may see, and who let it out (owner: records).

    A release that a later review found wrong is withdrawn, never deleted.
    """

    __tablename__ = "releases"
    answer_id: Mapped[str] = mapped_column(ForeignKey("records.answer_id"), primary_key=True)
    answer: Mapped[AnswerObject] = mapped_column(JSON)
    released_by: Mapped[str] = mapped_column(String(12))
    edited: Mapped[bool]
    released_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class SettlementRow(Sealed, Base):
    """What became of an answer after it was recorded (owner: records); no row: nothing yet.

    ``state`` is released, corrected, withdrawn, refused, expired, reopened, recalled or erased; an
    answer that the policy released has a row only when something changed that. ``number`` is the
    newest audit link about it, so it grows with every change. ``message`` is what its asker is
    told, where a reviewer wrote it.
    """

    __tablename__ = "settlements"
    answer_id: Mapped[str] = mapped_column(ForeignKey("records.answer_id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(12))
    number: Mapped[int] = mapped_column(SEQUENCE, index=True)
    settled_at: Mapped[datetime]
    message: Mapped[str | None] = mapped_column(Text)


class AnswerDayRow(Base):
    """How many answers of a day are in one state, and what was spent on them (owner: records).

    ``searched`` names the set of ``collections`` that were searched; ``state`` is as in
    ``SettlementRow``, "" for what nobody has settled. CPU seconds and tokens stay where an answer
    was recorded, whatever becomes of it.
    """

    __tablename__ = "answer_days"
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    searched: Mapped[str] = mapped_column(String(64), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(12), primary_key=True)
    state: Mapped[str] = mapped_column(String(12), primary_key=True)
    collections: Mapped[list[str]]
    answers: Mapped[int] = mapped_column(SEQUENCE)
    cpu_s: Mapped[float] = mapped_column(Float)
    tokens_read: Mapped[float] = mapped_column(Float)
    tokens_written: Mapped[float] = mapped_column(Float)


class CitationRow(Base):
    """A passage that a released answer cites (owner: records): which answers rest on a document.

    ``kept`` says that a person looked after the passage had changed, and lets the answer stand.
    """

    __tablename__ = "citations"
    answer_id: Mapped[str] = mapped_column(ForeignKey("records.answer_id"), primary_key=True)
    passage_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    document_id: Mapped[str] = mapped_column(String(32), index=True)
    kept: Mapped[bool] = mapped_column(server_default=false(), default=False)


class AuditRow(Base):
    """One link of the hash chain of all decisions (owner: records).

    ``event`` says what happened, and in ``rows`` the seals of the rows that it changed; links from
    before there were seals have no ``rows``.
    """

    __tablename__ = "audit_log"
    number: Mapped[int] = mapped_column(SEQUENCE, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(40))
    event: Mapped[Json]
    previous_sha256: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))


class AuditHeadRow(Base):
    """The end of the audit chain; locking it orders the writers (owner: records)."""

    __tablename__ = "audit_head"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(SEQUENCE)
    sha256: Mapped[str] = mapped_column(String(64))
