"""Where people signed in from, known to all processes: a name's own limit spares them."""

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.access.keys import sha256
from app.access.tables import SignInPlaceRow
from app.db import Database, insert_or

KEPT = timedelta(days=90)
"""An address is known for so long after the last sign-in from it."""


class KnownPlaces:
    """Pairs of name and address, as hashes; safe to use from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def knows(self, name: str, place: str) -> bool:
        """Whether somebody signed in with that name from there."""
        with self._database.reading() as session:
            return session.get(SignInPlaceRow, _key(name, place)) is not None

    def note(self, name: str, place: str) -> None:
        """Somebody has signed in with that name from there."""
        person, hashed = _key(name, place)
        with self._database.transaction() as session:
            moment = self._database.time(session)
            row = insert_or(session, SignInPlaceRow)
            row = row.values(person=person, place=hashed, seen_at=moment)
            known = [SignInPlaceRow.person, SignInPlaceRow.place]
            session.execute(
                row.on_conflict_do_update(index_elements=known, set_={"seen_at": moment})
            )


def forget_places(session: Session, name: str) -> None:
    """Delete where a person signed in from, in a transaction that is open."""
    session.execute(delete(SignInPlaceRow).where(SignInPlaceRow.person == sha256(name)))


def purge_places(session: Session, moment: datetime) -> None:
    """Delete what was not seen for long."""
    session.execute(delete(SignInPlaceRow).where(SignInPlaceRow.seen_at < moment - KEPT))


def _key(name: str, place: str) -> tuple[str, str]:
    # The name too: an address alone is one of few, and a hash of it is soon found.
    return sha256(name), sha256(f"{name}\0{place}")
