"""The capacity model: its formulas against known values and each other, and against the log."""

import json
import math
import random
import re

import pytest

from app.settings import PROJECT
from benchmarks.capacity import (
    LEVELS,
    MEASURED,
    Constants,
    closed_loop,
    cores_for,
    curve,
    erlang_c,
    late_share,
    measure_capacity,
    plan,
    poisson,
    reproduce,
    service_ms,
    simulate,
)

LOG = (PROJECT / "benchmarks" / "LOG.md").read_text("utf-8")
SCALE = (PROJECT / "docs" / "scale.md").read_text("utf-8")


def by_its_definition(servers: int, load: float) -> float:
    """Erlang's C as the textbooks write it."""
    terms = [load**count / math.factorial(count) for count in range(servers)]
    waits = load**servers / math.factorial(servers) * servers / (servers - load)
    return waits / (sum(terms) + waits)


@pytest.mark.parametrize(
    ("servers", "load"), [(1, 0.5), (2, 1.0), (5, 4.0), (10, 8.0), (20, 19.0), (50, 30.0)]
)
def test_the_chance_to_wait_is_erlang_s(servers: int, load: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(by_its_definition(servers, load), rel=1e-9)


def test_known_values() -> None:
    assert erlang_c(1, 0.7) == pytest.approx(0.7)  # M/M/1
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(10, 8.0) == pytest.approx(0.4092, abs=1e-4)  # printed in tables
    assert erlang_c(3, 3.0) == 1.0
    assert late_share(0.5, 1.0, 1, 2.0) == pytest.approx(0.5 * math.exp(-1.0))
    assert erlang_c(2_000, 1_900.0) < 1, "large numbers stay finite"


@pytest.mark.parametrize(("servers", "busy"), [(1, 0.6), (2, 0.7), (8, 0.85)])
def test_the_simulation_waits_as_the_formula_says(servers: int, busy: float) -> None:
    draws = random.Random(7)
    moments = list(poisson(busy * servers, 60_000, draws))
    served = simulate(moments, lambda: draws.expovariate(1.0), servers)
    load = busy * servers
    expected = erlang_c(servers, load) / (servers - load)  # the mean wait of M/M/c
    assert sum(served.waits) / served.answered == pytest.approx(expected, rel=0.12)
    late = sum(wait > 0.5 for wait in served.waits) / served.answered
    assert late == pytest.approx(late_share(busy * servers, 1.0, servers, 0.5), rel=0.1)


@pytest.mark.parametrize(("servers", "places", "load"), [(1, 4, 0.9), (2, 6, 3.0), (4, 4, 4.0)])
def test_the_simulation_refuses_as_the_formula_says(servers: int, places: int, load: float) -> None:
    draws = random.Random(3)
    moments = list(poisson(load, 60_000, draws))
    served = simulate(moments, lambda: draws.expovariate(1.0), servers, places)
    weights = [1.0]  # of so many questions in M/M/c/K
    for count in range(1, places + 1):
        weights.append(weights[-1] * load / min(count, servers))
    expected = weights[-1] / sum(weights)
    assert served.refused / len(moments) == pytest.approx(expected, rel=0.05)
    assert served.answered + served.refused == len(moments)


def test_it_reproduces_what_was_measured_before_it_extrapolates() -> None:
    rows = reproduce()
    assert len(rows) == len(MEASURED) + 2
    for row in rows:
        assert 0.75 <= row["ratio"] <= 1.25, row
        for name in ("answered", "refused"):
            measured, simulated = row.get(name, (0, 0))
            assert measured == simulated


def test_what_counts_as_measured_stands_in_the_log() -> None:
    bursts = re.findall(r"40 askers at once.*?\| (\d+) answered within ([\d.]+) s", LOG)
    assert {(burst.answered, burst.last_s) for burst in MEASURED} <= {
        (int(answered), float(last)) for answered, last in bursts
    }
    alone = [int(ms) for ms in re.findall(r"one answer alone.*?p50 (\d+) and", LOG)]
    assert {round(burst.alone_s * 1000) for burst in MEASURED} <= set(alone)
    assert f"about {Constants().database_commits_s:.0f} commits a second" in LOG


def test_many_askers_get_no_more_out_of_one_model() -> None:
    assert closed_loop(1, 0.25, 400) == pytest.approx(4.0)
    assert closed_loop(32, 0.25, 400) == pytest.approx(4.0)


def test_overload_is_refused_and_what_is_answered_stays_quick() -> None:
    rows = curve(0.1, 16)
    assert [row["refused"] for row in rows] == sorted(row["refused"] for row in rows)
    peak = max(row["goodput_per_s"] for row in rows)
    assert rows[-1]["goodput_per_s"] >= 0.9 * peak
    assert rows[-1]["p95_ms"] <= 16 * 100 * 2


def test_more_load_and_more_passages_never_need_less() -> None:
    constants = Constants()
    sizes = [10**power for power in range(3, 10)]
    spent = [service_ms(size, constants) for size in sizes]
    assert spent == sorted(spent)
    cores = [cores_for(rate, 0.4, constants) for rate in (0.1, 1, 10, 100, 1000)]
    assert cores == sorted(cores)
    for rate, count in zip((0.1, 1, 10, 100, 1000), cores, strict=True):
        assert rate * 0.4 / count <= constants.busy + 1e-9
        assert late_share(rate, 0.4, count, constants.wait_s) <= 0.05


def test_the_largest_needs_what_its_vectors_weigh() -> None:
    largest = plan(1_000_000_000, 1_000.0, Constants())
    assert largest["memory_gb"] >= 2 * 1_536
    assert largest["shards"] == 100
    assert largest["database"] != plan(26_000, 0.2, Constants())["database"]


def test_the_page_shows_the_figures_of_the_command() -> None:
    figures = measure_capacity(None, None)
    json.dumps(figures)
    for name, passages, _ in LEVELS:
        found = figures["levels"][name]
        (row,) = re.findall(rf"^\| {name} \|(.*)\|$", SCALE, re.M)
        cells = [cell.strip().replace(",", "") for cell in row.split("|")]
        assert cells == [
            str(passages),
            f"{found['requests_per_s']:g}",
            str(found["cpu_ms"]),
            str(found["cores"]),
            str(found["processes"]),
            str(found["shards"]),
            f"{found['memory_gb']:g}",
            f"{found['disk_gb']:g}",
            found["database"].replace(",", ""),
            str(found["cost_month"]),
            f"{found['cost_1000_answers']:g}",
        ]
