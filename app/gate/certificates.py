"""Certificates of strata as they are stored: in force, superseded, revoked, violated."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import now
from app.gate.modes import Mode
from app.gate.strata import CHANGED, Stratum
from app.gate.tables import CertificateRow
from app.records.audit import append_audit
from guardrails.contract import canonical_sha256
from guardrails.gate.binomial import GateInvalid
from guardrails.gate.certificate import NOT_HERE, Certificate
from guardrails.gate.running_test import EProcess


def end_certificate(
    session: Session, row: CertificateRow, state: str, reason: str, by: str
) -> None:
    """Put a certificate out of force, with an audit link."""
    event = {"certificate": row.id, "collection": row.collection, "risk_class": row.risk_class}
    append_audit(session, f"certificate_{state}", {**event, "reason": reason, "by": by})
    row.state, row.reason, row.ended_at = state, reason, now()


CLOCK_SLACK = timedelta(minutes=5)


@dataclass(frozen=True)
class Standing:
    """What holds for a stratum now; without a certificate nothing is released, but in mode off."""

    mode: Mode
    certificate: Certificate | None = None
    certificate_id: str = ""
    reason: str = ""


def revoke_collection(session: Session, collection: str, reason: str, by: str) -> None:
    """End a collection's own certificates, in a transaction that is open."""
    query = select(CertificateRow).where(
        CertificateRow.collection == collection, CertificateRow.state == "live"
    )
    for row in session.scalars(query):
        if not row.certificate.get("provisional"):
            end_certificate(session, row, "revoked", reason, by)


def provisional_among(session: Session, certificates: Iterable[str]) -> set[str]:
    """Those ids that are not of a collection's own certificate, which always has a row."""
    wanted = set(certificates)
    rows = session.scalars(select(CertificateRow).where(CertificateRow.id.in_(wanted)))
    return wanted - {row.id for row in rows if not row.certificate.get("provisional")}


def provisional_id(certificate: Certificate, stratum: Stratum) -> str:
    """Where the running test of the shipped certificate is kept for one stratum."""
    return canonical_sha256([certificate.sha256, stratum.collection, stratum.risk_class])


def certificate_row(
    row_id: str, stratum: Stratum, certificate: Certificate, index: str
) -> CertificateRow:
    return CertificateRow(
        id=row_id,
        collection=stratum.collection,
        risk_class=stratum.risk_class,
        state="live",
        certificate=certificate.to_json(),
        process=EProcess.start(certificate.alpha, certificate.delta, row_id).to_state(),
        index_version=index,
        reason="",
        created_at=now(),
        ended_at=None,
    )


def reviewer_error_words(row: CertificateRow) -> str:
    """In words; "" for a certificate that cannot be read."""
    if row.certificate.get("provisional"):
        return NOT_HERE
    try:
        return Certificate.from_json(row.certificate).reviewer_error
    except GateInvalid:
        return ""


def running_test(row: CertificateRow) -> EProcess:
    """The running test as stored; a violated one when the state is damaged."""
    stated = row.certificate
    return EProcess.restore(row.process, stated["alpha"], stated["delta"], row.id)


def in_stratum(stratum: Stratum) -> tuple[Any, Any]:
    return (
        CertificateRow.collection == stratum.collection,
        CertificateRow.risk_class == stratum.risk_class,
    )


def passages_changed_at(session: Session, stratum: Stratum) -> datetime | None:
    """When a certificate of the stratum last ended for it."""
    ended = CertificateRow.state == "revoked", CertificateRow.reason.startswith(CHANGED)
    newest = select(func.max(CertificateRow.ended_at)).where(*in_stratum(stratum), *ended)
    return session.scalar(newest)


def stratum_query(stratum: Stratum) -> Any:
    return (
        select(CertificateRow)
        .where(*in_stratum(stratum), CertificateRow.state.in_(("live", "violated")))
        .order_by(CertificateRow.created_at.desc())
    )


def from_the_future(date: str) -> bool:
    moment = datetime.fromisoformat(date)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment > datetime.now(UTC) + CLOCK_SLACK
