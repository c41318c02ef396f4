"""The tables of principals, keys, sign-ins and idempotency keys; ``app.access`` writes them."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json
from app.records.seals import Sealed


class PrincipalRow(Sealed, Base):
    """A person or program (owner: access). ``scope`` lists collections; null means all.

    ``authority`` is by what right a reviewer decides, ``trained_on`` the day (YYYY-MM-DD) when they
    were last trained.
    ``oidc_subject`` is the hash of issuer and subject of whom a sign-in provider vouches for.
    """

    __tablename__ = "principals"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    roles: Mapped[list[str]]
    scope: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    authority: Mapped[str | None] = mapped_column(String(200))
    trained_on: Mapped[str | None] = mapped_column(String(10))
    oidc_subject: Mapped[str | None] = mapped_column(String(64), unique=True, index=True)


class ApiKeyRow(Sealed, Base):
    """An API key, stored as a SHA-256 (owner: access). ``last_used_at`` is exact to minutes."""

    __tablename__ = "api_keys"
    unsealed: ClassVar[frozenset[str]] = frozenset({"last_used_at"})
    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    principal: Mapped[str] = mapped_column(ForeignKey("principals.name"))
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class SessionRow(Base):
    """A browser sign-in; the cookie's token is stored hashed (owner: access).

    ``started_at`` is null for sign-ins from before it was kept.
    """

    __tablename__ = "sessions"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    principal: Mapped[str] = mapped_column(ForeignKey("principals.name"))
    csrf_token: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]
    started_at: Mapped[datetime | None]


class IdempotencyRow(Base):
    """A POST that came with an idempotency key (owner: access).

    ``response`` is ``{"id": …}``, what the request made, never the response itself: what may be
    shown of it can change. Null while the request runs.
    """

    __tablename__ = "idempotency_keys"
    principal: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    response: Mapped[Json | None]
    created_at: Mapped[datetime]


class WidgetKeyRow(Sealed, Base):
    """A publishable key (owner: access): what a chat widget on the sites ``origins`` may ask with.

    ``key`` stands in the page of that site, so it is no secret; ``secret`` signs its visitors.
    """

    __tablename__ = "widget_keys"
    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    principal: Mapped[str] = mapped_column(ForeignKey("principals.name"))
    key: Mapped[str] = mapped_column(String(64), unique=True)
    secret: Mapped[str] = mapped_column(String(64))
    origins: Mapped[list[str]]
    questions_per_minute: Mapped[int]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class OidcAttemptRow(Base):
    """A sign-in that somebody has begun at the provider (owner: access); it is taken once.

    ``token_sha256`` is that of the cookie of the browser that began it.
    """

    __tablename__ = "oidc_attempts"
    state_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64))
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]


class QuotaCountRow(Base):
    """How often something happened in a minute, in all processes (owner: access). ``key`` is a
    SHA-256 of what and who; ``minute`` counts from the epoch."""

    __tablename__ = "quota_counts"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    minute: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    count: Mapped[int]


class SignInPlaceRow(Base):
    """That somebody signed in with a name from an address (owner: access); both are hashes."""

    __tablename__ = "sign_in_places"
    person: Mapped[str] = mapped_column(String(64), primary_key=True)
    place: Mapped[str] = mapped_column(String(64), primary_key=True)
    seen_at: Mapped[datetime]
