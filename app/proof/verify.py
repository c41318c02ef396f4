"""Is the database as the audit chain says? Each sealed row is compared with its newest link, and
the links with each other and with the signed checkpoints."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, Connection, DateTime, Text, cast, func, select
from sqlalchemy.orm import Session

from app.access.tables import ApiKeyRow, PrincipalRow, WidgetKeyRow
from app.db import Database
from app.gate.tables import (
    CertificateRow,
    GateAlarmRow,
    GateModeRow,
    LabelRow,
    PlannedLookRow,
    ReviewerCheckRow,
)
from app.proof.checkpoints import Checkpoint
from app.proof.unsealed import Told
from app.records.audit import ROWS, ChainWalk, lock_head
from app.records.seals import Seal, Sealed, SealedTable, sealed_table
from app.records.tables import PolicyRow, RecordRow, ReleaseRow, SettlementRow
from app.review.tables import (
    ApprovalRow,
    DecisionRow,
    GoldItemRow,
    ProbeRow,
    RedraftRow,
    ReviewTaskRow,
    SupersededDecisionRow,
)
from guardrails.contract import canonical_sha256

SEALED: tuple[type[Sealed], ...] = (
    RecordRow,
    ReleaseRow,
    SettlementRow,
    ReviewTaskRow,
    DecisionRow,
    ApprovalRow,
    RedraftRow,
    SupersededDecisionRow,
    GoldItemRow,
    ProbeRow,
    GateModeRow,
    CertificateRow,
    LabelRow,
    PlannedLookRow,
    GateAlarmRow,
    ReviewerCheckRow,
    PrincipalRow,
    ApiKeyRow,
    WidgetKeyRow,
)
"""Every table whose rows are compared."""
FETCHED = 1000
SERVER_TIME = "YYYY-MM-DD HH24:MI:SS.US"
"""How PostgreSQL spells a time as SQLite stores it."""
Row = Sequence[Any]
Seals = dict[str, tuple[str | None, int]]
"""The newest seal of each row by its key, and the number of the link that has it."""
read_json = json.JSONDecoder().raw_decode
SEALS_KEY = f'"{ROWS}":'
MOST_PROBLEMS = 1000
"""Problems that a report names; the rest is counted."""


@dataclass(frozen=True)
class Problem:
    """Something that is not as the chain says: of a link, a checkpoint, or a row of a table."""

    where: str
    key: str
    message: str


@dataclass
class AuditReport:
    """What was compared, and what does not fit.

    ``links_without_seals`` were written before there were seals; ``rows_without_seals`` only such
    links speak of, or none: they are compared as far as those go. ``checkpoint`` is the number of
    the newest checkpoint that fits: up to it no link was cut off or rewritten.
    """

    links: int = 0
    rows: int = 0
    links_without_seals: int = 0
    rows_without_seals: int = 0
    checkpoints: int = 0
    checkpoint: int | None = None
    erased: int = 0
    broken_link: int | None = None
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether everything fits."""
        return self.problem_count == 0

    def add(self, where: str, key: str, message: str) -> None:
        """Report a problem."""
        self.problem_count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(where, key, message))

    def wire(self) -> dict[str, Any]:
        """As JSON types."""
        return {"sound": self.sound, **asdict(self)}


@dataclass
class _Chain:
    """What the links say: the newest seal of each row by table, and where it stands."""

    seals: dict[str, Seals]
    told: Told = field(default_factory=Told)


def verify_audit(database: Database, checkpoints: Sequence[Checkpoint] = ()) -> AuditReport:
    """Compare rows, links and checkpoints (whose signatures were verified) in one snapshot."""
    with database.snapshot() as connection:
        return verify_snapshot(connection, checkpoints)


