"""Spans of each stage under the caller's own trace, also through the batcher, without any text."""

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app import tracing
from app.deadline import Deadline
from app.errors import SettingsInvalid
from app.serving.batcher import Batcher
from app.tracing import configure_tracing, in_context, request_span, span, trace_to
from tests.servers import handbook_services, served

QUESTION = "How much is the cancellation fee?"
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-00"


@pytest.fixture
def kept() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    trace_to(SimpleSpanProcessor(exporter))
    yield exporter
    trace_to(None)


def named(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {one.name: one for one in exporter.get_finished_spans()}


def ids(one: ReadableSpan) -> tuple[str, str, str]:
    """Trace, span, and the span above it, in hexadecimal."""
    assert one.context is not None
    above = f"{one.parent.span_id:016x}" if one.parent else ""
    return f"{one.context.trace_id:032x}", f"{one.context.span_id:016x}", above


def test_a_question_is_traced_under_its_caller(
    kept: InMemorySpanExporter, tmp_path: Path, migrated_sqlite: Path
) -> None:
    with served(handbook_services(tmp_path, migrated_sqlite)) as service:
        asked = httpx.post(
            f"{service.address}/v1/ask",
            json={"question": QUESTION},
            headers={"Authorization": f"Bearer {service.site.keys['ann']}", "traceparent": SAMPLED},
            timeout=240,
        )
        assert asked.status_code == 200, asked.text
        httpx.get(f"{service.address}/healthz", timeout=240)
    spans = named(kept)
    request = spans["POST /v1/ask"]
    trace, request_id, above = ids(request)
    assert (trace, above) == (TRACE, CALLER)
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    for stage in ("screening", "searching", "drafting", "judging"):
        assert ids(spans[stage])[::2] == (TRACE, request_id), stage
    for route, stage in (("vectors", "screening"), ("readings", "searching")):
        assert ids(spans[route])[::2] == (TRACE, ids(spans[stage])[1]), route
    assert not any("healthz" in name for name in spans), "probes are not traced"
    told = " ".join(one.to_json() for one in kept.get_finished_spans())
    for word in (*QUESTION.rstrip("?").split()[3:], asked.json()["answer"]["text"][:20]):
        assert word not in told


def test_callers_of_one_batch_keep_their_traces(kept: InMemorySpanExporter) -> None:
    both = threading.Barrier(2)

    def run(items: Sequence[str]) -> list[str]:
        return [item.upper() for item in items]

    batcher = Batcher(run, max_wait_s=30, max_items=2, name="model")

    def ask(name: str) -> str:
        with span(name):
            both.wait()
            return batcher.submit(name, Deadline(60))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, ["one", "two"])) == ["ONE", "TWO"]
    batcher.close()
    finished = kept.get_finished_spans()
    callers = {ids(one)[1]: ids(one)[0] for one in finished if one.name in ("one", "two")}
    runs = [one for one in finished if one.name == "model"]
    assert {ids(one)[2]: ids(one)[0] for one in runs} == callers
    assert len(set(callers.values())) == 2
    for one in runs:
        assert one.attributes is not None and one.attributes["countersign.batch_size"] == 2


def test_an_error_is_named_and_not_told(kept: InMemorySpanExporter) -> None:
    def crash(_items: Sequence[str]) -> list[str]:
        raise ValueError("secret of the question")

    batcher = Batcher(crash, name="model")
    with pytest.raises(ValueError, match="secret"), span("stage"):
        batcher.submit("x", Deadline(60))
    batcher.close()
    for name in ("model", "stage"):
        one = named(kept)[name]
        assert one.status.description == "ValueError"
        assert "secret" not in one.to_json()


def test_a_caller_that_does_not_trace_is_followed(kept: InMemorySpanExporter) -> None:
    with request_span("GET", [(b"traceparent", UNSAMPLED.encode())]), span("stage"):
        pass
    assert kept.get_finished_spans() == ()
    with request_span("GET", [(b"traceparent", b"nonsense")]) as begun:
        assert begun is not None and begun.get_span_context().trace_id != int(TRACE, 16)


def test_work_on_another_thread_belongs_to_its_request(kept: InMemorySpanExporter) -> None:
    def work() -> None:
        with span("inner"):
            pass

    with ThreadPoolExecutor(1) as pool, span("outer"):
        pool.submit(in_context(work)).result()
    assert ids(named(kept)["inner"])[2] == ids(named(kept)["outer"])[1]


def test_nothing_is_traced_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    configure_tracing("", 1.0)
    assert tracing._tracer is None
    with (
        span("stage") as begun,
        request_span("GET", [(b"traceparent", SAMPLED.encode())]) as request,
    ):
        assert begun is request is None
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(SettingsInvalid, match=r"countersign\[traces\]"):
        configure_tracing("http://127.0.0.1:4318/v1/traces", 1.0)
