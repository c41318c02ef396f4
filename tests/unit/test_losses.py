"""Wrong answers that count less than others: by their topic, in the bets and the running test."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.gate.strata import Stratum, loss_of
from guardrails.contract import Draft, Finding, Outcome, Topic
from guardrails.gate.anytime import certify_anytime
from guardrails.gate.betting import BETS, PURSES, Stream
from guardrails.gate.binomial import GateInvalid, lower_limit
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import Label, NotCertifiable
from guardrails.gate.planned import Plan, look
from guardrails.gate.running_test import EProcess
from guardrails.policy.load import PolicyInvalid, load_policy, parse_policy

ALPHA = DELTA = 0.05
DAY = "2026-11-29"
DOSE = Topic("dose", "A dose.", "answer", (), "health")
HOURS = Topic("hours", "Opening hours.", "answer", (), "health", 0.1)


def found(*names: str) -> list[Finding]:
    return [Finding("topics", Outcome.FAIL, "", name) for name in names]


def tried(labels: list[Label]) -> Certificate | NotCertifiable:
    return certify_anytime(labels, ALPHA, DELTA, date=DAY, collection="main")


def test_topics_share_a_risk_class_and_the_worst_of_them_says_what_an_answer_counts() -> None:
    draft, topics = Draft((), (), "m"), (DOSE, HOURS)
    assert Stratum.of(draft, [], found("hours"), topics).risk_class == "health"
    assert Stratum.of(draft, [], found("hours")).risk_class == "hours"
    assert loss_of(found("hours"), topics) == 0.1
    assert loss_of(found("hours", "dose"), topics) == 1.0
    assert loss_of(found("hours", "gone"), topics) == 1.0, "what is not known counts in full"
    assert loss_of([], topics) == loss_of([Finding("topics", Outcome.PASS, "")], topics) == 1.0


def test_a_policy_says_risk_class_and_loss_of_a_topic() -> None:
    topic = {"name": "hours", "description": "d", "where": "both", "patterns": ["open"]}
    content = {**load_policy().content, "rules": [], "screens": []}
    told = parse_policy({**content, "topics": [{**topic, "risk_class": "shop", "loss": 0.2}]}, "p")
    assert (told.topics[0].risk_class, told.topics[0].loss) == ("shop", 0.2)
    plain = parse_policy({**content, "topics": [topic]}, "p").topics[0]
    assert (plain.risk_class, plain.loss) == ("", 1.0)
    for loss in (0, 1.1, -0.2, "x"):
        with pytest.raises(PolicyInvalid, match="loss"):
            parse_policy({**content, "topics": [{**topic, "loss": loss}]}, "p")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_the_wealth_of_losses_is_exact(quarters: list[int]) -> None:
    alpha, total = Fraction(1, 20), Fraction(0)
    for bet, purse in zip(BETS.tolist(), PURSES.tolist(), strict=True):
        product = Fraction(str(purse))
        for lost in quarters:
            product *= 1 + Fraction(str(bet)) / (1 - alpha) * (alpha - Fraction(lost, 4))
        total += product
    n = len(quarters)
    stream = Stream.labelled(ALPHA, np.zeros(n, int), [k / 4 for k in quarters], np.ones(n))
    assert math.exp(stream.log_wealth(0)[-1]) == pytest.approx(float(total), rel=1e-9)


def test_small_losses_certify_where_full_ones_do_not() -> None:
    def labels(loss: float) -> list[Label]:
        return [Label(0.1, n % 12 == 0, loss=loss) for n in range(300)]

    made = tried(labels(0.1))
    assert isinstance(made, Certificate)
    assert (made.weighed, made.errors, made.n) == (True, 25, 300)
    assert Certificate.from_json(made.to_json()) == made
    assert isinstance(tried(labels(1.0)), NotCertifiable)
    full = tried([Label(0.1, False)] * 100)
    assert isinstance(full, Certificate) and not full.weighed
    assert "weighed" not in full.to_json(), "as before there were losses"
    assert Certificate.from_json(full.to_json()) == full


def test_an_exact_look_counts_every_wrong_answer_in_full() -> None:
    labels = [Label(0.1, n % 12 == 0, loss=0.1) for n in range(200)]
    seen = look(labels, [1.0] * 200, Plan(200, ALPHA, DELTA), ALPHA, DELTA)
    assert seen is not None and seen.level is None and seen.errors == 15


def test_the_running_test_watches_the_mean_loss() -> None:
    small = full = EProcess.start(ALPHA, DELTA, "c")
    for n in range(200):
        small, full = small.observe(n % 5 == 0, loss=0.1), full.observe(n % 5 == 0)
    assert full.violated and not small.violated
    exact = EProcess.start(ALPHA, DELTA, "c").observe(True, loss=ALPHA)
    assert exact.e_value == pytest.approx(1.0, abs=1e-6), "a loss of alpha wins and loses nothing"


@pytest.mark.parametrize("loss", [0.0, -0.1, 1.1, math.nan, True])
def test_a_loss_that_is_none_fails_closed(loss: float) -> None:
    with pytest.raises(GateInvalid):
        Label(0.1, True, loss=loss)
    with pytest.raises(GateInvalid):
        EProcess.start(ALPHA, DELTA, "c").observe(True, loss=loss)
    if not 0 <= loss <= 1:
        with pytest.raises(GateInvalid, match=r"^a loss is not from 0 to 1: outside"):
            Stream.labelled(ALPHA, [0], [loss], [1.0])


@pytest.mark.simulation
def test_a_mean_loss_above_alpha_is_certified_with_delta_at_most() -> None:
    """One answer in five is wrong; half of these count 0.1, the others 0.402: 5.02 % together."""
    rng, broken, times = np.random.default_rng(5), 0, 400
    for _ in range(times):
        wrong, heavy = rng.random(400) < 0.2, rng.random(400) < 0.5
        losses = wrong * np.where(heavy, 0.402, 0.1)
        stream = Stream.labelled(ALPHA, np.zeros(400, int), losses, np.ones(400))
        broken += bool(stream.passed(0, DELTA))
    assert lower_limit(broken, times, 0.025) <= DELTA
