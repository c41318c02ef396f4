"""What stands behind releases, for operators: modes, certificates, labels and alarms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database, Json, iso
from app.gate.certificates import Certificates, running_test
from app.gate.drift import AlarmView, open_alarms
from app.gate.labels import LabelCountView, label_counts
from app.gate.modes import GateModeView, switches
from app.gate.strata import SERVICE
from app.gate.tables import CertificateRow
from guardrails.gate.binomial import GateInvalid
from guardrails.gate.certificate import NOT_HERE, Certificate

SHOWN = 100
"""Certificates, newest first."""


@dataclass(frozen=True)
class CertificateView:
    """A certificate of one collection and risk class, and its running test.

    State ``void``: what it was made for no longer runs here; ``reason`` names it. ``e_value``
    null: the promise is broken.
    """

    id: str
    collection: str
    risk_class: str
    state: Literal["live", "void", "superseded", "revoked", "violated"]
    reason: str
    index_version: str
    created_at: str
    ended_at: str | None
    certificate: Json
    reviewer_error: Annotated[str, Field(description='In words; "" where it is not known.')]
    audits: int
    e_value: float | None
    limit: float


@dataclass(frozen=True)
class GateStatusView:
    """The gate: the mode of the service, every switch, certificates, labels and alarms."""

    mode: str
    modes: list[GateModeView]
    provisional: Annotated[
        Json | None,
        Field(
            description="The shipped certificate, made from public data: nothing was measured on "
            "the documents here, and none of its figures is a promise about them."
        ),
    ]
    certificates: list[CertificateView]
    labels: list[LabelCountView]
    alarms: list[AlarmView]


def gate_status(database: Database, certificates: Certificates) -> GateStatusView:
    """The gate as it stands now."""
    shipped = certificates.shipped
    with database.reading() as session:
        return GateStatusView(
            mode=certificates.modes(session).service,
            modes=switches(session),
            provisional=shipped.to_json() if shipped else None,
            certificates=_newest(session, certificates),
            labels=label_counts(session),
            alarms=open_alarms(session),
        )


def gate_in_words(found: GateStatusView) -> str:
    """What stands behind releases now, and the way to a certificate where no collection has one.

    It states no figure: what the provisional certificate counted was not counted here.
    """
    words = MEANINGS[found.mode] if found.provisional or found.mode != "provisional" else NOTHING
    own = any(
        row.state == "live" and not row.certificate.get("provisional") for row in found.certificates
    )
    if own or found.mode in ("off", "retrieval_only"):
        return words
    return f"{words} {WAY}"


def overruled(found: GateStatusView, setting: str) -> str:
    """In words, that a switch of the service counts and not the setting; "" where they agree."""
    if found.mode == setting:
        return ""
    for switch in found.modes:
        if switch.collection == SERVICE:
            return (
                f"`countersign gate mode` said so on {switch.changed_at[:10]}: the setting "
                f"gate_mode ({setting}) does not count. "
            )
    return ""


MEANINGS: Mapping[str, str] = {
    "off": "NO ERROR BOUND: the policy alone decides what is released.",
    "provisional": "Without a certificate of its own a collection releases answers under the "
    "provisional one: nothing was measured on its documents.",
    "certified": "Without a certificate of its own every answer of a collection waits for a "
    "reviewer.",
    "review_everything": "Every answer waits for a reviewer, with a certificate or without.",
    "retrieval_only": "Nothing is drafted; askers are told which documents are closest.",
}
NOTHING = (
    "There is no provisional certificate for the models in use: without one of its own every "
    "answer of a collection waits for a reviewer."
)
WAY = "No collection has one yet; `countersign gate plan` says how to get there."


def _newest(session: Session, certificates: Certificates) -> list[CertificateView]:
    query = select(CertificateRow).order_by(CertificateRow.number.desc()).limit(SHOWN)
    return [_view(row, certificates.why_void(row)) for row in session.scalars(query)]


def _view(row: CertificateRow, why_void: str) -> CertificateView:
    process = running_test(row)
    void = row.state == "live" and bool(why_void)
    state: Any = "void" if void else row.state
    return CertificateView(
        id=row.id,
        collection=row.collection,
        risk_class=row.risk_class,
        state=state,
        reason=why_void if void else row.reason,
        index_version=row.index_version,
        created_at=iso(row.created_at) or "",
        ended_at=iso(row.ended_at),
        certificate=row.certificate,
        reviewer_error=_reviewer_error(row),
        audits=process.seen,
        e_value=None if process.broken else round(process.e_value, 4),
        limit=round(1 / process.delta, 4),
    )


def _reviewer_error(row: CertificateRow) -> str:
    """In words; "" for a certificate that cannot be read."""
    if row.certificate.get("provisional"):
        return NOT_HERE
    try:
        return Certificate.from_json(row.certificate).reviewer_error
    except GateInvalid:
        return ""
