"""What a request with an idempotency key makes is noted in the transaction that makes it, so that
a kill right after it leaves no request that would run a second time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlalchemy.orm import Session

Note = Callable[[Session, str], None]
_NOTE: ContextVar[Note | None] = ContextVar("note", default=None)


def note_made(session: Session, made: str) -> None:
    """Say in an open transaction that it makes the thing with the id ``made``; without a key
    nobody listens. Raises what ends the transaction when the key has gone to another request."""
    note = _NOTE.get()
    if note is not None:
        note(session, made)


@contextmanager
def noting(note: Note) -> Iterator[None]:
    """``note`` hears of what this thread makes inside the block."""
    before = _NOTE.set(note)
    try:
        yield
    finally:
        _NOTE.reset(before)
