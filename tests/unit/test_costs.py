"""What the service spends is counted, and priced as the settings say."""

import time

import pytest

from app.backends import prices
from app.settings import Settings
from app.telemetry import Prices, Telemetry


def burn(seconds: float) -> None:
    """Use so much CPU time of this process."""
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass


def value(telemetry: Telemetry, name: str, **labels: str) -> float:
    found = telemetry.registry.get_sample_value(f"countersign_{name}_total", labels)
    return 0.0 if found is None else found


def test_tokens_decisions_and_cpu_time_are_counted_and_priced() -> None:
    telemetry = Telemetry(Prices(3.6, 36.0, 2.0, 10.0))
    telemetry.spent_tokens(1_000_000, 100)
    assert value(telemetry, "generator_tokens", direction="read") == 1_000_000
    assert value(telemetry, "generator_tokens", direction="written") == 100
    assert value(telemetry, "cost", of="generator") == pytest.approx(2.001)
    telemetry.decided("approve", 75.0)
    telemetry.decided("approve", 25.0)
    telemetry.decided("edit", None)  # claimed and decided in one step
    assert value(telemetry, "cost", of="reviewers") == 1.0
    assert value(telemetry, "decisions", kind="edit") == 1
    burn(0.02)
    shown = telemetry.exposition().decode()
    spent = value(telemetry, "cpu_seconds")
    assert 0.02 <= spent < 60
    assert value(telemetry, "cost", of="cpu") == pytest.approx(spent / 1000)
    assert "countersign_cpu_seconds_total" in shown


def test_prices_come_from_the_settings_and_are_none_by_default() -> None:
    priced = Telemetry(prices(Settings(price_reviewer_hour=42, price_million_tokens_read=1.5)))
    priced.decided("approve", 60.0)
    priced.spent_tokens(1_000_000, 0)
    assert value(priced, "cost", of="reviewers") == 0.7
    assert value(priced, "cost", of="generator") == 1.5
    free = Telemetry(prices(Settings()))
    free.decided("approve", 60.0)
    assert value(free, "cost", of="reviewers") == 0


def test_what_could_not_be_kept_is_told_again() -> None:
    telemetry = Telemetry()
    telemetry.spent_tokens(100, 10)
    burn(0.05)  # what is told again is more than what the tests beside this one take meanwhile
    with pytest.raises(RuntimeError), telemetry.keeping() as lost:
        raise RuntimeError("the transaction was rolled back")
    with telemetry.keeping() as kept:
        assert (kept.tokens_read, kept.tokens_written) == (100, 10)
        assert kept.cpu_s >= lost.cpu_s > 0
    with telemetry.keeping() as rest:
        assert rest.tokens_read == 0 and rest.cpu_s < kept.cpu_s
