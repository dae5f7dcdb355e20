"""One trace per run, through the OpenTelemetry API: whoever runs the actor chooses the SDK and where spans go.

Spans are made from the journal's times when a run has ended, so a run that was suspended for weeks, or moved to
another process, is still one trace. Without an SDK nothing is done. Names follow OpenTelemetry's semantic conventions
for generative AI where they have one.
"""

from typing import Final

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, Status, StatusCode, TraceFlags

from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.core.nodes import is_internal, kind_of
from greenroom.runtime.core.state import NodeState, RunState

NAME: Final = "greenroom"
NANOSECONDS: Final = 1_000_000_000


def is_traced() -> bool:
    """Tell whether spans would go anywhere."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def trace_run(run: RunState) -> int:
    """Emit the spans of a run that has ended; return how many.

    The run's trace id is kept; a parent span that came with the request becomes the parent of the whole.
    """
    if not is_traced() or run.finished_at is None:
        return 0
    started = run.started
    span_id = int(started.parent_span_id, 16) if started.parent_span_id else int(started.trace_id[:16], 16) or 1
    remote = SpanContext(
        trace_id=int(started.trace_id, 16), span_id=span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )
    root = _begin(f"{started.kind} {started.target}", NonRecordingSpan(remote), run.created_at)
    root.set_attribute("greenroom.run.id", run.run_id)
    root.set_attribute("greenroom.run.status", run.status.value)
    root.set_attribute("greenroom.workspace", started.workspace)
    if run.usage.total_tokens:
        root.set_attribute("gen_ai.usage.input_tokens", run.usage.input_tokens)
        root.set_attribute("gen_ai.usage.output_tokens", run.usage.output_tokens)
    if run.error is not None:
        root.set_status(Status(StatusCode.ERROR, run.error.message))
    count = 1 + sum(_trace_node(child, root, run.finished_at) for child in run.root.children.values())
    root.end(int(run.finished_at * NANOSECONDS))
    return count


def _trace_node(node: NodeState, parent: Span, last_at: float) -> int:
    below = (*node.children.values(), *node.calls.values())
    name = node.path.rpartition("/")[2]
    if is_internal(name) or not node.started_at:
        return sum(_trace_node(child, parent, last_at) for child in below)
    span = _begin(f"{kind_of(node.node)} {node.node.id or name}", parent, node.started_at)
    span.set_attribute("greenroom.step.path", node.path)
    span.set_attribute("greenroom.step.status", node.status.value)
    span.set_attribute("greenroom.step.attempts", node.attempt or 1)
    if node.error is not None:
        span.set_status(Status(StatusCode.ERROR, f"{node.error.type}: {node.error.message}"))
    elif node.status is StepStatus.SUCCESS:
        span.set_status(Status(StatusCode.OK))
    count = 1 + sum(_trace_node(child, span, last_at) for child in below)
    span.end(int((node.ended_at or last_at) * NANOSECONDS))
    return count


def _begin(name: str, parent: Span, at: float) -> Span:
    context = trace.set_span_in_context(parent)
    return trace.get_tracer(NAME).start_span(name, context=context, start_time=int(at * NANOSECONDS))
