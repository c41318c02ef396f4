"""The hash-chained audit log: what happened, with seals of the rows that it changed."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Text, cast, event, select
from sqlalchemy.orm import Session

from app.db import iso, now
from app.records.seals import LINKED, Seal, new_seals, note_changes
from app.records.tables import AuditHeadRow, AuditRow
from guardrails.contract import canonical_json

NO_HEAD = "audit_head is missing: run the migrations"
ROWS = "rows"
"""The field of an event that holds the seals: lists of table, key and digest."""
FETCHED = 5000
"""Links per fetch."""


def lock_head(session: Session) -> AuditHeadRow:
    """The end of the chain, locked until the transaction ends: writers queue here.

    Its number is a stamp of the whole service: while it stands still, no document, mode, key or
    answer has changed.
    """
    head: AuditHeadRow | None = session.info.get("audit_head")
    if head is None:
        head = session.get(AuditHeadRow, 1, with_for_update=True, populate_existing=True)
        if head is None:
            raise RuntimeError(NO_HEAD)
        session.info["audit_head"] = head
    return head


def append_audit(session: Session, kind: str, said: Mapping[str, Any]) -> int:
    """Add one link to the audit chain and return its number; writers queue on the head row.

    So numbers grow in the order of the commits, and tell what came first where clocks cannot. The
    link seals the rows that the transaction has changed so far; what it changes later is sealed by
    one more link when it commits. Without any link nothing is sealed: ``audit verify`` tells.
    """
    session.info[LINKED] = True
    return _append(session, kind, said, new_seals(session))


def append_seals(session: Session, seals: Sequence[Seal], by: str) -> int:
    """A link that seals rows as they are, from before there were seals."""
    return _append(session, "sealed", {"by": by}, seals)


def _append(session: Session, kind: str, said: Mapping[str, Any], seals: Sequence[Seal]) -> int:
    head = lock_head(session)
    text = canonical_json({**said, "at": iso(now()), ROWS: seals})
    digest = link_sha256(head.number + 1, kind, text, head.sha256)
    session.add(
        AuditRow(
            number=head.number + 1,
            kind=kind,
            event=json.loads(text),
            previous_sha256=head.sha256,
            sha256=digest,
        )
    )
    head.number += 1
    head.sha256 = digest
    return head.number


@event.listens_for(Session, "after_flush")
def _remember(session: Session, _context: object) -> None:
    note_changes(session)


@event.listens_for(Session, "before_commit")
def _seal_the_rest(session: Session) -> None:
    if session.info.get(LINKED) and (rest := new_seals(session)):
        _append(session, "sealed", {}, rest)


def newest_link(session: Session) -> int:
    """The number of the newest link that this transaction can see; 0 before the first."""
    locked: AuditHeadRow | None = session.info.get("audit_head")
    if locked is not None:
        return locked.number
    return session.scalar(select(AuditHeadRow.number)) or 0


def link_sha256(number: int, kind: str, event_text: str, previous: str) -> str:
    """The hash of a link whose event is spelled canonically: of one JSON object in UTF-8."""
    start = f'{{"event":{event_text},"kind":{_spelled(kind)},'
    end = f'"number":{number},"previous_sha256":"{previous}"}}'
    return hashlib.sha256((start + end).encode("utf-8")).hexdigest()


@lru_cache(1000)
def _spelled(kind: str) -> str:
    return json.dumps(kind, ensure_ascii=False)


@dataclass
class ChainWalk:
    """Reads the chain from its beginning; iterate it once, then ask what was found.

    ``broken`` is the number of the first link that does not fit, None when all fit and the head
    names the last one. ``last`` and ``sha256`` are of the last link that was read.
    """

    connection: Connection
    broken: int | None = None
    last: int = 0
    sha256: str = ""

    def __iter__(self) -> Iterator[tuple[int, str, str, str]]:
        """Number, kind, event as the text that was hashed, and hash of each link, in order."""
        query = select(
            AuditRow.number,
            AuditRow.kind,
            cast(AuditRow.event, Text),
            AuditRow.previous_sha256,
            AuditRow.sha256,
        ).order_by(AuditRow.number)
        rows = self.connection.execute(query.execution_options(yield_per=FETCHED))
        for part in rows.partitions():
            for number, kind, text, previous, digest in part:
                hashed = _hashed(number, kind, text, previous, digest)
                follows = number == self.last + 1 and previous == self.sha256
                if hashed is None or not follows:
                    self.broken = self.broken or self.last + 1
                self.last, self.sha256 = number, digest
                yield number, kind, text if hashed is None else hashed, digest
        self._check_head()

    def _check_head(self) -> None:
        query = select(AuditHeadRow.number, AuditHeadRow.sha256).where(AuditHeadRow.id == 1)
        if self.connection.execute(query).first() != (self.last, self.sha256):
            self.broken = self.broken or self.last + 1


def _hashed(number: int, kind: str, text: str, previous: str, digest: str) -> str | None:
    """The spelling of the event that has the hash; None: none has."""
    if not isinstance(kind, str):  # SQLite stores any kind in any column
        return None
    if link_sha256(number, kind, text, previous) == digest:
        return text
    try:  # stored in another spelling, as links were before they had seals
        spelled = canonical_json(json.loads(text))
    except (TypeError, ValueError):
        return None
    return spelled if link_sha256(number, kind, spelled, previous) == digest else None


def broken_audit_link(session: Session) -> int | None:
    """The number of the first link that does not fit the chain, or None when all fit."""
    walk = ChainWalk(session.connection())
    for _ in walk:
        pass
    return walk.broken
