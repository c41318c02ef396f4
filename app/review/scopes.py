"""Who may read a task: everybody who may read all collections that its evidence comes from.

Where a question has no evidence, those count that it was asked of. What was asked of none may be
anybody's, so only reviewers without a scope read it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, select, true
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.review.tables import ReviewTaskRow, TaskScopeRow
from guardrails.contract import canonical_sha256


def collections_behind(
    evidence: Iterable[Mapping[str, Any]], searched: Mapping[str, Any]
) -> list[str]:
    """The collections of the evidence, or without any those that were searched."""
    found = {str(passage["collection"]) for passage in evidence}
    return sorted(found or searched.get("collections", ()))


def may_read(
    reader: Principal, evidence: Iterable[Mapping[str, Any]], searched: Mapping[str, Any]
) -> bool:
    """Whether all that stands behind an answer is within the reader's scope."""
    return reader.may_read_all(collections_behind(evidence, searched))


def scope_of(
    session: Session, evidence: Iterable[Mapping[str, Any]], searched: Mapping[str, Any]
) -> str:
    """The name of the set of collections behind a task; "" is none. A new set is written down.

    The transaction must hold the lock of the audit chain, else two could write the same set.
    """
    collections = collections_behind(evidence, searched)
    if not collections:
        return ""
    scope = canonical_sha256(collections)
    if session.get(TaskScopeRow, (scope, collections[0])) is None:
        session.add_all(TaskScopeRow(scope=scope, collection=name) for name in collections)
        session.flush()
    return scope


def sees(session: Session, reviewer: Principal, task: ReviewTaskRow) -> bool:
    """Whether the task is within the reviewer's scope."""
    query = select(TaskScopeRow.collection).where(TaskScopeRow.scope == task.scope)
    return reviewer.may_read_all(session.scalars(query))


def readable_by(reviewer: Principal) -> ColumnElement[bool]:
    """Of tasks: none of the collections behind it is beyond the reviewer's scope."""
    if reviewer.scope is None:
        return true()
    beyond = select(TaskScopeRow.scope).where(TaskScopeRow.collection.not_in(reviewer.scope))
    return and_(ReviewTaskRow.scope != "", ReviewTaskRow.scope.not_in(beyond))


def from_collection(collection: str) -> ColumnElement[bool]:
    """Of tasks: this collection is one of those behind it."""
    holding = select(TaskScopeRow.scope).where(TaskScopeRow.collection == collection)
    return ReviewTaskRow.scope.in_(holding)
