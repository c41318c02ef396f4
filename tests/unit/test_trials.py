"""The test of two versions on pairs of outcomes, and the circuit breaker."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from app.deadline import Deadline
from app.errors import CallerGone, DeadlineExceeded, DependencyFailed
from app.gate.trials import Trial
from app.serving.breaker import Breaker
from guardrails.gate.binomial import GateInvalid
from guardrails.gate.comparison import Comparison, Pairs

GOOD = {"failed": False, "abstained": False, "policy_held": False, "held": False}


def after(pairs: int, **bad: bool) -> Comparison:
    """A comparison of that many pairs in which only the tried version was ``bad``."""
    found = Comparison.start()
    for _ in range(pairs):
        found = found.observe({**GOOD, **bad}, GOOD)
    return found


def test_only_pairs_that_differ_count_and_seven_failures_in_a_row_tell() -> None:
    both = Comparison.start().observe({**GOOD, "held": True}, {**GOOD, "held": True})
    assert both == Comparison.start()
    assert after(6, failed=True).worse(0.05) is None
    assert after(7, failed=True).worse(0.05) == "failed"
    assert after(40, abstained=True).worse(0.05) == "abstained"
    assert Pairs().with_pair(False, True) == Pairs(0, 1)
    # Better is never worse, however often.
    assert not Pairs(0, 500).tells(0.05)


def test_like_is_compared_with_like_where_one_has_no_certificate() -> None:
    uncertified = {"failed": False, "abstained": False, "policy_held": False}
    assert Comparison.start().observe(uncertified, {**GOOD, "held": True}) == Comparison.start()
    held = Comparison.start().observe({**uncertified, "policy_held": True}, GOOD)
    assert held.pairs["held"] == Pairs(1, 0)
    # Of an answer that failed nothing else is known.
    failed = Comparison.start().observe({"failed": True}, {**GOOD, "abstained": True})
    assert (failed.pairs["failed"], failed.pairs["abstained"]) == (Pairs(1, 0), Pairs())


def stopped(rate: float, other: float, pairs: int, seed: int) -> bool:
    """Whether a version that is held at ``rate`` is ever called worse than one at ``other``."""
    draw, found = random.Random(seed), Pairs()
    for _ in range(pairs):
        found = found.with_pair(draw.random() < rate, draw.random() < other)
        if found.tells(0.05 / 3):
            return True
    return False


def test_looked_at_after_every_pair_it_seldom_errs_and_finds_what_is_worse() -> None:
    even = sum(stopped(0.3, 0.3, 400, seed) for seed in range(120))
    worse = sum(stopped(0.6, 0.3, 400, seed) for seed in range(30))
    assert even <= 6  # 1.7 % are allowed: 2 of 120; more than 6 has a chance of 0.1 %
    assert worse == 30


@pytest.mark.parametrize("state", [None, {}, {"failed": {"worse": -1, "better": 0}}, [1]])
def test_a_damaged_state_is_refused(state: object) -> None:
    with pytest.raises(GateInvalid):
        Comparison.restore(state)
    whole = after(3, held=True)
    assert Comparison.restore(whole.to_state()) == whole
    with pytest.raises(GateInvalid):
        Comparison.restore({**whole.to_state(), "held": {"worse": 1.5, "better": 0}})


def test_a_request_goes_to_the_same_version_always_and_the_share_holds() -> None:
    trial = Trial("t", "next", False, 0.2)
    taken = [trial.takes("ann", f"question {n}") for n in range(2000)]
    assert taken == [trial.takes("ann", f"question {n}") for n in range(2000)]
    assert 340 < sum(taken) < 460
    assert taken != [trial.takes("ben", f"question {n}") for n in range(2000)]
    assert all(Trial("t", "next", False, 1.0).takes("ann", f"q{n}") for n in range(50))


@dataclass
class Server:
    """What the breaker leads to: raises ``error`` while there is one."""

    error: Callable[[], Exception] | None = None
    alive: bool = True
    calls: int = 0
    now: float = 0.0
    closed: list[bool] = field(default_factory=list)

    def submit(self, item: str, _deadline: Deadline) -> str:
        self.calls += 1
        if self.error is not None:
            raise self.error()
        return item.upper()

    def close(self) -> None:
        self.closed.append(True)


def opened(error: Callable[[], Exception] | None) -> tuple[Server, Breaker[str, str]]:
    server = Server(error)
    return server, Breaker(server, failures=3, rest_s=30, clock=lambda: server.now)


@pytest.mark.parametrize("error", [DependencyFailed, DeadlineExceeded])
def test_what_fails_again_and_again_rests_and_is_tried_by_one(
    error: Callable[[], Exception],
) -> None:
    server, breaker = opened(error)
    for _ in range(3):
        with pytest.raises((DependencyFailed, DeadlineExceeded)):
            breaker.submit("a", Deadline(1))
    with pytest.raises(DependencyFailed, match="3 times in a row"):
        breaker.submit("a", Deadline(1))
    assert server.calls == 3  # nobody waited for it again
    server.now = 31
    with pytest.raises((DependencyFailed, DeadlineExceeded)):
        breaker.submit("a", Deadline(1))  # the one that tries it
    with pytest.raises(DependencyFailed, match="in a row"):
        breaker.submit("a", Deadline(1))
    assert server.calls == 4
    server.now, server.error = 62, None
    assert [breaker.submit("a", Deadline(1)) for _ in range(2)] == ["A", "A"]
    server.error = error
    for _ in range(3):  # it was forgiven: three more are needed
        with pytest.raises((DependencyFailed, DeadlineExceeded)):
            breaker.submit("a", Deadline(1))
    assert server.calls == 9


def test_a_caller_who_hangs_up_is_no_failure() -> None:
    server, breaker = opened(CallerGone)
    for _ in range(10):
        with pytest.raises(CallerGone):
            breaker.submit("a", Deadline(1))
    assert server.calls == 10
    breaker.close()
    assert breaker.alive
    assert server.closed == [True]


def test_a_caller_who_hangs_up_does_not_say_that_it_works_again() -> None:
    server, breaker = opened(DependencyFailed)

    def asked(error: Callable[[], Exception]) -> None:
        server.error = error
        with pytest.raises((CallerGone, DependencyFailed)):
            breaker.submit("a", Deadline(1))

    for error in (DependencyFailed, CallerGone, DependencyFailed, CallerGone, DependencyFailed):
        asked(error)
    asked(DependencyFailed)
    assert server.calls == 5  # three failures in a row, whoever hung up in between
    server.now = 31
    asked(CallerGone)  # the one that tries it does not wait for what becomes of it
    asked(DependencyFailed)  # so another one does
    asked(DependencyFailed)
    assert server.calls == 7
