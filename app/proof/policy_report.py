"""The policy in force beside the one before it, and how far the shadow policy agrees with it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.db import iso
from app.records.tables import PolicyRow, RecordRow
from guardrails.policy.changes import PolicyChange, policy_changes
from guardrails.policy.decide import Policy

MOST_LOOKED_AT = 2000
"""Answers that the figures of the shadow are of, the newest ones."""


@dataclass(frozen=True)
class PolicyBeforeView:
    """The policy that judged answers before the one in force did."""

    name: str
    version: int
    sha256: str
    first_used_at: str


@dataclass(frozen=True)
class PolicyChangeView:
    """One place that differs; ``before`` "" where something was added, ``after`` where it went."""

    where: str
    before: str
    after: str


@dataclass(frozen=True)
class ShadowView:
    """How the shadow policy would have decided the newest answers that it saw."""

    answers: int
    agree: int
    milder: int
    stricter: int
    error: int


@dataclass(frozen=True)
class PolicyReportView:
    """The policy in force: what differs from the one before, and figures of the shadow."""

    name: str
    version: int
    sha256: str
    first_used_at: Annotated[str | None, Field(description="null: it has judged nothing yet.")]
    before: PolicyBeforeView | None
    changes: list[PolicyChangeView] = field(default_factory=list)
    shadow: ShadowView | None = None


def policy_report(
    session: Session, principal: Principal, policy: Policy, shadow: Policy | None
) -> PolicyReportView:
    """Of policies that have judged an answer; the shadow's figures are of answers for which only
    collections were searched that the principal may read."""
    used = session.get(PolicyRow, policy.sha256)
    earlier = select(PolicyRow).where(PolicyRow.sha256 != policy.sha256)
    if used is not None:
        earlier = earlier.where(PolicyRow.first_used_at <= used.first_used_at)
    before = session.scalars(earlier.order_by(PolicyRow.first_used_at.desc()).limit(1)).first()
    changes = policy_changes(before.content, policy.content) if before is not None else []
    return PolicyReportView(
        name=policy.name,
        version=policy.version,
        sha256=policy.sha256,
        first_used_at=iso(used.first_used_at) if used is not None else None,
        before=_before(before) if before is not None else None,
        changes=[_change(one) for one in changes],
        shadow=_shadow(session, principal, shadow) if shadow is not None else None,
    )


def _before(row: PolicyRow) -> PolicyBeforeView:
    name, version = str(row.content.get("name", "")), int(row.content.get("version", 0))
    return PolicyBeforeView(name, version, row.sha256, iso(row.first_used_at) or "")


def _change(one: PolicyChange) -> PolicyChangeView:
    return PolicyChangeView(one.where, one.before, one.after)


def _shadow(session: Session, principal: Principal, shadow: Policy) -> ShadowView:
    query: Select[*tuple[Any, ...]] = (
        select(RecordRow.shadow, RecordRow.searched)
        .order_by(RecordRow.number.desc())
        .limit(MOST_LOOKED_AT)
    )
    found: Counter[str] = Counter()
    for told, searched in session.execute(query):
        if _is_of(told, shadow) and _may_see(principal, searched):
            found[told["agreement"]] += 1
    names = ("agree", "milder", "stricter", "error")
    return ShadowView(found.total(), **{name: found[name] for name in names})


def _is_of(told: Mapping[str, Any] | None, shadow: Policy) -> bool:
    return told is not None and told["policy_sha256"] == shadow.sha256


def _may_see(principal: Principal, searched: Mapping[str, Sequence[str]]) -> bool:
    return principal.may_read_all(searched.get("collections", ()))
