"""Metrics and log lines; neither holds question text unless a setting says so.

The message of an exception can hold anything, so personal data and secrets in log lines are masked.
"""

import logging
import os
import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.tracing import span
from guardrails.checks.personal_data import KINDS, mask

STAGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder where processes that serve together keep their metrics;
prometheus-client reads it when it is imported."""


class Telemetry:
    """The metrics, in a registry of their own: two services can share a process.

    Where several processes serve together, each exposes the metrics of all of them.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "countersign_answers", "Answers by outcome.", ["outcome"], registry=self.registry
        )
        self.findings = Counter(
            "countersign_findings",
            "Check results that were not a pass.",
            ["check", "outcome"],
            registry=self.registry,
        )
        self.decisions = Counter(
            "countersign_decisions", "Review decisions by kind.", ["kind"], registry=self.registry
        )
        self.shadow = Counter(
            "countersign_shadow_verdicts",
            "Verdicts of the shadow policy, by agreement with what happened.",
            ["agreement"],
            registry=self.registry,
        )
        self.policy_problem = Gauge(
            "countersign_policy_problem",
            "1 when the policy file cannot be used and an older one stays in force.",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.stages = Histogram(
            "countersign_stage_seconds",
            "Seconds in each stage of an answer.",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=self.registry,
        )
        self.readings = Counter(
            "countersign_readings",
            "Pairs of question and passage, by whether the reader read them or had kept them.",
            ["from"],
            registry=self.registry,
        )
        self.kept_answers = Counter(
            "countersign_kept_answers",
            "Questions by whether an earlier draft was used, had changed, or was missed.",
            ["outcome"],
            registry=self.registry,
        )
        self.kept_answers_saved = Counter(
            "countersign_kept_answers_saved_seconds",
            "Seconds of searching and drafting that earlier drafts saved.",
            registry=self.registry,
        )
        self.requests = Counter(
            "countersign_requests",
            "HTTP requests by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.running = Gauge(
            "countersign_running_answers",
            "Answers being worked on.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.open_reviews = Gauge(
            "countersign_open_reviews",
            "Review tasks that wait.",
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )
        self.gate = Counter(
            "countersign_gate",
            "Drafts that the gate decided on, by mode and whether they went out.",
            ["mode", "admitted"],
            registry=self.registry,
        )
        self.drift_alarms = Gauge(
            "countersign_drift_alarms",
            "Open alarms of drift.",
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )
        self.passages = Gauge(
            "countersign_index_passages",
            "Passages in the live index.",
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        folder = os.environ.get(SHARED_METRICS)
        if not folder:
            return generate_latest(self.registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared, folder)  # type: ignore[no-untyped-call]
        return generate_latest(shared)


class StageClock:
    """Times the stages of one answer; ``timings_ms`` are milliseconds by stage."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage; a stage entered twice adds up."""
        began = time.perf_counter()
        try:
            with span(name):
                yield
        finally:
            spent = time.perf_counter() - began
            self._telemetry.stages.labels(name).observe(spent)
            self.timings_ms[name] = round(self.timings_ms.get(name, 0.0) + spent * 1000, 1)


def _masked(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The same line with ``[email]`` and the like in place of personal data and secrets."""
    for key, value in event.items():
        if isinstance(value, str) and key != "timestamp":
            event[key] = mask(value, KINDS)
    return event


def configure_logging(level: int = logging.INFO) -> None:
    """JSON log lines on standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _masked,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
