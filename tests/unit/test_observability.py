"""Alert rules and dashboard ask for metrics and labels that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from app.settings import PROJECT
from app.telemetry import Telemetry

FOLDER = PROJECT / "deploy" / "observability"
NO_PROMTOOL = "promtool is not installed: `apt-get install prometheus` brings it"
LABELS_OF_ALL = {"le", "job", "instance"}


def exposed() -> dict[str, set[str]]:
    """The labels of each name that Prometheus stores of ours."""
    telemetry, found = Telemetry(), {}
    for metric in vars(telemetry).values():
        for described in getattr(metric, "describe", list)():
            endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
            for ending in endings.get(described.type, ("",)):
                found[described.name + ending] = set(metric._labelnames)
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))[
        "panels"
    ]
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def test_every_metric_and_label_exists() -> None:
    known = exposed()
    for expression in expressions():
        names = set(re.findall(r"countersign_\w+", expression))
        assert names <= set(known), expression
        asked = set(re.findall(r"(\w+)=~?\"", expression))
        for grouped in re.findall(r"by \(([^)]*)\)", expression):
            asked |= set(re.split(r",\s*", grouped))
        has = set().union(LABELS_OF_ALL, *(known[name] for name in names))
        assert asked <= has, expression


def test_every_metric_has_a_panel() -> None:
    shown = set(re.findall(r"countersign_\w+", " ".join(expressions())))
    telemetry = Telemetry()
    for metric in telemetry.registry.collect():
        assert any(name.startswith(metric.name) for name in shown), metric.name


def test_every_alert_says_what_it_means() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith(".")


def test_panels_have_places_of_their_own() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(places) == len(set(places))
    assert len({panel["id"] for panel in panels()}) == len(panels())


@pytest.mark.parametrize("arguments", [("check", "alerts.yml"), ("test", "alerts_test.yml")])
def test_prometheus_takes_the_rules(arguments: tuple[str, str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip(NO_PROMTOOL)
    kind, file = arguments
    done = subprocess.run(
        [promtool, kind, "rules", file], cwd=FOLDER, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
