"""Reviewers' decisions as labels, and the running test that sees the audited ones."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database, now
from app.gate.certificates import end_certificate, running_test
from app.gate.modes import set_mode
from app.gate.strata import BROKEN, GATE, SERVICE, Stratum
from app.gate.tables import CertificateRow, LabelRow
from app.records.tables import RecordRow
from guardrails.gate.running_test import EProcess


def labelled(database: Database, collection: str = SERVICE) -> list[tuple[float, bool]]:
    """(risk, wrong) of all labels, or of one collection's, oldest first."""
    query = select(LabelRow.risk, LabelRow.wrong).order_by(LabelRow.labelled_at)
    if collection != SERVICE:
        query = query.where(LabelRow.collection == collection)
    with database.reading() as session:
        return [(risk, wrong) for risk, wrong in session.execute(query)]


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
    weight = 1 / entry["audit_share"] if audited else 1.0
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
        )
    )
    if audited and entry["certificate"]:
        _watch(session, record, entry, wrong)


def _watch(session: Session, record: RecordRow, entry: Mapping[str, Any], wrong: bool) -> None:
    row = session.get(CertificateRow, entry["certificate"], with_for_update=True)
    if row is None:
        row = _first_provisional_row(session, record, entry)
    before = running_test(row)
    after = before.observe(wrong)
    row.process = after.to_state()
    if after.violated and row.state == "live":
        end_certificate(session, row, "violated", "The running test rejected the promise.", GATE)
        set_mode(session, row.collection, "review_everything", BROKEN, GATE)


def _first_provisional_row(
    session: Session, record: RecordRow, entry: Mapping[str, Any]
) -> CertificateRow:
    """The shipped certificate has a row for a stratum from its first audit on."""
    stratum = Stratum(entry["collection"], entry["risk_class"])
    stated = {"alpha": entry["alpha"], "delta": entry["delta"], "provisional": True}
    row = CertificateRow(
        id=entry["certificate"],
        collection=stratum.collection,
        risk_class=stratum.risk_class,
        state="live",
        certificate={**stated, "threshold": entry["threshold"]},
        process=EProcess.start(entry["alpha"], entry["delta"], entry["certificate"]).to_state(),
        index_version=str(record.lineage.get("index_version", "")),
        reason="",
        created_at=now(),
        ended_at=None,
    )
    session.add(row)
    return row