def verify_snapshot(connection: Connection, checkpoints: Sequence[Checkpoint] = ()) -> AuditReport:
    """``verify_audit`` over a connection that sees one state of the database."""
    report = AuditReport()
    chain = _read_chain(connection, report, checkpoints)
    for mapped in SEALED:
        _compare(connection, sealed_table(mapped), chain, report)
    for sha256, content in connection.execute(
        select(PolicyRow.sha256, cast(PolicyRow.content, Text))
    ):
        if _content_sha256(content) != sha256:
            report.add("policies", sha256, "Its content has another hash.")
    return report


def _content_sha256(text: str) -> str:
    """The hash of stored JSON; "" where it is no JSON."""
    try:
        return canonical_sha256(json.loads(text))
    except (TypeError, ValueError):
        return ""


def unsealed_rows(session: Session) -> list[Seal]:
    """The seals that are missing, of rows as they are; nobody can add a link meanwhile."""
    lock_head(session)
    connection, report = session.connection(), AuditReport()
    chain = _read_chain(connection, report, ())
    found: list[Seal] = []
    for mapped in SEALED:
        how = sealed_table(mapped)
        seals = chain.seals[how.table.name]
        for key, row in _rows(connection, how):
            told = chain.told.of(how.table.name, key)
            if key not in seals or (told and told.number > seals[key][1]):
                found.append((how.table.name, key, _digest(how, row)))
    return found


def _read_chain(
    connection: Connection, report: AuditReport, checkpoints: Sequence[Checkpoint]
) -> _Chain:
    chain = _Chain({sealed_table(mapped).table.name: {} for mapped in SEALED})
    signed: dict[int, list[Checkpoint]] = {}
    for checkpoint in filter(lambda one: one.number, checkpoints):
        signed.setdefault(checkpoint.number, []).append(checkpoint)
    walk = ChainWalk(connection)
    for number, kind, text, sha256 in walk:
        report.links += 1
        _take_in(chain, report, number, kind, text)
        for checkpoint in signed.pop(number, ()):
            _hold_against(checkpoint, sha256, report)
    for cut in (one for ones in signed.values() for one in ones):
        why = f"The chain ends before it, at link {walk.last}: links were cut off."
        report.add("checkpoint", str(cut.number), why)
    report.checkpoints = len(checkpoints)
    report.broken_link = walk.broken
    if walk.broken is not None:
        report.add("audit_log", str(walk.broken), "The link does not fit the one before it.")
    return chain


def _hold_against(checkpoint: Checkpoint, sha256: str, report: AuditReport) -> None:
    if checkpoint.sha256 == sha256:
        report.checkpoint = max(report.checkpoint or 0, checkpoint.number)
    else:
        why = "The link has another hash than the one that was signed: the chain was rewritten."
        report.add("checkpoint", str(checkpoint.number), why)


def _take_in(chain: _Chain, report: AuditReport, number: int, kind: str, text: str) -> None:
    """What one link says of rows; a link that cannot be read is reported as broken anyway."""
    try:
        seals = _seals_of(text)
        if seals is None:
            event, _ = read_json(text)
            seals = event.get(ROWS)
        if seals is None:
            report.links_without_seals += 1
            chain.told.take_in(number, kind, event)
            return
        chain.told.first_seal = chain.told.first_seal or number
        for table, key, digest in seals:
            chain.seals[table][key] = (digest, number)
        report.erased += kind == "erased"
    except (AttributeError, KeyError, TypeError, ValueError):
        report.add("audit_log", str(number), "The link cannot be read.")


def _seals_of(text: str) -> list[Seal] | None:
    """The seals of a link, without parsing all that it says; None where that must be done.

    Within a string every quote is escaped, so what is searched for is a key.
    """
    begin = text.find(SEALS_KEY)
    if begin < 0 or text.find(SEALS_KEY, begin + 1) > 0:
        return None
    try:
        seals: list[Seal] = read_json(text, begin + len(SEALS_KEY))[0]
    except ValueError:  # stored in another spelling
        return None
    return seals


