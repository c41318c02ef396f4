"""All tables. Each has one owner module, named in its docstring; nobody else writes it."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = dict[str, Any]
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """The declarative base; Alembic compares the database with its metadata."""

    type_annotation_map = {Json: JSON, list[str]: JSON, list[Any]: JSON}  # noqa: RUF012


class PrincipalRow(Base):
    """A person or program (owner: access). ``scope`` lists collections; null means all."""

    __tablename__ = "principals"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    roles: Mapped[list[str]]
    scope: Mapped[list[Any] | None] = mapped_column(JSON)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]


class ApiKeyRow(Base):
    """An API key, stored as a SHA-256 (owner: access)."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    principal: Mapped[str] = mapped_column(ForeignKey("principals.name"))
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SessionRow(Base):
    """A browser sign-in; the cookie's token is stored hashed (owner: access)."""

    __tablename__ = "sessions"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    principal: Mapped[str] = mapped_column(ForeignKey("principals.name"))
    csrf_token: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]


class IdempotencyRow(Base):
    """The stored response of a POST with an idempotency key (owner: access)."""

    __tablename__ = "idempotency_keys"
    principal: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    response: Mapped[Json | None]
    created_at: Mapped[datetime]


class DocumentRow(Base):
    """A document (owner: corpus). ``revision`` counts changes of its content.

    ``stored_at`` is the file to read, ``source`` the name people know it by, ``valid_until`` its
    last valid day (ISO 8601).
    """

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("collection", "source"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection: Mapped[str] = mapped_column(String(80), index=True)
    source: Mapped[str] = mapped_column(String(1000))
    stored_at: Mapped[str] = mapped_column(String(2000))
    title: Mapped[str] = mapped_column(String(500))
    media_type: Mapped[str] = mapped_column(String(120))
    sha256: Mapped[str] = mapped_column(String(64))
    revision: Mapped[int]
    state: Mapped[str] = mapped_column(String(12), index=True)
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_message: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    valid_until: Mapped[str | None] = mapped_column(String(10))


class PassageRow(Base):
    """A passage of one revision of a document, with its embedding (owner: corpus).

    ``suspect`` says why it seems to give orders; null: it does not.
    """

    __tablename__ = "passages"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    document_id: Mapped[str] = mapped_column(
        ForeignKey("documents.id", ondelete="CASCADE"), index=True
    )
    revision: Mapped[int]
    ordinal: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    start: Mapped[int]
    end: Mapped[int]
    page: Mapped[int | None]
    embedder: Mapped[str] = mapped_column(String(200))
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    suspect: Mapped[str | None] = mapped_column(String(200))


class IndexVersionRow(Base):
    """An index version: building, verified, live, retired or failed (owner: corpus)."""

    __tablename__ = "index_versions"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[str] = mapped_column(String(12), index=True)
    passages: Mapped[int]
    embedder: Mapped[str] = mapped_column(String(200))
    manifest_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    promoted_at: Mapped[datetime | None]


class IndexPassagesRow(Base):
    """What an index version holds of a collection (owner: changes).

    ``passages`` are pairs of hashes, of document and text, 16 bytes each.
    """

    __tablename__ = "index_passages"
    version_id: Mapped[str] = mapped_column(
        ForeignKey("index_versions.id", ondelete="CASCADE"), primary_key=True
    )
    collection: Mapped[str] = mapped_column(String(80), primary_key=True)
    passages: Mapped[bytes] = mapped_column(LargeBinary)


class LiveIndexRow(Base):
    """The one pointer to the live index version (owner: corpus)."""

    __tablename__ = "live_index"
    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[str | None] = mapped_column(ForeignKey("index_versions.id"))


class RecordRow(Base):
    """The write-once trail of one answer (owner: records).

    ``inputs`` is what judging saw that nobody is shown: the draft's features, its model, the
    caller's schema, and whether there was a second try; null before replay was possible.
    ``facts`` are what conditions of the policy looked at beside question, draft, evidence and
    findings. ``shadow`` is the verdict of the policy that runs in the shadow, if one does.
    """

    __tablename__ = "records"
    answer_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    principal: Mapped[str] = mapped_column(String(80))
    question: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(12))
    message: Mapped[str] = mapped_column(Text)
    draft: Mapped[Json | None]
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
    __table_args__ = (
        Index("ix_records_principal_created", "principal", "created_at"),
        Index("ix_records_created_at", "created_at"),
    )


class PolicyRow(Base):
    """The content of each policy that judged an answer, kept once (owner: records)."""

    __tablename__ = "policies"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[Json]
    first_used_at: Mapped[datetime]


class ReleaseRow(Base):
    """What the asker may see, and who let it out (owner: records).

    A release that a later review found wrong is withdrawn, never deleted.
    """

    __tablename__ = "releases"
    answer_id: Mapped[str] = mapped_column(ForeignKey("records.answer_id"), primary_key=True)
    answer: Mapped[Json]
    released_by: Mapped[str] = mapped_column(String(12))
    edited: Mapped[bool]
    released_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class AuditRow(Base):
    """One link of the hash chain of all decisions (owner: records)."""

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


class GateModeRow(Base):
    """The release mode of one collection, or of the whole service as "" (owner: gate)."""

    __tablename__ = "gate_modes"
    collection: Mapped[str] = mapped_column(String(400), primary_key=True)
    mode: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text)
    changed_by: Mapped[str] = mapped_column(String(80))
    changed_at: Mapped[datetime]


class CertificateRow(Base):
    """A certificate of one stratum, and its running test (owner: gate).

    State: live, superseded by a newer one, revoked, or violated by the running test.
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
    __table_args__ = (Index("ix_certificates_stratum", "collection", "risk_class"),)


class CertificatePassagesRow(Base):
    """What the index held of a collection when a certificate came into force (owner: changes).

    ``texts`` are the sorted hashes of its passages' texts, 8 bytes each.
    """

    __tablename__ = "certificate_passages"
    certificate_id: Mapped[str] = mapped_column(ForeignKey("certificates.id"), primary_key=True)
    collection: Mapped[str] = mapped_column(String(80), primary_key=True)
    texts: Mapped[bytes] = mapped_column(LargeBinary)


class LabelRow(Base):
    """One judged answer that the policy had let pass (owner: gate); written with its decision."""

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
    __table_args__ = (Index("ix_labels_stratum", "collection", "risk_class"),)


class GateAlarmRow(Base):
    """A monitor that saw answers change (owner: drift); open until an operator clears it."""

    __tablename__ = "gate_alarms"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection: Mapped[str] = mapped_column(String(400))
    monitor: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(Text)
    raised_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
