"""Who may do what: one table of actions, the role each needs, and how far its reach is.

Every route and every command does the same three steps: load the object, ``authorise`` the action
on it, do it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from app.access.principals import Principal
from app.errors import Forbidden, NotFound


class Reach(Enum):
    """What an action touches."""

    OWN = "what is the caller's own"
    COLLECTION = "what lies in collections; all of them must be within the caller's scope"
    SERVICE = "the whole service; nobody with a scope may do it"


@dataclass(frozen=True)
class Rule:
    """The role that an action needs (None: any of them), and its reach."""

    role: str | None
    reach: Reach


Action = Literal[
    "session.own",
    "password.own",
    "answers.ask",
    "answers.own",
    "passages.read",
    "documents.read",
    "documents.change",
    "documents.audit",
    "gaps.read",
    "jobs.read",
    "jobs.change",
    "index.read",
    "index.change",
    "reviews.read",
    "reviews.decide",
    "gold.manage",
    "gate.read",
    "gate.switch",
    "gate.switch_service",
    "gate.certify",
    "policy.read",
    "policy.try",
    "records.prove",
    "accounts.manage",
    "service.operate",
]

RULES: Mapping[Action, Rule] = {
    "session.own": Rule(None, Reach.OWN),
    "password.own": Rule(None, Reach.OWN),
    "answers.ask": Rule("asker", Reach.COLLECTION),
    "answers.own": Rule(None, Reach.OWN),
    "passages.read": Rule(None, Reach.COLLECTION),
    "documents.read": Rule(None, Reach.COLLECTION),
    "documents.change": Rule("operator", Reach.COLLECTION),
    "documents.audit": Rule("operator", Reach.SERVICE),
    "gaps.read": Rule("operator", Reach.COLLECTION),
    "jobs.read": Rule("operator", Reach.COLLECTION),
    "jobs.change": Rule("operator", Reach.COLLECTION),
    "index.read": Rule("operator", Reach.SERVICE),
    "index.change": Rule("operator", Reach.SERVICE),
    "reviews.read": Rule("reviewer", Reach.COLLECTION),
    "reviews.decide": Rule("reviewer", Reach.COLLECTION),
    "gold.manage": Rule("operator", Reach.SERVICE),
    "gate.read": Rule("operator", Reach.COLLECTION),
    "gate.switch": Rule("operator", Reach.COLLECTION),
    "gate.switch_service": Rule("operator", Reach.SERVICE),
    "gate.certify": Rule("operator", Reach.SERVICE),
    "policy.read": Rule("operator", Reach.COLLECTION),
    "policy.try": Rule("operator", Reach.COLLECTION),
    "records.prove": Rule("operator", Reach.SERVICE),
    "accounts.manage": Rule("admin", Reach.SERVICE),
    "service.operate": Rule("operator", Reach.SERVICE),
}


def authorise(
    principal: Principal, action: Action, collections: Iterable[str] = (), what: str = ""
) -> None:
    """Raise unless the principal may do the action on what lies in ``collections``.

    ``Forbidden`` for a missing role, or a scope where the action reaches the whole service;
    ``NotFound`` for a collection out of scope, which looks like one that does not exist. ``what``
    is the message of that.
    """
    rule = RULES[action]
    if rule.role is not None:
        principal.require(rule.role)
    elif not principal.roles:
        raise Forbidden("Your account has no role any more.")
    if rule.reach is Reach.SERVICE and principal.scope is not None:
        raise Forbidden("This concerns the whole service, and your account has a scope.")
    if not all(principal.may_read(name) for name in collections):
        raise NotFound(what or None)
