"""Certificates of strata: which one is in force now, and how one ends."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, select
from sqlalchemy.orm import Session, object_session

from app.db import Database, now
from app.gate.modes import Mode, Modes, known_stratum, read_modes
from app.gate.strata import BROKEN, CHANGED, DAMAGED, Stratum
from app.gate.tables import CertificateRow
from app.records.audit import append_audit
from app.records.tables import AuditRow
from app.settings import Settings
from guardrails.contract import canonical_sha256
from guardrails.gate.binomial import GateInvalid
from guardrails.gate.certificate import Certificate
from guardrails.gate.running_test import EProcess

CLOCK_SLACK = timedelta(minutes=5)
AFTER = " after "
"""Stands in the lineage of a generator that is asked what another one left hard: its drafts are of
other questions than those of all, so they have labels and certificates of their own."""

PARTS = {
    "generator": "generator",
    "embedder": "embedder",
    "risk_sha256": "risk model",
    "policy_sha256": "policy",
}
"""What a certificate names in its lineage, and how people call it."""
AGAIN = "it counts again when that does, else `countersign gate carry` and `certify`"


@dataclass(frozen=True)
class InForce:
    """What holds for a stratum now; without a certificate nothing is released, but in mode off."""

    mode: Mode
    certificate: Certificate | None = None
    certificate_id: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Premises:
    """What certificates depend on beside their labels.

    ``shipped`` is the provisional certificate; ``lineage`` names generator, embedder and risk
    model, and ``policy`` gives the hash of the policy in force where that can change;
    ``index_problem`` says why an older index answers for the live one, "" where none does.
    """

    shipped: Certificate | None
    lineage: Mapping[str, str]
    policy: Callable[[], str] | None = None
    index_problem: Callable[[], str] = str


class Certificates:
    """The certificates of all strata; one counts only while its whole lineage is the same here."""

    def __init__(self, database: Database, settings: Settings, premises: Premises) -> None:
        self._database, self._settings, self._premises = database, settings, premises

    @property
    def lineage(self) -> dict[str, str]:
        """What a certificate must have been made for to count now."""
        policy = self._premises.policy
        return dict(self._premises.lineage) | ({"policy_sha256": policy()} if policy else {})

    @property
    def shipped(self) -> Certificate | None:
        """The provisional certificate, if it was made for what runs here and promises enough."""
        found = self._premises.shipped
        # It came in a file: only its date can tell that it is not meant for now.
        if found is None or not self._fits(found) or _from_the_future(found.date):
            return None
        return None if falls_short(found.to_json(), self.asked) else found

    @property
    def asked(self) -> dict[str, float]:
        """The promise that the settings ask."""
        return {"alpha": self._settings.gate_alpha, "delta": self._settings.gate_delta}

    def modes(self, session: Session) -> Modes:
        """The modes of the service and of all collections, as of now."""
        return read_modes(session, self._settings.gate_mode)

    def in_force(self, session: Session, stratum: Stratum, mode: Mode) -> InForce:
        """What holds for a stratum now, in this mode."""
        if mode not in ("provisional", "certified"):
            return InForce(mode)
        rows = [
            row
            for row in session.scalars(standing_rows(stratum))
            if for_hard_questions(row.certificate) == (AFTER in self.lineage.get("generator", ""))
        ]
        own = next((row for row in rows if not row.certificate.get("provisional")), None)
        if own is not None and own.state == "violated":
            return InForce(mode, reason=BROKEN)
        if own is not None and (certificate := self._usable(own)) is not None:
            if self._premises.index_problem():
                return InForce(mode, reason=DAMAGED)
            return InForce(mode, certificate, own.id)
        if mode == "certified" or (shipped := self.shipped) is None:
            return InForce(mode)
        row_id = provisional_id(shipped, stratum)
        if any(row.id == row_id and row.state == "violated" for row in rows):
            return InForce(mode, reason=BROKEN)
        return InForce(mode, shipped, row_id)

    def counts(self, row: CertificateRow) -> bool:
        """Whether a certificate is for what runs here."""
        if not row.certificate.get("provisional"):
            return self._usable(row) is not None
        shipped, stratum = self.shipped, Stratum(row.collection, row.risk_class)
        return shipped is not None and row.id == provisional_id(shipped, stratum)

    def why_void(self, row: CertificateRow) -> str:
        """In words, why a certificate that was never ended does not count; "" where it does.

        For hard questions it looks at the generator that asks, not at the one that is asked.
        """
        if self.counts(row):
            return ""
        if row.certificate.get("provisional"):
            return "not the provisional certificate of this release"
        made_for, here = dict(row.certificate.get("lineage", {})), self.lineage
        first = made_for.get("generator", "").partition(AFTER)[2]
        if first:  # of the larger generator; which one that is now, its own gate knows
            made_for["generator"] = first
        changed = [words for name, words in PARTS.items() if made_for.get(name) != here.get(name)]
        if not changed:
            return self._in_words(row) or ("" if first else "it cannot be read")
        return f"made for another {' and another '.join(changed)}; {AGAIN}"

    def _too_weak(self, row: CertificateRow) -> list[str]:
        """In which of its figures a certificate promises less than is asked now. One that somebody
        made so on purpose counts until more is asked than then."""
        if not falls_short(row.certificate, self.asked):
            return []
        return falls_short(row.certificate, self.asked, _asked_then(row))

    def revoke(self, collection: str, risk_class: str, reason: str, by: str) -> int:
        """End the certificates of a stratum; returns how many were live. Raises ``NotFound``."""
        with self._database.transaction() as session:
            stratum = Stratum(known_stratum(session, collection), risk_class)
            rows = [r for r in session.scalars(standing_rows(stratum)) if r.state == "live"]
            for row in rows:
                end_certificate(session, row, "revoked", reason, by)
        return len(rows)

    def _usable(self, row: CertificateRow) -> Certificate | None:
        """The stored certificate if it can be read and fits."""
        try:
            certificate = Certificate.from_json(row.certificate)
        except GateInvalid:
            return None
        return certificate if self._fits(certificate) and not self._too_weak(row) else None

    def _in_words(self, row: CertificateRow) -> str:
        told = [
            f"its {name} is {row.certificate[name]:g}, and the setting gate_{name} asks for "
            f"{self.asked[name]:g}"
            for name in self._too_weak(row)
        ]
        return f"{'; '.join(told)}: `countersign gate certify` anew" if told else ""

    def _fits(self, certificate: Certificate) -> bool:
        lineage = self.lineage
        same = all(lineage.get(name) == value for name, value in certificate.lineage.items())
        return bool(certificate.lineage) and same


def falls_short(
    stated: Mapping[str, Any], asked: Mapping[str, float], then: Mapping[str, float] | None = None
) -> list[str]:
    """Which of alpha and delta a certificate states larger than ``asked``. ``then`` is what was
    asked when it was made: what was larger then too was meant so, as long as no less is asked."""
    then = then or {}
    return [
        name
        for name, most in asked.items()
        if stated.get(name, 0) > most and not (name in then and stated[name] > then[name] <= most)
    ]


def _asked_then(row: CertificateRow) -> Mapping[str, float]:
    """What the settings asked when it was made; nothing is known of the time before this was
    noted."""
    session = object_session(row)
    link = None if session is None else session.get(AuditRow, row.number)
    return {} if link is None else link.event.get("asked", {})


def end_certificate(
    session: Session, row: CertificateRow, state: str, reason: str, by: str
) -> None:
    """Put a certificate out of force, with an audit link."""
    event = {"certificate": row.id, "collection": row.collection, "risk_class": row.risk_class}
    number = append_audit(session, f"certificate_{state}", {**event, "reason": reason, "by": by})
    row.state, row.reason, row.ended_at, row.ended_number = state, reason, now(), number


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
    rows = session.scalars(_NAMED, {"ids": list(wanted)})
    return wanted - {row.id for row in rows if not row.certificate.get("provisional")}


_NAMED = select(CertificateRow).where(CertificateRow.id.in_(bindparam("ids", expanding=True)))


def provisional_id(certificate: Certificate, stratum: Stratum) -> str:
    """Where the running test of the shipped certificate is kept for one stratum."""
    return canonical_sha256([certificate.sha256, stratum.collection, stratum.risk_class])


def certificate_row(
    row_id: str, stratum: Stratum, stated: Mapping[str, Any], index: str, number: int
) -> CertificateRow:
    """A new row in force: ``stated`` is the certificate's JSON, ``number`` its audit link."""
    return CertificateRow(
        id=row_id,
        collection=stratum.collection,
        risk_class=stratum.risk_class,
        state="live",
        certificate=dict(stated),
        process=EProcess.start(stated["alpha"], stated["delta"], row_id).to_state(),
        index_version=index,
        reason="",
        created_at=now(),
        ended_at=None,
        number=number,
    )


