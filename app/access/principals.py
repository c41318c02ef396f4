"""Who asks: principals, their roles and their scope."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.access.tables import PrincipalRow
from app.errors import Forbidden, Invalid

ROLES = ("asker", "reviewer", "operator")


@dataclass(frozen=True)
class Principal:
    """An authenticated caller. ``scope`` None means every collection."""

    name: str
    roles: frozenset[str]
    scope: tuple[str, ...] | None = None

    def require(self, role: str) -> None:
        """Raise ``Forbidden`` unless the principal has the role."""
        if role not in self.roles:
            raise Forbidden(f"This needs the role {role}.")

    def may_read(self, collection: str) -> bool:
        """Whether the collection is within the principal's scope."""
        return self.scope is None or collection in self.scope

    def readable(self, collections: Iterable[str]) -> list[str]:
        """Those of ``collections`` within the scope, in order."""
        return [name for name in collections if self.may_read(name)]


LOCAL = Principal("local", frozenset(ROLES))
"""Whoever runs the command line on the machine that holds the database."""


def check_principal(name: str, roles: Sequence[str]) -> None:
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise Invalid("A name has 1 to 80 printable characters.")
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        raise Invalid(
            f"Roles are some of {', '.join(ROLES)}; found {', '.join(unknown) or 'none'}."
        )


def principal_of(row: PrincipalRow) -> Principal:
    scope = tuple(str(name) for name in row.scope) if row.scope is not None else None
    return Principal(row.name, frozenset(row.roles), scope)
