"""One trace per run, through the OpenTelemetry API: whoever runs the actor chooses the SDK and where spans go.

Spans are made from the journal's times when a run has ended, so a run that was suspended for weeks, or moved to
another process, is still one trace. Without an SDK nothing is done. Names follow OpenTelemetry's semantic conventions
for generative AI where they have one.
"""

from typing import Final

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, Status, StatusCode, TraceFlags

from greenroom.runtime.contracts.records import SpanRow
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.core.spans import spans
from greenroom.runtime.core.state import RunState

NAME: Final = "greenroom"
NANOSECONDS: Final = 1_000_000_000


def is_traced() -> bool:
    """Tell whether spans would go anywhere."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def trace_run(run: RunState) -> int:
    """Emit the spans of a run that has ended; return how many.

    The run's trace id is kept; a parent span that came with the request becomes the parent of the whole.
    """
    if not is_traced():
        return 0
    begun: dict[str, tuple[Span, float]] = {}
    for row in spans(run):
        parent = _caller(run) if row.parent_path is None else begun[row.parent_path][0]
        span = _begin_run(run, parent) if row.parent_path is None else _begin_step(row, parent)
        begun[row.path] = span, row.ended_at
    for span, ended_at in reversed(begun.values()):  # a span ends before the one around it
        span.end(int(ended_at * NANOSECONDS))
    return len(begun)


def _caller(run: RunState) -> Span:
    started = run.started
    span_id = int(started.parent_span_id, 16) if started.parent_span_id else int(started.trace_id[:16], 16) or 1
    flags = TraceFlags(TraceFlags.SAMPLED)
    context = SpanContext(trace_id=int(started.trace_id, 16), span_id=span_id, is_remote=True, trace_flags=flags)
    return NonRecordingSpan(context)


def _begin_run(run: RunState, parent: Span) -> Span:
    started = run.started
    span = _begin(f"{started.kind} {started.target}", parent, run.created_at)
    span.set_attribute("greenroom.run.id", run.run_id)
    span.set_attribute("greenroom.run.status", run.status.value)
    span.set_attribute("greenroom.workspace", started.workspace)
    if run.usage.total_tokens:
        span.set_attribute("gen_ai.usage.input_tokens", run.usage.input_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", run.usage.output_tokens)
    if run.error is not None:
        span.set_status(Status(StatusCode.ERROR, run.error.message))
    return span


def _begin_step(row: SpanRow, parent: Span) -> Span:
    span = _begin(f"{row.kind} {row.name}", parent, row.started_at)
    span.set_attribute("greenroom.step.path", row.path)
    span.set_attribute("greenroom.step.status", row.status)
    span.set_attribute("greenroom.step.attempts", row.attempts)
    if row.error_type is not None:
        span.set_status(Status(StatusCode.ERROR, f"{row.error_type}: {row.error}"))
    elif row.status == StepStatus.SUCCESS:
        span.set_status(Status(StatusCode.OK))
    return span


def _begin(name: str, parent: Span, at: float) -> Span:
    context = trace.set_span_in_context(parent)
    return trace.get_tracer(NAME).start_span(name, context=context, start_time=int(at * NANOSECONDS))
