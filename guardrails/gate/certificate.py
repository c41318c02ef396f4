"""The certificate: a threshold, what it promises, and what it was computed from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from guardrails.contract import canonical_sha256
from guardrails.gate.binomial import GRID, GateInvalid, check_probability, level_of, moment_of

NOT_HERE = "nothing was measured on these documents"

NOT_MEASURED = "not measured: assumed 0"

MEASURED = ("gold", "gold_missed", "gold_delta", "second_reviews", "second_agreed")
"""What a certificate says of measured reviewers. Without a measurement these fields are left out
of its JSON, so that certificates from before there were such keep their hash."""

WEIGHED = "weighed"
"""Left out where every wrong answer counts in full, for the same reason."""


@dataclass(frozen=True)
class Certificate:
    """The threshold that keeps the promise for one collection and risk class.

    ``n`` and ``errors`` are what the test at the threshold counted. ``released_share`` is the
    share of answers at or below the threshold, an estimate. ``upper_bound`` is the plain
    Clopper-Pearson bound at the threshold, for information: the promised bound is ``alpha``.
    ``miss_bound`` bounds the rate at which reviewers call wrong answers right; 0 means that it was
    not measured and labels are taken as true. It comes from ``gold_missed`` of ``gold`` items with
    confidence 1 - ``gold_delta``; of ``second_reviews`` blind ones ``second_agreed``. ``test`` is
    ``binomial`` or ``thinned binomial``; ``seed`` is what the thinning drew with. ``lineage`` maps
    names to hashes. ``weighed``: some wrong answers count less than 1, so that ``alpha`` bounds the
    mean loss.
    """

    threshold: float
    released_share: float
    alpha: float
    delta: float
    n: int
    errors: int
    upper_bound: float
    miss_bound: float
    test: str
    seed: int
    grid: int
    labels: int
    lineage: Mapping[str, str]
    date: str
    provisional: bool
    collection: str
    risk_class: str
    gold: int = 0
    gold_missed: int = 0
    gold_delta: float = 0.0
    second_reviews: int = 0
    second_agreed: int = 0
    weighed: bool = False

    @property
    def reviewer_error(self) -> str:
        """What is known of the reviewers who gave the labels, in words."""
        if self.provisional:
            return NOT_HERE
        if self.gold:
            counted = f"{self.gold_missed} of {self.gold} gold items missed"
            return f"at most {self.miss_bound:.1%} of wrong answers called right ({counted})"
        if self.miss_bound:
            return f"no gold items; second reviews show at least {self.miss_bound:.1%} missed"
        return NOT_MEASURED

    def releases(self, score: float) -> bool:
        """Whether an answer with this risk may go out; False for a score that is no risk."""
        try:
            return level_of(score) <= level_of(self.threshold)
        except GateInvalid:
            return False

    @property
    def sha256(self) -> str:
        """The canonical hash of the certificate, for lineages and records."""
        return canonical_sha256(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; ``from_json`` reads them back."""
        stated = {**asdict(self), "lineage": dict(self.lineage)}
        left_out = () if self.gold or self.second_reviews else MEASURED
        left_out = left_out if self.weighed else (*left_out, WEIGHED)
        return {name: value for name, value in stated.items() if name not in left_out}

    @classmethod
    def from_json(cls, value: Any) -> "Certificate":
        """Read a certificate; raises ``GateInvalid`` for anything unexpected in it."""
        names = {field.name: field.type for field in fields(cls)}
        if isinstance(value, Mapping) and not set(value) & set(MEASURED):
            names = {name: kind for name, kind in names.items() if name not in MEASURED}
        if isinstance(value, Mapping) and WEIGHED not in value:
            del names[WEIGHED]
        if not isinstance(value, Mapping) or set(value) != set(names):
            raise GateInvalid("a certificate must have exactly the fields of a certificate")
        for name, kind in names.items():
            _check_type(name, value[name], kind)
        certificate = cls(**{**value, "lineage": dict(value["lineage"])})
        _check_certificate(certificate)
        return certificate


KINDS: dict[Any, tuple[type, ...]] = {
    float: (float, int),
    int: (int,),
    str: (str,),
    bool: (bool,),
    Mapping[str, str]: (Mapping,),
}


def _check_type(name: str, value: Any, kind: Any) -> None:
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, KINDS[kind]):
        raise GateInvalid(f"certificate: {name} has the wrong type: {value!r}")


def _check_certificate(certificate: Certificate) -> None:
    check_probability("alpha", certificate.alpha)
    check_probability("delta", certificate.delta)
    moment_of(certificate.date)
    for name in ("threshold", "released_share", "upper_bound", "miss_bound", "gold_delta"):
        if not 0 <= getattr(certificate, name) <= 1:
            raise GateInvalid(f"certificate: {name} must lie from 0 to 1")
    if certificate.grid != GRID:
        raise GateInvalid(f"certificate: made for a grid of {certificate.grid}, ours is {GRID}")
    if not 0 <= certificate.errors <= certificate.n <= certificate.labels or certificate.n == 0:
        raise GateInvalid("certificate: errors, n and labels do not fit each other")
    reviewed = certificate.second_reviews, certificate.second_agreed
    golden = certificate.gold, certificate.gold_missed
    if not all(0 <= part <= whole for whole, part in (golden, reviewed)):
        raise GateInvalid("certificate: the figures of the reviewers do not fit each other")
    text = [*certificate.lineage, *certificate.lineage.values()]
    if not all(isinstance(part, str) for part in text):
        raise GateInvalid("certificate: lineage must map names to hashes")
