"""A new certificate from a stratum's labels, in force from then on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from app.corpus.versions import lock_index
from app.db import Database, now
from app.errors import Invalid
from app.gate.certificates import Certificates, certificate_row, for_hard_questions, standing_rows
from app.gate.coverage import note_certificate
from app.gate.labels import ANY_DAY, Looks, labels_of, lent_to, note_look
from app.gate.modes import Mode
from app.gate.planned_looks import planned_look
from app.gate.reviewer_error import gold_result, second_result
from app.gate.sampling import audit_floor
from app.gate.strata import GATE, Stratum
from app.gate.tables import GateModeRow
from app.records.audit import append_audit
from app.settings import Settings
from guardrails.gate.anytime import betting_curve, certify_anytime
from guardrails.gate.binomial import GateInvalid
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import Label, NotCertifiable, certify
from guardrails.gate.planned import Plan


@dataclass(frozen=True)
class Standing:
    """Where a stratum stands: the mode that counts for it, its planned look, and its labels."""

    mode: Mode
    look: Plan | None
    labels: int


class Certifier:
    """Makes certificates; only labels of the present lineage count."""

    def __init__(self, database: Database, settings: Settings, certificates: Certificates) -> None:
        self._database, self._settings = database, settings
        self._certificates = certificates

    def certify(
        self,
        collection: str,
        risk_class: str,
        alpha: float,
        delta: float,
        by: str,
        looks: Looks = ANY_DAY,
    ) -> Certificate | NotCertifiable:
        """Certify a stratum from its labels, and put the certificate in force if there is one.

        One may try any day. ``looks`` "once" is a single look with the exact test, which needs
        fewer labels, at those that nobody has looked at; it uses them up. Raises ``Invalid`` for
        figures that cannot be.
        """
        stratum = Stratum(collection, risk_class)
        with self._database.transaction() as session:
            # Else documents could change between the choice of the labels and the certificate.
            lock_index(session)
            result = self._tested(session, stratum, alpha, delta, looks)
            noted = note_look(session, stratum, self._certificates.lineage, looks)
            if isinstance(result, Certificate):
                _enforce(session, stratum, result, by, self._certificates.asked)
            elif noted:  # what changed is sealed by a link
                event = {"collection": collection, "risk_class": risk_class, "by": by}
                append_audit(session, "labels_looked_at", {**event, "looks": looks, "new": noted})
        return result

    def tried(
        self, collection: str, risk_class: str, alpha: float, delta: float
    ) -> Certificate | NotCertifiable:
        """What ``certify`` would say on any day; nothing is put in force or noted."""
        with self._database.reading() as session:
            return self._tested(session, Stratum(collection, risk_class), alpha, delta, ANY_DAY)

    def standing(self, stratum: Stratum) -> Standing:
        """Where a stratum stands now."""
        lineage = self._certificates.lineage
        with self._database.reading() as session:
            mode = self._certificates.modes(session).strictest(stratum.collections)
            labels = len(labels_of(session, stratum, lineage))
            return Standing(mode, planned_look(session, stratum, lineage), labels)

    def curve(
        self, collection: str, risk_class: str, alpha: float, delta: float
    ) -> tuple[list[float], int]:
        """(the share of the evidence for a first threshold after each label, labels of wrong
        answers)."""
        stratum = Stratum(collection, risk_class)
        with self._database.reading() as session:
            labels = labels_of(session, stratum, self._certificates.lineage)
            lent = lent_to(session, stratum, self._certificates.lineage)
            gold, second = gold_result(session, collection), second_result(session, collection)
            plan = _plan(session, stratum, self._certificates.lineage, alpha, delta)
        points = betting_curve(
            labels,
            alpha,
            delta,
            gold=gold,
            second=second,
            max_weight=self._largest_weight(labels),
            lent=lent,
            plan=plan,
        )
        return points, sum(label.wrong for label in labels)

    def _tested(
        self, session: Session, stratum: Stratum, alpha: float, delta: float, looks: Looks
    ) -> Certificate | NotCertifiable:
        lineage = self._certificates.lineage
        labels = labels_of(session, stratum, lineage, looks)
        plan = _plan(session, stratum, lineage, alpha, delta)
        test, more = _test(session, stratum, lineage, looks, plan)
        try:
            result: Certificate | NotCertifiable = test(
                labels,
                alpha,
                delta,
                date=datetime.now(UTC).isoformat(),
                collection=stratum.collection,
                risk_class=stratum.risk_class,
                lineage=lineage,
                gold=gold_result(session, stratum.collection),
                second=second_result(session, stratum.collection),
                max_weight=self._largest_weight(labels),
                **more,
            )
        except GateInvalid as error:
            raise Invalid(f"{error}.") from error
        return result

    def _largest_weight(self, labels: Sequence[Label]) -> float | None:
        """The most that the audits' draw can weigh; None when every answer was labelled."""
        weights = {label.weight for label in labels}
        share = self._settings.audit_share
        by_design = {1 / audit_floor(share)} if share > 0 else set()
        return max(weights | by_design) if len(weights) > 1 else None


def _plan(
    session: Session, stratum: Stratum, lineage: Mapping[str, str], alpha: float, delta: float
) -> Plan | None:
    """The plan of a stratum if it is for this promise; each promise has a delta of its own."""
    plan = planned_look(session, stratum, lineage)
    return plan if plan is not None and (plan.alpha, plan.delta) == (alpha, delta) else None


def _test(
    session: Session, stratum: Stratum, lineage: Mapping[str, str], looks: Looks, plan: Plan | None
) -> tuple[Any, dict[str, Any]]:
    """The test and what only it is told. Raises ``Invalid`` for a single look beside a plan."""
    if looks == ANY_DAY:
        return certify_anytime, {"lent": lent_to(session, stratum, lineage), "plan": plan}
    if planned_look(session, stratum, lineage) is not None:
        raise Invalid("A look is planned: a single look beside it would use up its labels.")
    return certify, {}


def _enforce(
    session: Session,
    stratum: Stratum,
    certificate: Certificate,
    by: str,
    asked: Mapping[str, float],
) -> None:
    index = lock_index(session).version_id or ""
    event: dict[str, Any] = {"collection": stratum.collection, "risk_class": stratum.risk_class}
    event |= {"by": by, "asked": dict(asked)}  # what the settings asked then: ``falls_short``
    number = append_audit(session, "certified", {**event, "certificate": certificate.sha256})
    stored = certificate.to_json()
    for row in session.scalars(standing_rows(stratum)):
        if for_hard_questions(row.certificate) != for_hard_questions(stored):
            continue
        row.state, row.ended_at, row.ended_number = "superseded", now(), number
    made = certificate_row(certificate.sha256, stratum, stored, index, number)
    session.add(made)
    note_certificate(session, made)
    forced = session.get(GateModeRow, stratum.collection)
    if forced is not None and forced.changed_by == GATE:
        session.delete(forced)
