"""Drift monitors: do the recent answers still look like those after the newest certificate?

Each compares the first answers since the newest certificate, or since somebody looked at alarms
and cleared them (else of all), with the most recent ones: per collection the risk, the distance of
question and passage, and the margin of the search; for the whole service the share of abstentions.
An alarm is recorded, shown, and ends the collection's own certificates; it stays open until
somebody clears it.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import Database, iso, now
from app.gate.certificates import revoke_collection
from app.gate.strata import GATE, SERVICE
from app.gate.tables import CertificateRow, GateAlarmRow
from app.records.audit import append_audit
from app.records.tables import AuditRow, RecordRow
from guardrails.drift import Change, share_changed, shifted

REFERENCE, RECENT = 300, 200
"""Answers in the two windows of one collection, at most."""
READ = 1000
"""Answers read from each end."""
FIGURES = {"risk": "risk", "question_distance": "similarity", "search_margin": "similarity_margin"}
"""Monitors of one collection, and the recorded figure that each looks at."""
ABSTENTION = "abstention"
CLEARED = "alarms_cleared"
"""The kind of link that says so."""


@dataclass(frozen=True)
class AlarmView:
    """A monitor that saw answers change; collection "" is the whole service."""

    collection: str
    monitor: str
    detail: str
    raised_at: str


@dataclass(frozen=True)
class _Seen:
    number: int
    outcome: str
    gate: Mapping[str, Any]

    def figure(self, name: str) -> float:
        found = self.gate if name == "risk" else self.gate.get("features", {})
        return float(found.get(name, float("nan")))


class DriftMonitors:
    """Checks for drift, and keeps the alarms; ``app.background`` runs it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cleared = 0, 0
        """How many alarms were cleared, and the link of the last clearing."""

    def check(self) -> list[AlarmView]:
        """Look at all windows, and record what alarms and was not open yet; returns those."""
        with self._database.reading() as session:
            first, last = _ends(session, self._last_cleared(session))
        found = list(_changes(first, last))
        if not found:
            return []
        with self._database.transaction() as session:
            known = {(row.collection, row.monitor) for row in _open(session)}
            return [
                _raise_alarm(session, collection, monitor, change)
                for collection, monitor, change in found
                if (collection, monitor) not in known
            ]

    def alarms(self) -> list[AlarmView]:
        """The open alarms, newest first."""
        with self._database.reading() as session:
            return open_alarms(session)

    def clear(self, reason: str, by: str) -> int:
        """Close all open alarms; returns how many there were.

        What answers are like now is known then: the next alarm is for another change.
        """
        with self._database.transaction() as session:
            rows = _open(session)
            for row in rows:
                row.cleared_at = now()
            if rows:
                event = {"alarms": [row.id for row in rows], "reason": reason, "by": by}
                append_audit(session, CLEARED, event)
        return len(rows)

    def _last_cleared(self, session: Session) -> int:
        """The link of the last clearing; 0 where there was none. It is looked for in the log only
        when alarms were cleared since."""
        cleared = GateAlarmRow.cleared_at.is_not(None)
        count = session.scalar(select(func.count()).select_from(GateAlarmRow).where(cleared)) or 0
        if count != self._cleared[0]:
            query = select(AuditRow.number).where(AuditRow.kind == CLEARED)
            link = session.scalar(query.order_by(AuditRow.number.desc()).limit(1))
            self._cleared = count, link or 0
        return self._cleared[1]


def _ends(session: Session, cleared: int) -> tuple[list[_Seen], list[_Seen]]:
    """The first answers since the newest certificate, or since the link ``cleared``, and the last
    ones, both as they came."""
    rows = session.scalars(select(CertificateRow))
    own = [row.number for row in rows if not row.certificate.get("provisional")]
    query = select(RecordRow.number, RecordRow.outcome, RecordRow.gate).where(
        RecordRow.gate.is_not(None), RecordRow.number > max([*own, cleared])
    )
    first = session.execute(query.order_by(RecordRow.number).limit(READ))
    last = session.execute(query.order_by(RecordRow.number.desc()).limit(READ))
    return _seen(first), _seen(last)[::-1]


def _seen(rows: Iterable[Any]) -> list[_Seen]:
    return [_Seen(number, outcome, gate) for number, outcome, gate in rows if gate]


def _changes(first: Sequence[_Seen], last: Sequence[_Seen]) -> Iterable[tuple[str, str, Change]]:
    for collection, (before, after) in _windows(first, last).items():
        for monitor, name in FIGURES.items():
            change = shifted([s.figure(name) for s in before], [s.figure(name) for s in after])
            if change is not None and change.alarming:
                yield collection, monitor, change
    before, after = _cut(first, last)
    abstained = ([s.outcome == "abstained" for s in part] for part in (before, after))
    change = share_changed(*abstained)
    if change is not None and change.alarming:
        yield SERVICE, ABSTENTION, change


def _windows(
    first: Sequence[_Seen], last: Sequence[_Seen]
) -> dict[str, tuple[Sequence[_Seen], Sequence[_Seen]]]:
    """Both windows of every collection that had drafts."""
    sides: list[dict[str, list[_Seen]]] = [defaultdict(list), defaultdict(list)]
    for side, seen in zip(sides, (first, last), strict=True):
        for one in seen:
            if one.gate.get("collection"):
                side[one.gate["collection"]].append(one)
    return {name: _cut(sides[0][name], sides[1][name]) for name in sorted(sides[1])}


def _cut(first: Sequence[_Seen], last: Sequence[_Seen]) -> tuple[Sequence[_Seen], Sequence[_Seen]]:
    """The windows; no answer is in both."""
    before = first[:REFERENCE]
    after = [one for one in last[-RECENT:] if before and one.number > before[-1].number]
    return before, after


def _raise_alarm(session: Session, collection: str, monitor: str, change: Change) -> AlarmView:
    row = GateAlarmRow(
        id=secrets.token_hex(16),
        collection=collection,
        monitor=monitor,
        detail=f"changed by {change.size:.2f}, chance {change.chance:.1e}",
        raised_at=now(),
        cleared_at=None,
    )
    session.add(row)
    event = {"collection": collection, "monitor": monitor, "detail": row.detail}
    append_audit(session, "drift_alarm", event)
    if collection != SERVICE:
        revoke_collection(session, collection, f"drift: {monitor} {row.detail}", GATE)
    return _view(row)


def open_alarms(session: Session) -> list[AlarmView]:
    """The open alarms, newest first."""
    return [_view(row) for row in _open(session)]


def _open(session: Session) -> list[GateAlarmRow]:
    query = select(GateAlarmRow).where(GateAlarmRow.cleared_at.is_(None))
    return list(session.scalars(query.order_by(GateAlarmRow.raised_at.desc())))


def _view(row: GateAlarmRow) -> AlarmView:
    return AlarmView(row.collection, row.monitor, row.detail, iso(row.raised_at) or "")
