"""One probability "this answer is wrong" for a draft, from a small monotone model in JSON.

The model is a sum of terms, each a piecewise-linear function of one figure that only rises or
only falls, put through a calibration curve that only rises. A figure that is missing or not
finite counts as the worst that its term knows, and a generator without a model has the risk 1:
what is not known is never good news.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from guardrails.contract import canonical_sha256
from guardrails.features import DIRECTIONS, RAISES, is_finite

UNKNOWN = 1.0
"""The risk of what nobody can judge."""
FORMAT = 1
MOST_DRIVERS = 2


class RiskInvalid(ValueError):
    """A risk model that cannot be used; the message names the place."""

    code: ClassVar[str] = "risk_invalid"


@dataclass(frozen=True)
class Curve:
    """Straight lines between points; ``knots`` rise, and outside them the ends go on level."""

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, x: float) -> float:
        """The curve's value at a finite ``x``."""
        place = bisect_right(self.knots, x)
        if place == 0:
            return self.values[0]
        if place == len(self.knots):
            return self.values[-1]
        low, high = self.knots[place - 1], self.knots[place]
        left, right = self.values[place - 1], self.values[place]
        # Each step of this form keeps the order of its arguments, also when rounded.
        value = left + (right - left) * ((x - low) / (high - low))
        return min(max(value, min(left, right)), max(left, right))


@dataclass(frozen=True)
class Term:
    """What one figure adds to the log-odds of "wrong"."""

    feature: str
    curve: Curve

    def of(self, features: Mapping[str, float]) -> float:
        """Its part for these figures; the worst one when the figure is missing or no number."""
        value = features.get(self.feature)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return max(self.curve.values)
        return self.curve.at(value) if math.isfinite(value) else max(self.curve.values)


@dataclass(frozen=True)
class _Model:
    """The terms for one generator; without every figure of ``needs`` there is no judgement."""

    needs: tuple[str, ...]
    terms: tuple[Term, ...]
    calibration: Curve

    def risk(self, features: Mapping[str, float]) -> float:
        if any(not is_finite(features.get(name)) for name in self.needs):
            return UNKNOWN
        return self.calibration.at(sum(term.of(features) for term in self.terms))


@dataclass(frozen=True)
class RiskModel:
    """The risk models of all generators that have one; ``sha256`` is over the content."""

    models: Mapping[str, _Model]
    sha256: str

    def risk(self, generator: str, features: Mapping[str, float]) -> float:
        """The probability in [0, 1] that an answer with these figures is wrong."""
        model = self.models.get(generator)
        return UNKNOWN if model is None else model.risk(features)

    def drivers(self, generator: str, features: Mapping[str, float]) -> list[str]:
        """The two figures that raise the risk of this draft most, each against its best.

        Empty where nothing raises it, or no model knows the generator.
        """
        model = self.models.get(generator)
        if model is None:
            return []
        parts = {t.feature: t.of(features) - min(t.curve.values) for t in model.terms}
        worst = sorted(parts, key=lambda name: -parts[name])
        return [name for name in worst if parts[name] > 0][:MOST_DRIVERS]

    @classmethod
    def parse(cls, content: Any) -> "RiskModel":
        """A model from its JSON value; raises ``RiskInvalid``."""
        generators = _field(content, "generators", dict, "$")
        if _field(content, "format", int, "$") != FORMAT:
            raise RiskInvalid(f"$.format: it must be {FORMAT}")
        models = {name: _model(value, f"$.generators.{name}") for name, value in generators.items()}
        return cls(models, canonical_sha256(content))


NOBODY = RiskModel({}, "")
"""Knows no generator: every risk is 1."""


def _field(content: Any, name: str, kind: type, where: str) -> Any:
    value = content.get(name) if isinstance(content, Mapping) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RiskInvalid(f"{where}.{name}: it is missing, or not of the type {kind.__name__}")
    return value


def _model(content: Any, where: str) -> _Model:
    needs = _field(content, "needs", list, where)
    terms = _field(content, "terms", list, where)
    if not needs or not terms:
        raise RiskInvalid(f"{where}: needs and terms must not be empty")
    parsed = tuple(_term(term, f"{where}.terms[{place}]") for place, term in enumerate(terms))
    names = [term.feature for term in parsed]
    if len(set(names)) != len(names) or not set(needs) <= set(names):
        raise RiskInvalid(f"{where}: each feature has one term, and what is needed has one")
    calibration = _curve(_field(content, "calibration", dict, where), f"{where}.calibration")
    if not 0 <= min(calibration.values) <= max(calibration.values) <= 1:
        raise RiskInvalid(f"{where}.calibration: probabilities lie from 0 to 1")
    _refuse_turns(calibration.values, RAISES, f"{where}.calibration")
    return _Model(tuple(needs), parsed, calibration)


def _term(content: Any, where: str) -> Term:
    feature = _field(content, "feature", str, where)
    if feature not in DIRECTIONS:
        raise RiskInvalid(f"{where}.feature: there is no figure {feature!r}")
    curve = _curve(content, where)
    _refuse_turns(curve.values, DIRECTIONS[feature], where)
    return Term(feature, curve)


def _curve(content: Any, where: str) -> Curve:
    knots = _field(content, "knots", list, where)
    values = _field(content, "values", list, where)
    if len(knots) != len(values) or not knots or not all(map(is_finite, [*knots, *values])):
        raise RiskInvalid(f"{where}: knots and values must be equally many finite numbers")
    if any(right <= left for left, right in pairwise(knots)):
        raise RiskInvalid(f"{where}: knots must rise")
    return Curve(tuple(map(float, knots)), tuple(map(float, values)))


def _refuse_turns(values: Sequence[float], direction: int, where: str) -> None:
    if any((right - left) * direction < 0 for left, right in pairwise(values)):
        raise RiskInvalid(f"{where}: the values go the wrong way")
