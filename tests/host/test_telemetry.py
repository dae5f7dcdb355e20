"""One trace per run, whatever happened to it on the way."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from greenroom import App, StepContext, Workflow
from tests.host.harness import Harness


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Collect spans in memory, for one test."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def context_of(span: ReadableSpan) -> SpanContext:
    """Return a span's context, which one that was ended has."""
    context = span.get_span_context()
    assert context is not None
    return context


def add_one(value: int) -> int:
    """Return one more."""
    return value + 1


async def ask(value: int, ctx: StepContext) -> int:
    """Add what a person says."""
    return value + int(await ctx.suspend())


async def test_a_run_that_was_suspended_and_survived_a_crash_is_one_trace(spans: InMemorySpanExporter) -> None:
    """Root and steps share the run's trace id; steps are children of the root."""
    app = App(workflows=[Workflow("sum", input=int).then(add_one).then(ask)])
    async with Harness(app) as harness:
        run = await harness.client.workflow("sum").start(1)
        await run.result(timeout_s=5)
        await harness.crash()
        await run.resume("ask", 5)
        result = await run.result(timeout_s=5)
    found = spans.get_finished_spans()
    assert {f"{context_of(span).trace_id:032x}" for span in found} == {result.trace_id}
    root = next(span for span in found if span.name == "workflow sum")
    steps = {span.name: span for span in found if span is not root}
    assert set(steps) == {"step add_one", "step ask"}
    assert all(span.parent is not None and span.parent.span_id == context_of(root).span_id for span in steps.values())
