"""Metrics and log lines; neither holds question text unless a setting says so.

The message of an exception can hold anything, so personal data and secrets in log lines are masked.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.tracing import span
from guardrails.personal_data.find import KINDS, mask

STAGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
CHARACTERS_PER_TOKEN = 4
SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder where processes that serve together keep their metrics;
prometheus-client reads it when it is imported."""


@dataclass(frozen=True)
class Prices:
    """What things cost, in any one currency: an hour of one core, an hour of a reviewer, and a
    million tokens that the generator reads, and that it writes."""

    cpu_hour: float = 0.0
    reviewer_hour: float = 0.0
    million_read: float = 0.0
    million_written: float = 0.0

    def of_cpu(self, seconds: float) -> float:
        """The price of CPU time."""
        return seconds / 3600 * self.cpu_hour

    def of_tokens(self, read: float, written: float) -> float:
        """The price of tokens."""
        return (read * self.million_read + written * self.million_written) / 1e6

    def of_reviewers(self, seconds: float) -> float:
        """The price of reviewers' time."""
        return seconds / 3600 * self.reviewer_hour


@dataclass(frozen=True)
class Spent:
    """What a process has spent: seconds of CPU, and tokens of the generator."""

    cpu_s: float = 0.0
    tokens_read: float = 0.0
    tokens_written: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.cpu_s + other.cpu_s,
            self.tokens_read + other.tokens_read,
            self.tokens_written + other.tokens_written,
        )


FREE, NOTHING = Prices(), Spent()


class Telemetry:
    """The metrics, in a registry of their own: two services can share a process.

    Where several processes serve together, each exposes the metrics of all of them.
    """

    def __init__(self, prices: Prices = FREE) -> None:
        self.registry, self.prices = CollectorRegistry(), prices
        self._cpu_s, self._unkept = time.process_time(), Spent()
        self._lock = threading.Lock()
        self._count_answers()
        self._count_costs()
        self.requests = self._counter(
            "requests", "HTTP requests by route and status.", "method", "route", "status"
        )
        self.policy_problem = self._gauge(
            "policy_problem",
            "1 when the policy file cannot be used and an older one stays in force.",
            "livemax",
        )
        self.running = self._gauge("running_answers", "Answers being worked on.", "livesum")
        self.open_reviews = self._gauge("open_reviews", "Review tasks that wait.", "mostrecent")
        self.escalated_reviews = self._gauge(
            "escalated_reviews", "Review tasks that wait and escalated by age.", "mostrecent"
        )
        self.oldest_review = self._gauge(
            "oldest_review_seconds",
            "Age of the oldest review task that waits; 0: none.",
            "mostrecent",
        )
        self.drift_alarms = self._gauge("drift_alarms", "Open alarms of drift.", "mostrecent")
        self.passages = self._gauge("index_passages", "Passages in the live index.", "mostrecent")

    def _count_answers(self) -> None:
        self.answers = self._counter("answers", "Answers by outcome.", "outcome")
        self.findings = self._counter(
            "findings", "Check results that were not a pass.", "check", "outcome"
        )
        self.decisions = self._counter("decisions", "Review decisions by kind.", "kind")
        self.shadow = self._counter(
            "shadow_verdicts",
            "Verdicts of the shadow policy, by agreement with what happened.",
            "agreement",
        )
        self.stages = Histogram(
            "countersign_stage_seconds",
            "Seconds in each stage of an answer.",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=self.registry,
        )
        self.readings = self._counter(
            "readings",
            "Pairs of question and passage, by whether the reader read them or had kept them.",
            "from",
        )
        self.kept_answers = self._counter(
            "kept_answers",
            "Questions by whether an earlier draft was used, had changed, or was missed; and by "
            "whether a near one lent readings, or these led to another answer.",
            "outcome",
        )
        self.kept_answers_saved = self._counter(
            "kept_answers_saved_seconds",
            "Seconds of searching and drafting that earlier drafts saved.",
        )
        self.larger = self._counter(
            "hard_questions",
            "Hard questions, by what became of asking the larger generator.",
            "outcome",
        )
        self.gate = self._counter(
            "gate",
            "Drafts that the gate decided on, by mode and whether they went out.",
            "mode",
            "admitted",
        )

    def _count_costs(self) -> None:
        self._cpu = self._counter("cpu_seconds", "CPU seconds of the service.")
        self._tokens = self._counter(
            "generator_tokens",
            "Tokens that the generator was given and that it wrote: as a model server counts them, "
            "else four characters each.",
            "direction",
        )
        self._cost = self._counter("cost", "What was spent, at the prices of the settings.", "of")

    def spent_cpu(self) -> None:
        """Count the CPU time of this process since it was last counted."""
        with self._lock:
            spent, self._cpu_s = time.process_time() - self._cpu_s, time.process_time()
            spent = max(spent, 0.0)
            self._unkept += Spent(cpu_s=spent)
        self._cpu.inc(spent)
        self._cost.labels("cpu").inc(self.prices.of_cpu(spent))

    def spent_tokens(self, read: float, written: float) -> None:
        """Count tokens that the generator was given, and that it wrote."""
        tokens = read, written
        with self._lock:
            self._unkept += Spent(0.0, *tokens)
        for direction, count in zip(("read", "written"), tokens, strict=True):
            self._tokens.labels(direction).inc(count)
        self._cost.labels("generator").inc(self.prices.of_tokens(*tokens))

    @contextmanager
    def keeping(self) -> Iterator[Spent]:
        """What was spent since this was last asked, to be kept in the block; if that fails, it is
        told again."""
        self.spent_cpu()
        with self._lock:
            spent, self._unkept = self._unkept, Spent()
        try:
            yield spent
        except BaseException:
            with self._lock:
                self._unkept += spent
            raise

    def decided(self, kind: str, seconds: float | None) -> None:
        """Count a reviewer's decision, and the time since they claimed the task where known."""
        self.decisions.labels(kind).inc()
        self._cost.labels("reviewers").inc(self.prices.of_reviewers(seconds or 0.0))

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"countersign_{name}", said, labels, registry=self.registry)

    def _gauge(
        self, name: str, said: str, together: Literal["livemax", "livesum", "mostrecent"]
    ) -> Gauge:
        """``together``: what the figures of several processes make."""
        return Gauge(
            f"countersign_{name}", said, registry=self.registry, multiprocess_mode=together
        )

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        self.spent_cpu()
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
        # The stream as it is when a line is written: whoever runs commands may exchange it.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
