"""The running test: does the promise of a certificate still hold for what is released?

A betting e-process (Ville's inequality; Waudby-Smith and Ramdas, 2024).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from guardrails.contract import canonical_sha256
from guardrails.gate.binomial import GateInvalid, check_loss, check_positive, check_probability

BETS = (1.5, 2.0, 4.0)
"""The running test bets that the true rate is this many times alpha."""

LARGEST_BET = 0.5
"""No single right answer may cost more than this share of a bet's wealth."""

NOTHING = -1e6
"""The logarithm of a wealth of nothing, as a JSON number."""


@dataclass(frozen=True)
class EProcess:
    """Watches audited releases: has the error rate risen above alpha?

    Each observation is one released answer that the audit drew with a known probability;
    ``weight`` is its inverse. For each bet b the wealth is multiplied by
    1 + b·(weight / max_weight)·(wrong - alpha) / alpha. While the rate is at most alpha this is a
    fair game at best, so the wealth, which starts at 1, reaches 1/delta with probability delta at
    most, *however long and however often one looks* (Ville). A part of the starting wealth is put
    on the table at each step (what is unspent after t steps is 1/log2(t + 2)), so that a change
    after a long good time is found quickly.

    Immutable: ``observe`` returns the next state. Once ``violated`` it stays so, and nothing but a
    new certificate starts anew. What cannot be read back is violated.
    """

    alpha: float
    delta: float
    max_weight: float
    certificate: str
    seen: int
    logs: tuple[float, ...]
    broken: bool

    @classmethod
    def start(
        cls, alpha: float, delta: float, certificate: str, max_weight: float = 1.0
    ) -> "EProcess":
        """A fresh process for one certificate (its hash); raises ``GateInvalid``."""
        check_probability("alpha", alpha)
        check_probability("delta", delta)
        check_positive("max_weight", max_weight)
        logs = (NOTHING,) * len(BETS)
        return cls(alpha, delta, max_weight, certificate, 0, logs, False)

    @property
    def e_value(self) -> float:
        """The wealth now; evidence that the rate is above alpha. Infinite once broken."""
        if self.broken:
            return math.inf
        return _unspent(self.seen) + sum(map(math.exp, self.logs)) / len(self.logs)

    @property
    def violated(self) -> bool:
        """Whether releases must stop now."""
        return not self.e_value < 1 / self.delta

    def observe(self, wrong: bool, weight: float = 1.0, loss: float = 1.0) -> "EProcess":
        """The process after one audited release; ``loss`` is how much it counts if it is wrong.

        Raises ``GateInvalid``.
        """
        check_loss(loss)
        if not isinstance(wrong, bool):
            raise GateInvalid(f"wrong must be true or false, not {wrong!r}")
        check_positive("weight", weight)
        if weight > self.max_weight:
            raise GateInvalid(f"weight {weight!r} is above max_weight, {self.max_weight!r}")
        counted = loss if wrong else 0.0
        return self._after((counted - self.alpha) / self.alpha * (weight / self.max_weight))

    def _after(self, outcome: float) -> "EProcess":
        """The process after an outcome in [-1, (1 - alpha) / alpha]."""
        seen = self.seen + 1
        if self.violated:
            return EProcess(*self._identity(), seen, self.logs, True)
        fresh = math.log(_unspent(seen - 1) - _unspent(seen))
        logs = tuple(
            _rounded_down(_log_sum(log, fresh) + math.log1p(bet * outcome))
            for log, bet in zip(self.logs, _bets(self.alpha), strict=True)
        )
        after = EProcess(*self._identity(), seen, logs, False)
        return EProcess(*self._identity(), seen, logs, True) if after.violated else after

    def _identity(self) -> tuple[float, float, float, str]:
        return self.alpha, self.delta, self.max_weight, self.certificate

    def to_state(self) -> dict[str, Any]:
        """Plain JSON types, with a hash over them."""
        state = {**asdict(self), "logs": list(self.logs)}
        return {**state, "sha256": canonical_sha256(state)}

    @classmethod
    def restore(
        cls, state: Any, alpha: float, delta: float, certificate: str, max_weight: float = 1.0
    ) -> "EProcess":
        """The stored process; a violated one if ``state`` is missing, damaged or of another
        promise or certificate. Raises ``GateInvalid`` only for the arguments beside ``state``."""
        fresh = cls.start(alpha, delta, certificate, max_weight)
        lost = EProcess(*fresh._identity(), 0, fresh.logs, True)
        if not isinstance(state, Mapping) or set(state) != {*asdict(fresh), "sha256"}:
            return lost
        content = {name: state[name] for name in asdict(fresh)}
        if not _intact(content, state["sha256"]):
            return lost
        stored = cls(**{**content, "logs": tuple(content["logs"])})
        return stored if stored._identity() == fresh._identity() else lost


def _intact(content: Mapping[str, Any], sha256: Any) -> bool:
    """Whether a stored state has its own hash and only figures that a process can have."""
    try:
        same = canonical_sha256(content) == sha256
    except (TypeError, ValueError, RecursionError):
        return False
    logs, seen = content["logs"], content["seen"]
    return (
        same
        and isinstance(logs, list)
        and len(logs) == len(BETS)
        and all(isinstance(log, float) and NOTHING <= log < 1e3 for log in logs)
        and type(seen) is int
        and seen >= 0
        and isinstance(content["broken"], bool)
    )


def _bets(alpha: float) -> list[float]:
    """For a true rate q the wealth grows fastest with the bet (q - alpha) / (1 - alpha)."""
    return [min(alpha * (times - 1) / (1 - alpha), LARGEST_BET) for times in BETS]


def _unspent(seen: int) -> float:
    return 1 / math.log2(seen + 2)


def _log_sum(left: float, right: float) -> float:
    high, low = max(left, right), min(left, right)
    return high + math.log1p(math.exp(low - high))


def _rounded_down(log: float) -> float:
    """To nine decimals, so that the state reads back as it was; down, in favour of no alarm."""
    return max(NOTHING, math.floor(log * 1e9) / 1e9)
