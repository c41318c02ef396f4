"""What is said of the gate before anything was measured here, and what to do next."""

from dataclasses import replace
from typing import Any

import pytest

from app.gate.certify import Standing
from app.gate.modes import MODES
from app.gate.plan import LabelPlan, look_advice, next_step
from app.gate.status import CertificateView, GateStatusView, gate_in_words
from guardrails.gate.planned import Plan

SHIPPED = {"alpha": 0.05, "released_share": 0.028, "provisional": True}


def status(mode: str, *certificates: CertificateView, shipped: bool = True) -> GateStatusView:
    return GateStatusView(mode, [], SHIPPED if shipped else None, list(certificates), [], [])


def certificate(state: Any = "live", *, provisional: bool = False) -> CertificateView:
    stated = {"provisional": provisional}
    return CertificateView("", "main", "standard", state, "", "", "", None, stated, "", 0, 1.0, 20)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shipped", [True, False])
def test_no_figure_is_said_of_what_was_not_measured_here(mode: str, shipped: bool) -> None:
    words = gate_in_words(status(mode, shipped=shipped))
    assert not any(sign.isdigit() for sign in words) and "%" not in words
    way = "`countersign gate plan` says how to get there" in words
    assert way == (mode not in ("off", "retrieval_only"))


def test_what_stands_behind_releases_follows_from_mode_and_certificates() -> None:
    assert "nothing was measured on its documents" in gate_in_words(status("provisional"))
    nothing = gate_in_words(status("provisional", shipped=False))
    assert nothing.startswith("There is no provisional certificate for the models in use")
    assert "provisional" not in gate_in_words(status("certified"))
    own = gate_in_words(status("certified", certificate()))
    assert (
        own == "Without a certificate of its own every answer of a collection waits for a reviewer."
    )
    for other in (certificate("void"), certificate(provisional=True)):
        assert "No collection has one yet" in gate_in_words(status("certified", other))


PLAN = LabelPlan("my docs", "standard", 0, 0, 0, 110, 6, "")
FRESH = Standing("provisional", None, 0)


def test_the_next_step_is_a_command_that_can_be_copied() -> None:
    first = next_step(PLAN, FRESH)
    assert first.startswith("Next: hold every draft") and first.endswith("at /label.")
    assert "gate mode review_everything --collection 'my docs' --reason" in first
    assert "gate look --collection 'my docs' --labels 150`" in first
    ready = next_step(PLAN, Standing("review_everything", Plan(150, 0.05, 0.05), 0))
    assert ready == "Next: ask questions as they will come, and label their answers at /label."
    some = next_step(replace(PLAN, labels=30), FRESH)
    assert some.startswith("Next: label on at /label;") and "gate certify" in some
    enough = next_step(replace(PLAN, labels=80, more_labels=0), FRESH)
    assert enough == "Next: `countersign gate certify --collection 'my docs'`."


def test_a_look_is_advised_once_and_before_the_first_label_only() -> None:
    assert "150 labels take 15 days at 10 minutes a day" in look_advice("main", FRESH, 10)
    late = look_advice("main", replace(FRESH, labels=3), 20)
    assert late.startswith("There are 3 labels already")
    plan = Plan(150, 0.05, 0.05)
    planned = look_advice("main", Standing("certified", plan, 60), 20)
    assert planned == "A look at 150 labels is planned: 90 more are needed."
    had = look_advice("main", Standing("certified", plan, 150), 20)
    assert had == "A look at 150 labels is planned: it was had, or labels were moved."
