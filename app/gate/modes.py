"""How drafts are released: the mode of the service and of each collection.

    off                 the policy alone decides
    provisional         a certificate of one's own, else the shipped one from public data
    certified           only a certificate of one's own
    review_everything   a reviewer sees every draft before its asker
    retrieval_only      nothing is drafted; the passages found are named

The strictest of the mode of the service and those of the collections an answer cites counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.corpus.tables import CollectionRow
from app.db import Database, iso, now
from app.errors import Invalid, NotFound
from app.gate.strata import MAX_STRATUM, SERVICE, UNION
from app.gate.tables import GateModeRow
from app.records.audit import append_audit, lock_head

Mode = Literal["off", "provisional", "certified", "review_everything", "retrieval_only"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""From the laxest to the strictest."""


@dataclass(frozen=True)
class GateModeView:
    """A switch as it stands; collection "" is the whole service."""

    collection: str
    mode: str
    reason: str
    changed_by: str
    changed_at: str


@dataclass(frozen=True)
class Modes:
    """The mode of the service, and those stored for collections and strata, read together."""

    service: Mode
    stored: Mapping[str, Mode]

    def strictest(self, names: Iterable[str] = ()) -> Mode:
        """The strictest of the service's and of what is stored under ``names``."""
        wanted = [self.stored[name] for name in names if name in self.stored]
        return max([self.service, *wanted], key=MODES.index)


def read_modes(session: Session, default: Mode) -> Modes:
    """All modes as of now; ``default`` is the service's until somebody switches it."""
    rows = session.execute(_SWITCHED)
    stored = {row[0]: _known(row[1]) for row in rows}
    return Modes(stored.pop(SERVICE, default), stored)


_SWITCHED = select(GateModeRow.collection, GateModeRow.mode)


def switch_mode(
    database: Database, mode: str, reason: str, by: str, collection: str = SERVICE
) -> GateModeView:
    """Set the mode of the service or of a collection, with an audit link.

    Raises ``Invalid``, and ``NotFound`` for a collection that holds nothing.
    """
    if mode not in MODES:
        raise Invalid(f"A mode is one of {', '.join(MODES)}.")
    if not reason.strip():
        raise Invalid("Please say why the mode changes.")
    if len(collection) > MAX_STRATUM:
        raise Invalid(f"A collection's name has at most {MAX_STRATUM} characters.")
    with database.transaction() as session:
        stratum = known_stratum(session, collection)
        return _view(set_mode(session, stratum, mode, reason.strip(), by))


def known_stratum(session: Session, name: str) -> str:
    """The service, a collection with documents, or several of them joined, by the one name that
    counts: ``b+a+a`` is ``a+b``, and the union ``b|a`` is ``a|b``. Raises ``NotFound`` for what
    does not exist."""
    if name == SERVICE:
        return name
    sign = UNION if UNION in name else "+"
    parts = sorted(set(name.split(sign)))
    joined = sign.join(parts)
    wanted = select(CollectionRow.name).where(CollectionRow.name.in_({name, *parts}))
    found = set(session.scalars(wanted))
    for known in (name, joined):
        if known in found or session.get(GateModeRow, known) is not None:
            return known
    if not found >= set(parts):
        raise NotFound(f"There is no collection {name[:80]!r}.")
    return joined


def set_mode(session: Session, collection: str, mode: str, reason: str, by: str) -> GateModeRow:
    """``switch_mode`` in a transaction that is open, for values that are known to be good."""
    lock_head(session)  # the first two switches of a place at one moment: one after the other
    row = session.get(GateModeRow, collection, with_for_update=True)
    before = row.mode if row is not None else ""
    if row is None:
        row = GateModeRow(collection=collection)
        session.add(row)
    row.mode, row.reason, row.changed_by, row.changed_at = mode, reason, by, now()
    event = {"collection": collection, "mode": mode, "before": before}
    append_audit(session, "gate_mode", {**event, "reason": reason, "by": by})
    return row


def switches(session: Session) -> list[GateModeView]:
    """Every switch as it stands."""
    rows = session.scalars(select(GateModeRow).order_by(GateModeRow.collection))
    return [_view(row) for row in rows]


def _known(mode: str) -> Mode:
    """A stored mode; a word that nobody knows holds everything."""
    return next((known for known in MODES if known == mode), "review_everything")


def _view(row: GateModeRow) -> GateModeView:
    return GateModeView(
        collection=row.collection,
        mode=row.mode,
        reason=row.reason,
        changed_by=row.changed_by,
        changed_at=iso(row.changed_at) or "",
    )
