"""What the service spends is counted, and priced as the settings say."""

import time

import pytest

from app.settings import Settings
from app.telemetry import Prices, Telemetry
from app.wiring import _telemetry


def value(telemetry: Telemetry, name: str, **labels: str) -> float:
    found = telemetry.registry.get_sample_value(f"countersign_{name}_total", labels)
    return 0.0 if found is None else found


def test_tokens_decisions_and_cpu_time_are_counted_and_priced() -> None:
    telemetry = Telemetry(Prices(3.6, 0.5, 2.0, 10.0))
    telemetry.spent_tokens(1_000_000, 100)
    assert value(telemetry, "generator_tokens", direction="read") == 1_000_000
    assert value(telemetry, "generator_tokens", direction="written") == 100
    assert value(telemetry, "cost", of="generator") == pytest.approx(2.001)
    telemetry.decided("approve")
    telemetry.decided("edit")
    assert value(telemetry, "cost", of="reviewers") == 1.0
    assert value(telemetry, "decisions", kind="edit") == 1
    ends = time.process_time() + 0.02
    while time.process_time() < ends:
        pass
    shown = telemetry.exposition().decode()
    spent = value(telemetry, "cpu_seconds")
    assert 0.02 <= spent < 5
    assert value(telemetry, "cost", of="cpu") == pytest.approx(spent / 1000)
    assert "countersign_cpu_seconds_total" in shown


def test_prices_come_from_the_settings_and_are_none_by_default() -> None:
    priced = _telemetry(Settings(price_decision=0.7, price_million_tokens_read=1.5))
    priced.decided("approve")
    priced.spent_tokens(1_000_000, 0)
    assert value(priced, "cost", of="reviewers") == 0.7
    assert value(priced, "cost", of="generator") == 1.5
    free = _telemetry(Settings())
    free.decided("approve")
    assert value(free, "cost", of="reviewers") == 0
