"""How a node begins: which entry its first one is."""

from greenroom.runtime.contracts.entries import Asked, Completed, Decision, Delayed, Entered, ErrorInfo, Scheduled
from greenroom.runtime.contracts.plan import MapNode, SleepNode
from greenroom.runtime.core.mapping import MappingProblem, shape
from greenroom.runtime.core.moments import parse_time
from greenroom.runtime.core.nodes import CallNode, RefusedNode, RunNode, work_of
from greenroom.runtime.core.state import NodeState, RunState


def begin(run: RunState, path: str, node: RunNode, at: float, *, known: NodeState | None = None) -> list[Decision]:
    """Return the entries that begin a node.

    Args:
        run: Its run.
        path: Where it stands.
        node: What it is.
        at: Now, in epoch seconds.
        known: Its state, when it was made before it began (a child that a body called).
    """
    match node:
        case MapNode(mapping=dict(mapping)):
            try:
                shaped = shape(run, path, mapping)
            except MappingProblem as problem:
                error = ErrorInfo(type="MappingError", message=str(problem), code="invalid_input", path=path)
                return [Entered(at=at, path=path), Completed(at=at, path=path, status="failed", error=error)]
            done = Completed(at=at, path=path, status="success", has_value=True, value=shaped)
            return [Entered(at=at, path=path), done]
        case SleepNode(seconds=float() | int() as seconds):
            return _sleep(path, at, at + seconds)
        case SleepNode(until=str(until)):
            return _sleep(path, at, parse_time(until))
        case CallNode():
            return _begin_call(run, path, node, at, known)
        case RefusedNode():
            return [Entered(at=at, path=path)]
        case _ if work_of(node) is not None:
            return [Scheduled(at=at, path=path, attempt=1)]
        case _:
            return [Entered(at=at, path=path)]


def _sleep(path: str, at: float, wake_at: float) -> list[Decision]:
    if wake_at <= at:
        return [Delayed(at=at, path=path, wake_at=at), Completed(at=at, path=path, status="success")]
    return [Delayed(at=at, path=path, wake_at=wake_at)]


def _begin_call(run: RunState, path: str, node: CallNode, at: float, known: NodeState | None) -> list[Decision]:
    tool = run.bundle.tools[node.id]
    if known is not None or not node.call_id:
        return [Scheduled(at=at, path=path, attempt=1)]
    if tool.requires_approval:
        return [Asked(at=at, path=path, reason="approval")]
    if tool.approval is not None:
        return [Entered(at=at, path=path), Scheduled(at=at, path=f"{path}?approval", attempt=1)]
    return [Scheduled(at=at, path=path, attempt=1)]