def _compare(connection: Connection, how: SealedTable, chain: _Chain, report: AuditReport) -> None:
    """Every row of a table with what the chain says of it, and the reverse."""
    table = how.table.name
    seals, seen, all_told = chain.seals[table], set(), chain.told.rows.get(table, {})
    for key, row in _rows(connection, how):
        seen.add(key)
        digest, number = seals.get(key, (None, 0))
        told = all_told.get(key)
        if told is not None and told.number > number:
            report.rows_without_seals += 1
            _compare_told(how, key, row, told.said, report)
        elif number == 0:
            _explain_unsealed(how, key, row, chain, report)
        elif digest is None:
            report.add(table, key, f"Link {number} says that it was deleted.")
        elif _stored_digest(how, row) != digest and _digest(how, row) != digest:
            report.add(table, key, f"It is not as link {number} sealed it.")
    report.rows += len(seen)
    _look_for_missing(table, seals, seen, chain, report)


def _look_for_missing(
    table: str, seals: Seals, seen: set[str], chain: _Chain, report: AuditReport
) -> None:
    for key, (digest, number) in seals.items():
        if digest is not None and key not in seen:
            report.add(table, key, f"It is gone; link {number} sealed it.")
    for key, number in chain.told.expected(table):
        if key not in seen and seals.get(key, (None, 0))[1] <= number:
            report.add(table, key, f"It is gone; link {number} speaks of it.")


def _explain_unsealed(
    how: SealedTable, key: str, row: Row, chain: _Chain, report: AuditReport
) -> None:
    """A row without a seal is fine only where it can be from before there were seals."""
    if chain.told.excuses(how.table.name, _readable(how, row)):
        report.rows_without_seals += 1
    else:
        report.add(how.table.name, key, "No link speaks of it: it was inserted.")


def _compare_told(
    how: SealedTable, key: str, row: Row, said: Mapping[str, Any], report: AuditReport
) -> None:
    different = Told.differences(how.table.name, _readable(how, row), said)
    if different:
        report.add(how.table.name, key, f"Not as the links say: {', '.join(different)}.")


def _rows(connection: Connection, how: SealedTable) -> Iterator[tuple[str, Row]]:
    """Key and values of each row: the columns that are sealed, JSON and times as text."""
    on_server = connection.dialect.name == "postgresql"
    columns = [_as_stored(column, on_server=on_server) for column in how.columns]
    names = [column.name for column in how.columns]
    places = [names.index(name) for name in how.key]
    rows = connection.execute(select(*columns).execution_options(yield_per=FETCHED))
    for part in rows.partitions():
        for row in part:
            yield "/".join([str(row[place]) for place in places]), row


def _as_stored(column: Column[Any], *, on_server: bool) -> ColumnElement[Any]:
    if isinstance(column.type, DateTime):
        text = func.to_char(column, SERVER_TIME) if on_server else cast(column, Text)
        return text.label(column.name)
    return cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column


def _stored_digest(how: SealedTable, row: Row) -> str:
    """The digest of a row as it is stored; "" where a value is none that its column can have:
    SQLite stores any kind in any column."""
    try:
        return how.stored_digest(row)
    except (AttributeError, TypeError, ValueError):
        return ""


def _digest(how: SealedTable, row: Row) -> str:
    """The digest where JSON is stored in another spelling; "" where it is no JSON."""
    try:
        return how.digest(_parsed(how, row))
    except (AttributeError, TypeError, ValueError):
        return ""


def _readable(how: SealedTable, row: Row) -> Mapping[str, Any]:
    """``_parsed``, with what is stored where that cannot be read."""
    try:
        return _parsed(how, row)
    except (TypeError, ValueError):
        return {column.name: value for column, value in zip(how.columns, row, strict=True)}


def _parsed(how: SealedTable, row: Row) -> Mapping[str, Any]:
    return {
        column.name: None if value is None else _parsed_value(column, value)
        for column, value in zip(how.columns, row, strict=True)
    }


def _parsed_value(column: Column[Any], value: Any) -> Any:
    if isinstance(column.type, JSON):
        return json.loads(value)
    return datetime.fromisoformat(value) if isinstance(column.type, DateTime) else value
