"""How long one question takes over a large store, and what each of its stages costs."""

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.access.principals import LOCAL
from app.answering.answerer import Ask
from app.errors import Invalid
from app.settings import PROJECT, Settings
from app.tracing import trace_to
from app.wiring import Services, open_services
from benchmarks.machine import cpu_seconds, machine
from benchmarks.made_store import make_store
from benchmarks.metrics import percentile
from benchmarks.service import Running, ask_at_rate, ask_in_turn, example_questions, running_service

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

WARM = 8
"""Questions before anything is measured."""
OTHERS = "other"
"""What a question costs outside of its stages."""


def measure_latency(
    passages: int, rate: float, seconds: float, traced: int, documents: Path | None = None
) -> dict[str, Any]:
    """Latency at ``rate`` questions a second over ``passages``, and the CPU time of each stage.

    ``stages`` are of ``traced`` questions asked one after the other, in milliseconds of all
    threads together, each without the stages within it: valid on a busy machine too. Times of the
    open loop are of the wall clock, over HTTP, from when each question was due.
    """
    folder = documents or PROJECT / "examples" / "documents"
    questions = example_questions()
    with tempfile.TemporaryDirectory(prefix="countersign-latency-") as name:
        stored, stages = _traced(Path(name), folder, passages, questions[:traced])
        environment = {"COUNTERSIGN_AUDIT_SHARE": "0"}
        with running_service(Path(name), environment) as service:
            figures = asyncio.run(_open_loop(service, questions[traced:], rate, seconds))
            figures |= {"ready_cpu_s": service.ready_cpu_s, "ready_mb": service.ready_mb}
    return {**figures, "stages": stages, "passages": stored, **machine()}


async def _open_loop(
    service: Running, questions: Sequence[str], rate: float, seconds: float
) -> dict[str, Any]:
    await ask_in_turn(service.port, service.key, questions[:WARM], 1, seconds)
    cpu = cpu_seconds(service.process)
    told = await ask_at_rate(service.port, service.key, questions[WARM:], rate, seconds)
    spent = cpu_seconds(service.process) - cpu
    answered = [one.milliseconds for one in told if one.status == 200]
    return {
        "p50_ms": round(percentile(answered, 0.5), 1),
        "p95_ms": round(percentile(answered, 0.95), 1),
        "rate": rate,
        "asked": len(told),
        "answered": len(answered),
        "cpu_ms": round(1000 * spent / max(len(answered), 1), 1),
    }


def _traced(
    folder: Path, documents: Path, passages: int, questions: Sequence[str]
) -> tuple[int, dict[str, float]]:
    """How many passages the made store holds, and the CPU milliseconds of each stage."""
    services = open_services(
        Settings(data_dir=folder, database_url="", questions_per_minute=10**6, audit_share=0)
    )
    try:
        stored = make_store(services, documents, passages)
        return stored, trace_stages(services, questions)
    finally:
        services.close()


def trace_stages(services: Services, questions: Sequence[str]) -> dict[str, float]:
    """CPU milliseconds of each stage and of the whole, on average; asks each question once."""
    for question in questions[:WARM]:
        services.answerer.answer(LOCAL, Ask(f"{question} Now."))
    began = time.process_time()
    with _stage_times() as spent:
        for question in questions:
            services.answerer.answer(LOCAL, Ask(question))
    total = time.process_time() - began
    spent[OTHERS] = total - sum(spent.values())
    stages = {**dict(sorted(spent.items(), key=lambda one: -one[1])), "total": total}
    return {name: round(1000 * one / len(questions), 2) for name, one in stages.items()}


@contextmanager
def _stage_times() -> Iterator[dict[str, float]]:
    """CPU seconds by the name of each span that ends within the block, less those within it."""
    try:
        from opentelemetry.sdk.trace import SpanProcessor
    except ImportError as error:
        raise Invalid("Stages are measured by countersign[traces], which is missing.") from error
    spent: dict[str, float] = defaultdict(float)
    began: dict[int, float] = {}
    within: dict[int, float] = defaultdict(float)

    class Clock(SpanProcessor):
        def on_start(self, span: "Span", parent_context: "Context | None" = None) -> None:
            began[span.get_span_context().span_id] = time.process_time()

        def on_end(self, span: "ReadableSpan") -> None:
            context = span.get_span_context()
            assert context is not None
            took = time.process_time() - began.pop(context.span_id)
            spent[span.name] += took - within.pop(context.span_id, 0.0)
            if span.parent is not None:
                within[span.parent.span_id] += took

    trace_to(Clock())
    try:
        yield spent
    finally:
        trace_to(None)
