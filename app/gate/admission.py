"""The release gate in the service: modes, certificates, labels, and the running test.

    off                 the policy alone decides
    provisional         a certificate of one's own, else the shipped one, made elsewhere
    certified           only a certificate of one's own
    review_everything   a reviewer sees every draft before its asker
    retrieval_only      nothing is drafted; the passages found are named

Each answer reads the mode anew, so a switch counts at once in every process. The strictest of
the mode of the service and those of the collections an answer cites counts. Whatever goes wrong
here means review.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.corpus.versions import lock_index
from app.db import Database, iso, now
from app.errors import Invalid
from app.gate.certificates import (
    Standing,
    certificate_row,
    end_certificate,
    from_the_future,
    in_stratum,
    passages_changed_at,
    provisional_id,
    reviewer_error_words,
    running_test,
    stratum_query,
)
from app.gate.coverage import note_certificate
from app.gate.modes import MODES, Mode, known_mode, mode_wire
from app.gate.reviewer_error import gold_result, second_result
from app.gate.sampling import audit_seed, drawn
from app.gate.strata import BROKEN, GATE, SERVICE, STANDARD, Stratum
from app.gate.tables import CertificateRow, GateModeRow, LabelRow
from app.records.audit import append_audit
from app.records.tables import RecordRow
from app.settings import Settings
from guardrails.contract import Draft, Finding, Passage, canonical_sha256
from guardrails.features import risk_features
from guardrails.gate.binomial import GateInvalid, level_of
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import Label, NotCertifiable, certify
from guardrails.risk import UNKNOWN, RiskModel

NO_CERTIFICATE = "No certificate covers this answer."
ABOVE = "The risk is above the certified threshold."
EVERYTHING = "Every answer is reviewed at present."
CRASHED = "The gate could not run"


@dataclass(frozen=True)
class Scored:
    """The probability that a draft is wrong, 0 to 1, and the figures behind it.

    ``crash`` is the type of what went wrong while it was scored; the risk is then 1.
    """

    risk: float
    features: Mapping[str, float]
    crash: str = ""


@dataclass(frozen=True)
class Admission:
    """What the gate says of one draft; ``wire`` is what the asker may know of it."""

    admitted: bool
    mode: Mode
    reason: str
    stratum: Stratum
    risk: float
    features: Mapping[str, float]
    certificate: Certificate | None = None
    certificate_id: str = ""
    audit_share: float = 0.0
    audited: bool = False
    asked: bool = True
    """False when the policy did not let the draft pass, so that the gate had no say."""

    def stored(self, lineage: Mapping[str, str]) -> dict[str, Any]:
        """Plain JSON types for the record; raw figures stay inside the service."""
        return {
            **gate_wire(self.mode, self.certificate),
            "admitted": self.admitted,
            "asked": self.asked,
            "reason": self.reason,
            "collection": self.stratum.collection,
            "risk_class": self.stratum.risk_class,
            "risk": self.risk,
            "features": dict(self.features),
            "certificate": self.certificate_id,
            "threshold": self.certificate.threshold if self.certificate else None,
            "audit_share": self.audit_share,
            "audited": self.audited,
            "lineage_sha256": canonical_sha256(dict(lineage)),
        }


def gate_wire(mode: str, certificate: Certificate | None) -> dict[str, Any]:
    """The part of a record's gate entry that goes out with the answer."""
    return {
        "mode": mode,
        "certified": certificate is not None and not certificate.provisional,
        "provisional": certificate is not None and certificate.provisional,
        "alpha": certificate.alpha if certificate else None,
        "delta": certificate.delta if certificate else None,
    }


def _crashed(what: str) -> Admission:
    """The type only: a message could hold text that the asker may not see."""
    nowhere = Stratum("", STANDARD)
    reason = f"{CRASHED}: {what}."
    return Admission(False, "review_everything", reason, nowhere, UNKNOWN, {}, asked=False)


