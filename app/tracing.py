"""Traces in OpenTelemetry's form, under the caller's own; nothing is made or sent unless it is set.

Spans hold names, times and sizes: no text of questions, answers or errors.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from app.errors import SettingsInvalid

if TYPE_CHECKING:  # an extra: without it the service runs, and traces nothing
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer

Result = TypeVar("Result")
_tracer: "Tracer | None" = None


def configure_tracing(endpoint: str, share: float) -> None:
    """Send that share of traces to an OTLP collector at ``endpoint`` (HTTP); "" traces nothing.

    Raises ``SettingsInvalid`` without the extra ``traces``.
    """
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsInvalid("The setting trace_endpoint needs countersign[traces].") from error
    trace_to(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)), share)


def trace_to(processor: "SpanProcessor | None", share: float = 1.0) -> None:
    """Give spans to ``processor`` from now on; None stops. A caller who traces is followed."""
    global _tracer
    if processor is None:
        _tracer = None
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    from countersign import __version__

    resource = Resource.create({"service.name": "countersign", "service.version": __version__})
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(share)), resource=resource)
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("countersign", __version__)


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator["Span | None"]:
    """A span under the current one; None where nothing is traced."""
    if _tracer is None:
        yield None
        return
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as begun:
        try:
            yield begun
        except BaseException as error:
            _failed(begun, error)
            raise


@contextmanager
def request_span(method: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator["Span | None"]:
    """A span of one request with these headers, under the `traceparent` among them, if any."""
    if _tracer is None:
        yield None
        return
    from opentelemetry import context
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carried = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    token = context.attach(TraceContextTextMapPropagator().extract(carried))
    try:
        with _tracer.start_as_current_span(
            method, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as begun:
            yield begun
    finally:
        context.detach(token)


@contextmanager
def batch_spans(name: str, callers: Sequence[Context]) -> Iterator[None]:
    """A span under each caller's current one, while one run of a model serves them together."""
    tracer = _tracer
    if tracer is None:
        yield
        return
    sizes = {"countersign.batch_size": len(callers)}

    def begin() -> "Span":
        return tracer.start_span(name, attributes=sizes)

    begun = [caller.run(begin) for caller in callers]
    try:
        yield
    except BaseException as error:
        for one in begun:
            _failed(one, error)
        raise
    finally:
        for one in begun:
            one.end()


def in_context(work: Callable[..., Result]) -> Callable[..., Result]:
    """``work``, to be run on another thread as if it were part of what runs here."""
    here = copy_context()
    return lambda *arguments: here.run(work, *arguments)


def _failed(begun: "Span", error: BaseException) -> None:
    from opentelemetry.trace import StatusCode

    begun.set_status(StatusCode.ERROR, type(error).__name__)


def describe(begun: "Span | None", name: str, attributes: Mapping[str, Any]) -> None:
    """Name a span for what is known at its end."""
    if begun is not None:
        begun.update_name(name)
        begun.set_attributes(attributes)
