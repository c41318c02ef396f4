"""Reviewers' decisions as labels, and the running test that sees the audited ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import Database, now
from app.gate.carry import content_key, resolve_pending
from app.gate.certificates import certificate_row, end_certificate, passages_changed, running_test
from app.gate.draws import EVERYTHING, ceilings_of
from app.gate.modes import set_mode
from app.gate.strata import BROKEN, GATE, SERVICE, Stratum
from app.gate.tables import CertificateRow, LabelRow
from app.records.audit import newest_link
from app.records.tables import RecordRow
from guardrails.contract import canonical_sha256
from guardrails.gate.certify import Label

Looks = Literal["day", "once"]
ANY_DAY: Looks = "day"
ONCE: Looks = "once"

LONG_AGO = -(1 << 62)
"""When an answer was judged whose record does not say: before any change of the passages."""


@dataclass(frozen=True)
class LabelCountView:
    """How many labels of one kind there are."""

    collection: str
    risk_class: str
    source: Literal["audit", "review"]
    wrong: bool
    count: int


def labelled(database: Database, collection: str = SERVICE) -> list[tuple[float, bool]]:
    """(risk, wrong) of all labels, or of one collection's, oldest first."""
    query = select(LabelRow.risk, LabelRow.wrong).order_by(LabelRow.number, LabelRow.answer_id)
    if collection != SERVICE:
        query = query.where(LabelRow.collection == collection)
    with database.reading() as session:
        return [(risk, wrong) for risk, wrong in session.execute(query)]


def labels_of(
    session: Session, stratum: Stratum, lineage: Mapping[str, str], looks: Looks = ANY_DAY
) -> list[Label]:
    """The labels of a stratum that were given under this lineage, oldest first; none of an
    answer from before its passages changed so much that a certificate ended.

    A single look counts only labels that nobody has looked at; what a single look counted is used
    up. A ``pending`` label counts as wrong.
    """
    rows = _label_rows(session, stratum, lineage, looks)
    ceilings = ceilings_of(session, [row.answer_id for row in rows])
    found = [_counted(row, ceilings.get(row.answer_id, EVERYTHING)) for row in rows]
    if looks == ANY_DAY:
        return found
    # Where a session stopped depends on what it found: an exact test cannot count its labels.
    return [label for label in found if label.ceiling == EVERYTHING]


def lent_to(session: Session, stratum: Stratum, lineage: Mapping[str, str]) -> list[Label]:
    """Labels of other collections in the same risk class and lineage, as far as they were given
    before the first of the stratum's own: they may say where its bets begin."""
    own = _label_rows(session, stratum, lineage, ANY_DAY)
    if not own:
        return []
    query = (
        select(LabelRow)
        .where(
            LabelRow.collection != stratum.collection,
            LabelRow.risk_class == stratum.risk_class,
            LabelRow.lineage_sha256 == canonical_sha256(dict(lineage)),
            LabelRow.number < own[0].number,
        )
        .order_by(LabelRow.number.desc(), LabelRow.answer_id)
        .limit(MOST_LENT)
    )
    # Without their ceilings: a wrong idea of where to begin costs labels, and nothing else.
    return [_counted(row, EVERYTHING) for row in reversed(session.scalars(query).all())]


MOST_LENT = 1000
"""More labels of others would change nothing about where to begin."""


def note_look(session: Session, stratum: Stratum, lineage: Mapping[str, str], looks: Looks) -> int:
    """Note that a certificate was tried on these labels; of how many that was not noted yet."""
    rows = [row for row in _label_rows(session, stratum, lineage, looks) if row.looked != looks]
    for row in rows:
        row.looked = looks
    return len(rows)