class Gate:
    """Decides which drafts that the policy lets pass are released without a reviewer.

    ``lineage`` names what the risk depends on: generator, embedder, risk model and policy. A
    certificate counts only while every entry of its own lineage is the same here.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        risk: RiskModel,
        shipped: Certificate | None,
        lineage: Mapping[str, str],
        problem: str = "",
        policy: Callable[[], str] | None = None,
    ) -> None:
        """``problem`` says why there is no risk model, if that is a fault; ``policy`` gives the
        hash of the policy in force, where that can change."""
        self._database, self._settings = database, settings
        self.problem = problem
        self._risk, self._shipped = risk, shipped
        self._lineage, self._policy = dict(lineage), policy

    @property
    def lineage(self) -> dict[str, str]:
        """What a certificate must have been made for to count now."""
        return self._lineage | ({"policy_sha256": self._policy()} if self._policy else {})

    @property
    def shipped(self) -> Certificate | None:
        """The provisional certificate, if it was made for what runs here and promises enough."""
        found, wanted = self._shipped, self._settings
        if found is None or not self._fits(found):
            return None
        enough = found.alpha <= wanted.gate_alpha and found.delta <= wanted.gate_delta
        return found if enough else None

    def mode(self, collections: Sequence[str] = ()) -> Mode:
        """The strictest mode of the service and of these collections, as of now."""
        with self._database.reading() as session:
            return self._mode(session, collections)

    def admit(
        self,
        answer_id: str,
        draft: Draft,
        evidence: Sequence[Passage],
        findings: Sequence[Finding],
        scored: Scored,
        *,
        asked: bool = True,
    ) -> Admission:
        """Whether this draft, as ``score`` found it, may go out, and why not.

        ``asked`` False only notes the risk of a draft that the policy holds anyway.
        """
        if scored.crash:
            return _crashed(scored.crash)
        try:
            stratum = Stratum.of(draft, evidence, findings)
            with self._database.reading() as session:
                standing = self._standing(session, stratum)
            held = Admission(
                admitted=False,
                mode=standing.mode,
                reason=standing.reason,
                stratum=stratum,
                risk=scored.risk,
                features=scored.features,
                certificate=standing.certificate,
                certificate_id=standing.certificate_id,
                asked=asked,
            )
            return self._admission(answer_id, held)
        except Exception as error:  # noqa: BLE001 - the gate: any crash means review
            return _crashed(type(error).__name__)

    def score(
        self, question: str, draft: Draft, evidence: Sequence[tuple[Passage, float | None]]
    ) -> Scored:
        """The risk of the draft, for the policy and for ``admit``; 1 when nobody can say.

        ``evidence`` comes with its cosines.
        """
        passages, cosines = [p for p, _ in evidence], [cosine for _, cosine in evidence]
        try:
            found = risk_features(question, draft, passages, cosines)
            risk = self._risk.risk(draft.model, found)
            level_of(risk)
        except Exception as error:  # noqa: BLE001 - the gate: what crashes is no good news
            return Scored(UNKNOWN, {}, type(error).__name__)
        return Scored(risk, found)

    def unasked(self, similarity: float | None) -> dict[str, Any]:
        """The record's gate entry of a question without a draft."""
        features = {} if similarity is None else {"similarity": similarity}
        return {**gate_wire(self.mode(), None), "asked": False, "features": features}

    def _admission(self, answer_id: str, held: Admission) -> Admission:
        if not held.asked or held.mode == "retrieval_only":
            return held
        if held.mode == "review_everything":
            return replace(held, reason=held.reason or EVERYTHING)
        if held.mode != "off":
            if held.certificate is None:
                return replace(held, reason=held.reason or NO_CERTIFICATE)
            if not held.certificate.releases(held.risk):
                return replace(held, reason=ABOVE)
        share = self._settings.audit_share
        audited = drawn(audit_seed(self._settings), answer_id, share)
        return replace(held, admitted=True, reason="", audit_share=share, audited=audited)

    def _mode(self, session: Session, collections: Iterable[str]) -> Mode:
        wanted = [SERVICE, *collections]
        rows = {
            row.collection: known_mode(row.mode)
            for row in session.scalars(
                select(GateModeRow).where(GateModeRow.collection.in_(wanted))
            )
        }
        modes = [rows.pop(SERVICE, self._settings.gate_mode), *rows.values()]
        return max(modes, key=MODES.index)

    def _standing(self, session: Session, stratum: Stratum) -> Standing:
        mode = self._mode(session, stratum.collections)
        if mode not in ("provisional", "certified"):
            return Standing(mode)
        rows = list(session.scalars(stratum_query(stratum)))
        own = next((row for row in rows if not row.certificate.get("provisional")), None)
        if own is not None and own.state == "violated":
            return Standing(mode, reason=BROKEN)
        if own is not None and (certificate := self._usable(own)) is not None:
            return Standing(mode, certificate, own.id)
        if mode == "certified" or (shipped := self.shipped) is None:
            return Standing(mode)
        row_id = provisional_id(shipped, stratum)
        if any(row.id == row_id and row.state == "violated" for row in rows):
            return Standing(mode, reason=BROKEN)
        return Standing(mode, shipped, row_id)

    def _counts(self, row: CertificateRow) -> bool:
        if not row.certificate.get("provisional"):
            return self._usable(row) is not None
        shipped, stratum = self.shipped, Stratum(row.collection, row.risk_class)
        return shipped is not None and row.id == provisional_id(shipped, stratum)

    def _usable(self, row: CertificateRow) -> Certificate | None:
        """The stored certificate if it can be read, is not from the future, and fits."""
        try:
            certificate = Certificate.from_json(row.certificate)
        except GateInvalid:
            return None
        return certificate if self._fits(certificate) else None

    def _fits(self, certificate: Certificate) -> bool:
        lineage = self.lineage
        same = all(lineage.get(name) == value for name, value in certificate.lineage.items())
        return bool(certificate.lineage) and same and not from_the_future(certificate.date)

    def certify(
        self, collection: str, risk_class: str, alpha: float, delta: float, by: str
    ) -> Certificate | NotCertifiable:
        """Certify a stratum from its labels, and put the certificate in force if there is one.

        Only labels of the present lineage count. Raises ``Invalid`` for figures that cannot be,
        and for a clock that went backwards.
        """
        stratum = Stratum(collection, risk_class)
        with self._database.transaction() as session:
            # Else documents could change between the choice of the labels and the certificate.
            lock_index(session)
            result = self._tested(session, stratum, alpha, delta)
            if isinstance(result, Certificate):
                self._enforce(session, stratum, result, by)
        return result

    def _tested(
        self, session: Session, stratum: Stratum, alpha: float, delta: float
    ) -> Certificate | NotCertifiable:
        labels = self.labels(session, stratum)
        newest = session.scalar(
            select(func.max(CertificateRow.created_at)).where(*in_stratum(stratum))
        )
        try:
            return certify(
                labels,
                alpha,
                delta,
                date=datetime.now(UTC).isoformat(),
                collection=stratum.collection,
                risk_class=stratum.risk_class,
                lineage=self.lineage,
                gold=gold_result(session, stratum.collection),
                second=second_result(session, stratum.collection),
                max_weight=self._largest_weight(labels),
                not_before=newest.isoformat() if newest else None,
            )
        except GateInvalid as error:
            raise Invalid(f"{error}.") from error

    def _largest_weight(self, labels: Sequence[Label]) -> float | None:
        """The most that the audits' draw can weigh; None when every answer was labelled."""
        weights = {label.weight for label in labels}
        share = self._settings.audit_share
        by_design = {1 / share} if share > 0 else set()
        return max(weights | by_design) if len(weights) > 1 else None

    def labels(self, session: Session, stratum: Stratum) -> list[Label]:
        """The labels of a stratum that were given under the present lineage, oldest first; none
        of an answer from before its passages changed so much that a certificate ended."""
        query = (
            select(LabelRow)
            .where(
                LabelRow.collection == stratum.collection,
                LabelRow.risk_class == stratum.risk_class,
                LabelRow.lineage_sha256 == canonical_sha256(self.lineage),
            )
            .order_by(LabelRow.labelled_at, LabelRow.answer_id)
        )
        if (since := passages_changed_at(session, stratum)) is not None:
            query = query.join(RecordRow).where(RecordRow.created_at > since)
        return [Label(row.risk, row.wrong, row.weight) for row in session.scalars(query)]

    def _enforce(
        self, session: Session, stratum: Stratum, certificate: Certificate, by: str
    ) -> None:
        index = lock_index(session).version_id or ""
        event = {"collection": stratum.collection, "risk_class": stratum.risk_class, "by": by}
        append_audit(session, "certified", {**event, "certificate": certificate.sha256})
        for row in session.scalars(stratum_query(stratum)):
            row.state, row.ended_at = "superseded", now()
        made = certificate_row(certificate.sha256, stratum, certificate, index)
        session.add(made)
        note_certificate(session, made)
        forced = session.get(GateModeRow, stratum.collection)
        if forced is not None and forced.changed_by == GATE:
            session.delete(forced)

    def revoke(self, collection: str, risk_class: str, reason: str, by: str) -> int:
        """End the certificates of a stratum; returns how many were live."""
        stratum = Stratum(collection, risk_class)
        with self._database.transaction() as session:
            rows = [r for r in session.scalars(stratum_query(stratum)) if r.state == "live"]
            for row in rows:
                end_certificate(session, row, "revoked", reason, by)
        return len(rows)

    def status(self) -> dict[str, Any]:
        """Modes, certificates with their running tests, and labels, as JSON types."""
        with self._database.reading() as session:
            modes = list(session.scalars(select(GateModeRow).order_by(GateModeRow.collection)))
            rows = list(
                session.scalars(
                    select(CertificateRow).order_by(CertificateRow.created_at.desc()).limit(100)
                )
            )
            counts = session.execute(
                select(
                    LabelRow.collection,
                    LabelRow.risk_class,
                    LabelRow.source,
                    LabelRow.wrong,
                    func.count(),
                ).group_by(
                    LabelRow.collection, LabelRow.risk_class, LabelRow.source, LabelRow.wrong
                )
            ).all()
            mode = self._mode(session, ())
        shipped = self.shipped
        return {
            "mode": mode,
            "modes": [mode_wire(row) for row in modes],
            "provisional": shipped.to_json() if shipped else None,
            "certificates": [self._certificate_wire(row) for row in rows],
            "labels": [
                dict(
                    zip(("collection", "risk_class", "source", "wrong", "count"), row, strict=True)
                )
                for row in counts
            ],
        }

    def _certificate_wire(self, row: CertificateRow) -> dict[str, Any]:
        state = row.state
        if state == "live" and not self._counts(row):
            state = "void"  # its lineage is not what runs here
        process = running_test(row)
        return {
            "id": row.id,
            "collection": row.collection,
            "risk_class": row.risk_class,
            "state": state,
            "reason": row.reason,
            "index_version": row.index_version,
            "created_at": iso(row.created_at),
            "ended_at": iso(row.ended_at),
            "certificate": row.certificate,
            "reviewer_error": reviewer_error_words(row),
            "audits": process.seen,
            "e_value": None if process.broken else round(process.e_value, 4),
            "limit": round(1 / process.delta, 4),
        }
