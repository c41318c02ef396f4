"""Does one of two versions do worse? A test on pairs of outcomes that may be looked at any time.

Of the pairs in which only one of the two did badly, the tried version is the bad one at most every
second time if it is no worse. Play money is bet against that (``betting.wealth_of``): the wealth
reaches 1/delta with probability delta at most, however often one looks (Ville's inequality).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from guardrails.gate.betting import wealth_of
from guardrails.gate.binomial import TAIL_MARGIN, GateInvalid

FAILED, ABSTAINED, HELD, POLICY_HELD = "failed", "abstained", "held", "policy_held"
MEASURES = (FAILED, ABSTAINED, HELD)
"""What is compared; each has a third of delta."""
EVEN = 0.5
Outcome = Mapping[str, bool]
"""What is known of one answer, by measure: True is bad. ``policy_held`` says what the checks alone
would have held: it stands for ``held`` where one of a pair had no certificate that could release
it, so that like is compared with like."""


@dataclass(frozen=True)
class Pairs:
    """How many pairs differed: in ``worse`` the tried version alone did badly, in ``better`` the
    other one."""

    worse: int = 0
    better: int = 0

    def with_pair(self, tried_bad: bool, other_bad: bool) -> "Pairs":
        """These, and one pair more."""
        return Pairs(
            self.worse + (tried_bad and not other_bad), self.better + (other_bad and not tried_bad)
        )

    def tells(self, delta: float) -> bool:
        """Whether the tried version is worse; false with probability ``delta`` at most."""
        wealth = wealth_of(self.better, self.worse + self.better, EVEN)
        return wealth >= (1 + TAIL_MARGIN) / delta


@dataclass(frozen=True)
class Comparison:
    """The pairs of each measure."""

    pairs: Mapping[str, Pairs]

    @classmethod
    def start(cls) -> "Comparison":
        """Nothing is known yet."""
        return cls({measure: Pairs() for measure in MEASURES})

    @classmethod
    def restore(cls, state: Any) -> "Comparison":
        """The comparison of ``state``; raises ``GateInvalid``."""
        try:
            pairs = {measure: Pairs(**state[measure]) for measure in MEASURES}
        except (LookupError, TypeError) as error:
            raise GateInvalid("The state of a comparison cannot be read.") from error
        if not all(type(n) is int and n >= 0 for p in pairs.values() for n in (p.worse, p.better)):
            raise GateInvalid("The state of a comparison holds no counts.")
        return cls(pairs)

    def to_state(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {measure: asdict(pairs) for measure, pairs in self.pairs.items()}

    def observe(self, tried: Outcome, other: Outcome) -> "Comparison":
        """The comparison with one pair more; what is not known of both counts for nothing."""
        found = dict(self.pairs)
        for measure in MEASURES:
            known = measure
            if measure == HELD and not (HELD in tried and HELD in other):
                known = POLICY_HELD
            if known in tried and known in other:
                found[measure] = found[measure].with_pair(tried[known], other[known])
        return Comparison(found)

    def worse(self, delta: float) -> str | None:
        """The measure in which the tried version is worse, None where nothing tells so; one that
        is worse in none is told with probability ``delta`` at most."""
        each = delta / len(MEASURES)
        return next((name for name in MEASURES if self.pairs[name].tells(each)), None)