def running_test(row: CertificateRow) -> EProcess:
    """The running test as stored; a violated one when the state is damaged."""
    stated = row.certificate
    return EProcess.restore(row.process, stated["alpha"], stated["delta"], row.id)


@lru_cache(256)
def standing_rows(stratum: Stratum) -> Select[CertificateRow]:
    """The stratum's certificates that are live or violated, newest first."""
    standing = CertificateRow.state.in_(("live", "violated"))
    query = select(CertificateRow).where(*_in_stratum(stratum), standing)
    return query.order_by(CertificateRow.number.desc())


def for_hard_questions(certificate: Mapping[str, Any]) -> bool:
    """Whether a stored certificate is for drafts of questions that another generator left hard."""
    return AFTER in certificate.get("lineage", {}).get("generator", "")


def passages_changed(session: Session, stratum: Stratum) -> int | None:
    """The audit link with which a certificate of the stratum last ended for it; None: never."""
    ended = CertificateRow.state == "revoked", CertificateRow.reason.startswith(CHANGED)
    newest = select(func.max(CertificateRow.ended_number))
    return session.scalar(newest.where(*_in_stratum(stratum), *ended))


def _in_stratum(stratum: Stratum) -> Sequence[ColumnElement[bool]]:
    return (
        CertificateRow.collection == stratum.collection,
        CertificateRow.risk_class == stratum.risk_class,
    )


def _from_the_future(date: str) -> bool:
    moment = datetime.fromisoformat(date)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment > datetime.now(UTC) + CLOCK_SLACK