def _label_rows(
    session: Session, stratum: Stratum, lineage: Mapping[str, str], looks: Looks
) -> Sequence[LabelRow]:
    query = (
        select(LabelRow)
        .where(
            LabelRow.collection == stratum.collection,
            LabelRow.risk_class == stratum.risk_class,
            LabelRow.lineage_sha256 == canonical_sha256(dict(lineage)),
            LabelRow.looked != ONCE if looks == ANY_DAY else LabelRow.looked == "",
        )
        .order_by(LabelRow.number, LabelRow.answer_id)
    )
    if (since := passages_changed(session, stratum)) is not None:
        query = query.where(LabelRow.answered >= since)
    return session.scalars(query).all()


def _counted(row: LabelRow, ceiling: float) -> Label:
    loss = 1.0 if row.loss is None else row.loss
    return Label(row.risk, row.wrong or row.pending, row.weight, row.largest, ceiling, loss)


def label_counts(session: Session) -> list[LabelCountView]:
    """How many labels of each kind there are, in no order."""
    kind = LabelRow.collection, LabelRow.risk_class, LabelRow.source, LabelRow.wrong
    rows: Iterable[Any] = session.execute(select(*kind, func.count()).group_by(*kind))
    return [LabelCountView(*row) for row in rows]


def label_of(session: Session, answer_id: str) -> LabelRow | None:
    """The label of an answer, or None; only to be read."""
    return session.get(LabelRow, answer_id)


def observe(session: Session, record: RecordRow, *, wrong: bool, audited: bool) -> None:
    """Keep a reviewer's decision as a label, and let the running test see an audited release.

    In the decision's transaction: a violated test stops releases in the same breath. Drafts that
    the policy held are no labels; they are other answers than the gate decides on.
    """
    entry = record.gate or {}
    if not entry.get("asked") or session.get(LabelRow, record.answer_id) is not None:
        return
    if resolve_pending(session, content_key(record), wrong=wrong):
        return
    weight = 1 / entry["audit_share"] if audited else 1.0
    floor = entry.get("audit_floor")
    session.add(
        LabelRow(
            answer_id=record.answer_id,
            collection=entry["collection"],
            risk_class=entry["risk_class"],
            risk=entry["risk"],
            wrong=wrong,
            weight=weight,
            source="audit" if audited else "review",
            certificate=entry["certificate"],
            lineage_sha256=entry["lineage_sha256"],
            labelled_at=now(),
            number=newest_link(session),
            answered=entry.get("audit_number", LONG_AGO),
            largest=None if floor is None else max(1 / floor, weight),
            looked="",
            key=content_key(record),
            loss=entry.get("loss"),
        )
    )
    if audited and entry["certificate"]:
        _watch(session, record, entry, wrong)


def _watch(session: Session, record: RecordRow, entry: Mapping[str, Any], wrong: bool) -> None:
    row = session.get(CertificateRow, entry["certificate"], with_for_update=True)
    if row is None:
        row = _first_provisional_row(session, record, entry)
    before = running_test(row)
    # Answers that were likelier to be drawn say less, each: as shares of the largest weight.
    share = entry.get("audit_floor", entry["audit_share"]) / entry["audit_share"]
    # The shipped certificate was made where every wrong answer counts in full.
    loss = 1.0 if row.certificate.get("provisional") else entry.get("loss", 1.0)
    after = before.observe(wrong, share, loss)
    row.process = after.to_state()
    if after.violated and row.state == "live":
        end_certificate(session, row, "violated", "The running test rejected the promise.", GATE)
        set_mode(session, row.collection, "review_everything", BROKEN, GATE)


def _first_provisional_row(
    session: Session, record: RecordRow, entry: Mapping[str, Any]
) -> CertificateRow:
    """The shipped certificate has a row for a stratum from its first audit on."""
    stratum = Stratum(entry["collection"], entry["risk_class"])
    stated = {name: entry[name] for name in ("alpha", "delta", "threshold")}
    index = str(record.lineage.get("index_version", ""))
    row = certificate_row(
        entry["certificate"], stratum, {**stated, "provisional": True}, index, newest_link(session)
    )
    session.add(row)
    return row
