"""Who may read a task: everybody who may read all collections that its evidence comes from."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.review.tables import ReviewTaskRow, TaskScopeRow
from guardrails.contract import canonical_sha256


def scope_of(session: Session, evidence: Iterable[Mapping[str, Any]]) -> str:
    """The name of the set of collections of these passages; a new set is written down.

    The transaction must hold the lock of the audit chain, else two could write the same set.
    """
    collections = sorted({str(passage["collection"]) for passage in evidence})
    if not collections:
        return ""
    scope = canonical_sha256(collections)
    if session.get(TaskScopeRow, (scope, collections[0])) is None:
        session.add_all(TaskScopeRow(scope=scope, collection=name) for name in collections)
        session.flush()
    return scope


def readable_by(reviewer: Principal) -> ColumnElement[bool]:
    """Of tasks: no collection of the evidence is beyond the reviewer's scope."""
    if reviewer.scope is None:
        return true()
    beyond = select(TaskScopeRow.scope).where(TaskScopeRow.collection.not_in(reviewer.scope))
    return ReviewTaskRow.scope.not_in(beyond)


def from_collection(collection: str) -> ColumnElement[bool]:
    """Of tasks: some of the evidence comes from this collection."""
    holding = select(TaskScopeRow.scope).where(TaskScopeRow.collection == collection)
    return ReviewTaskRow.scope.in_(holding)
