"""Who asks: principals, their roles and their scope."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from app.access.tables import PrincipalRow
from app.errors import Forbidden, Invalid, NotFound
from app.look_alikes import is_plain

ROLES = ("asker", "reviewer", "operator", "admin")
MAX_NAME = 80


@dataclass(frozen=True)
class Principal:
    """An authenticated caller. ``scope`` None means every collection.

    ``credential`` names the API key or the sign-in that the caller came with.
    """

    name: str
    roles: frozenset[str]
    scope: tuple[str, ...] | None = None
    credential: str = field(default="", compare=False)

    def require(self, role: str) -> None:
        """Raise ``Forbidden`` unless the principal has the role."""
        if role not in self.roles:
            raise Forbidden(f"This needs the role {role}.")

    def may_read(self, collection: str) -> bool:
        """Whether the collection is within the principal's scope."""
        return self.scope is None or collection in self.scope

    def may_read_all(self, collections: Iterable[str]) -> bool:
        """Whether all of the collections are within the scope. What comes from none at all may be
        anybody's, so only a principal without a scope reads it."""
        named = list(collections)
        return self.scope is None or (bool(named) and all(map(self.may_read, named)))

    def readable(self, collections: Iterable[str]) -> list[str]:
        """Those of ``collections`` within the scope, in order."""
        return [name for name in collections if self.may_read(name)]


LOCAL = Principal("local", frozenset(ROLES))
"""Whoever runs the command line on the machine that holds the database."""


OF_THE_SERVICE = frozenset({"gate", "retention"})
"""Who did what no person did: ``app.gate.strata.GATE`` and ``app.proof.erasure.RETENTION``."""


def check_name(name: str) -> None:
    """Raise ``Invalid`` for a name that a principal cannot have."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or "/" in name:
        raise Invalid(f"A name has 1 to {MAX_NAME} printable characters, and no slash.")
    if not is_plain(name):
        raise Invalid(
            "A name is in letters of one script, in their usual form, with nothing invisible and "
            "no space at its ends: it would look like another name."
        )
    if name.casefold() == LOCAL.name:
        raise Invalid(f"The name {LOCAL.name} belongs to the command line.")
    if name.casefold() in OF_THE_SERVICE:
        raise Invalid(f"The name {name} stands in the audit log for what the service does itself.")


def check_roles(roles: Sequence[str]) -> None:
    """Raise ``Invalid`` unless there is a role, and every one is known."""
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        raise Invalid(
            f"Roles are some of {', '.join(ROLES)}; found {', '.join(unknown) or 'none'}."
        )


def check_scope(scope: Sequence[str] | None) -> None:
    """Raise ``Invalid`` for a scope that names what cannot be a collection."""
    if any(not 1 <= len(name) <= MAX_NAME or not name.isprintable() for name in scope or ()):
        raise Invalid(f"A collection's name has 1 to {MAX_NAME} printable characters.")


def lock_active(session: Session, name: str) -> None:
    """Hold the row of a principal until the transaction ends: a key that is made while its
    principal is disabled must not outlive that. Raises ``NotFound`` unless there is an active one.
    """
    row = session.get(PrincipalRow, name, with_for_update=True)
    if row is None or row.disabled_at is not None:
        raise NotFound(f"There is no active principal named {name}.")


def principal_of(row: PrincipalRow, credential: str = "") -> Principal:
    """The principal of a row."""
    scope = tuple(str(name) for name in row.scope) if row.scope is not None else None
    return Principal(row.name, frozenset(row.roles), scope, credential)
