"""The release gate: the risk of a draft, and whether it may go out without a reviewer.

Each answer reads the mode anew, so a switch counts at once in every process. Whatever goes wrong
here means review.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.db import Database, Json
from app.gate.certificates import Certificates, Premises
from app.gate.modes import MODES, Mode, Modes
from app.gate.sampling import audit_chance, audit_floor, audit_seed, drawn
from app.gate.strata import STANDARD, Stratum, loss_of
from app.records.audit import newest_link
from app.settings import Settings
from guardrails.contract import Draft, Finding, Passage, Topic, canonical_sha256
from guardrails.features import risk_features
from guardrails.gate.binomial import level_of
from guardrails.gate.certificate import Certificate
from guardrails.risk import UNKNOWN, RiskModel

NO_CERTIFICATE = "No certificate covers this answer."
ABOVE = "The risk is above the certified threshold."
EVERYTHING = "Every answer is reviewed for now."
CRASHED = "The gate could not run"


@dataclass(frozen=True)
class Scored:
    """The probability that a draft is wrong, 0 to 1, and the figures behind it.

    ``crash`` is the type of what went wrong while it was scored; the risk is then 1. ``mode`` is
    the gate's mode then; a milder one counts from the next answer on. ``degraded`` says which
    part was missing when the draft was made: nothing was measured without it, so it is held, and
    what a reviewer says of it is no label.
    """

    risk: float
    features: Mapping[str, float]
    mode: Mode
    crash: str = ""
    drivers: tuple[str, ...] = ()
    """The figures that raise the risk most, worst first."""
    degraded: str = ""


@dataclass(frozen=True)
class Admission:
    """What the gate says of one draft."""

    admitted: bool
    mode: Mode
    reason: str
    stratum: Stratum
    risk: float
    features: Mapping[str, float]
    certificate: Certificate | None = None
    certificate_id: str = ""
    audit_share: float = 0.0
    """The chance with which it was drawn for an audit."""
    audit_floor: float = 1.0
    """The least chance to be labelled that an answer could have had then; 1: nothing went out."""
    audited: bool = False
    asked: bool = True
    """False when the policy did not let the draft pass, or it is held for a part that was missing,
    so that the gate had no say."""
    audit_number: int = 0
    """The newest link of the audit log when it was decided."""
    drivers: tuple[str, ...] = ()
    loss: float = 1.0
    """How much it counts if it is wrong."""

    def stored(self, lineage: Mapping[str, str]) -> Json:
        """Plain JSON types for the record; raw figures stay inside the service."""
        return {
            **_told(self.mode, self.certificate),
            "admitted": self.admitted,
            "asked": self.asked,
            "reason": self.reason,
            "collection": self.stratum.collection,
            "risk_class": self.stratum.risk_class,
            "risk": self.risk,
            "features": dict(self.features),
            "drivers": list(self.drivers),
            "certificate": self.certificate_id,
            "threshold": self.certificate.threshold if self.certificate else None,
            "audit_share": self.audit_share,
            "audit_floor": self.audit_floor,
            "audited": self.audited,
            "loss": self.loss,
            "audit_number": self.audit_number,
            "lineage_sha256": canonical_sha256(dict(lineage)),
        }


class Gate:
    """Decides which drafts that the policy lets pass are released without a reviewer."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        risk: RiskModel,
        premises: Premises,
        problem: str = "",
    ) -> None:
        """``problem`` says why there is no risk model, if that is a fault."""
        self._database, self._settings, self._risk = database, settings, risk
        self.certificates = Certificates(database, settings, premises)
        self.problem = problem

    @property
    def lineage(self) -> dict[str, str]:
        """What the risk depends on: generator, embedder, risk model and policy."""
        return self.certificates.lineage

    def mode(self, collections: Sequence[str] = ()) -> Mode:
        """The strictest mode of the service and of these collections, as of now."""
        with self._database.reading() as session:
            return self.modes(session).strictest(collections)

    def modes(self, session: Session) -> Modes:
        """All modes as of now, in a transaction that is open."""
        return self.certificates.modes(session)

    def score(
        self,
        question: str,
        draft: Draft,
        evidence: Sequence[tuple[Passage, float | None]],
        modes: Modes,
    ) -> Scored:
        """The risk of the draft, for the policy and for ``admit``; 1 when nobody can say.

        ``evidence`` comes with its cosines; ``modes`` are those under which it is judged.
        """
        passages, cosines = [p for p, _ in evidence], [cosine for _, cosine in evidence]
        try:
            found = risk_features(question, draft, passages, cosines)
            risk = self._risk.risk(draft.model, found)
            level_of(risk)
            unions = self._settings.gate_unions
            mode = modes.strictest(Stratum.of(draft, passages, (), (), unions).collections)
        except Exception as error:  # noqa: BLE001 - the gate: what crashes is no good news
            return Scored(UNKNOWN, {}, "review_everything", type(error).__name__)
        return Scored(risk, found, mode, drivers=tuple(self._risk.drivers(draft.model, found)))

    def admit(
        self,
        session: Session,
        modes: Modes,
        answer_id: str,
        draft: Draft,
        evidence: Sequence[Passage],
        findings: Sequence[Finding],
        scored: Scored,
        *,
        asked: bool = True,
        topics: Sequence[Topic] = (),
    ) -> Admission:
        """Whether this draft, as ``score`` found it, may go out, and why not.

        It is asked in the transaction that records the answer, with the modes as of then.
        ``asked`` False only notes the risk of a draft that the policy holds anyway. ``topics`` are
        those of the policy that judged it.
        """
        if scored.crash:
            return _crashed(scored.crash)
        try:
            unions = self._settings.gate_unions
            stratum = Stratum.of(draft, evidence, findings, topics, unions)
            mode = max(modes.strictest(stratum.collections), scored.mode, key=MODES.index)
            held = self._held(session, stratum, mode, scored)
            asked = asked and not scored.degraded
            held = replace(held, asked=asked, loss=loss_of(findings, topics))
            return self._admission(answer_id, held)
        except Exception as error:  # noqa: BLE001 - the gate: any crash means review
            return _crashed(type(error).__name__)

    def unasked(self, mode: Mode, similarity: float | None) -> Json:
        """The record's gate entry of a question without a draft; ``mode`` is what held for it."""
        features = {} if similarity is None else {"similarity": similarity}
        return {**_told(mode, None), "asked": False, "features": features}

    def _held(self, session: Session, stratum: Stratum, mode: Mode, scored: Scored) -> Admission:
        now = self.certificates.in_force(session, stratum, mode)
        return Admission(
            admitted=False,
            mode=mode,
            reason=scored.degraded or now.reason,
            stratum=stratum,
            risk=scored.risk,
            features=scored.features,
            drivers=scored.drivers,
            certificate=now.certificate,
            certificate_id=now.certificate_id,
            audit_number=newest_link(session),
            audit_floor=self._floor(now.certificate, mode),
        )

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
        if held.certificate is not None:
            share = audit_chance(share, held.risk, held.certificate.threshold)
        audited = drawn(audit_seed(self._settings), answer_id, share)
        return replace(held, admitted=True, reason="", audit_share=share, audited=audited)

    def _floor(self, certificate: Certificate | None, mode: Mode) -> float:
        """The least chance to be labelled; 1 where every answer goes to a reviewer."""
        share = self._settings.audit_share
        if share == 0 or (certificate is None and mode != "off"):
            return 1.0
        return share if mode == "off" else audit_floor(share)


def _told(mode: str, certificate: Certificate | None) -> Json:
    """The part of a record's gate entry that goes out with the answer."""
    return {
        "mode": mode,
        "certified": certificate is not None and not certificate.provisional,
        "provisional": certificate is not None and certificate.provisional,
        "alpha": certificate.alpha if certificate else None,
        "delta": certificate.delta if certificate else None,
        "weighed": certificate is not None and certificate.weighed,
    }


def _crashed(what: str) -> Admission:
    """The type only: a message could hold text that the asker may not see."""
    nowhere = Stratum("", STANDARD)
    reason = f"{CRASHED}: {what}."
    return Admission(False, "review_everything", reason, nowhere, UNKNOWN, {}, asked=False)
