"""What stays of a run when it is executed again from one of its steps: the outcomes before that step.

Before a step is what stands before it in its sequence, and in the sequences around it; iterations and items with a
lower index; and the other members of a parallel, a branch or a turn, which are beside it. Of these, what has succeeded
is taken over, or has failed where failure is allowed; the rest begins again, and so does everything behind the step.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import inf

from greenroom.runtime.contracts.entries import Taken, TargetKind
from greenroom.runtime.contracts.plan import (
    AgentNode,
    BranchNode,
    ForeachNode,
    LoopNode,
    ParallelNode,
    SleepNode,
    WorkflowNode,
)
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.contracts.values import Json, find_blob
from greenroom.runtime.core.agent_state import call_of
from greenroom.runtime.core.ending import compose
from greenroom.runtime.core.nodes import BodyNode, TurnNode
from greenroom.runtime.core.state import NodeState, RunState
from greenroom.runtime.core.visit import input_of

_COMPOSED = ParallelNode | BranchNode | ForeachNode | LoopNode | SleepNode | WorkflowNode | AgentNode


def taken_over(start: NodeState, *, with_values: bool = False) -> tuple[Taken, ...]:
    """Return what stays when execution begins at `start`, in the order in which `restore` takes it.

    Args:
        start: The step that is executed first.
        with_values: Repeat the inputs that were read from stored values, for a use in the same process.
    """
    chain = [start]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    chain.reverse()
    found: list[Taken] = []
    for above, inner in pairwise(chain):
        if above.parent is not None or above.fetched is not None:
            found.append(_take(above, "open", with_values=with_values, until=inner.started_at))
        for child in _beside(above, inner):
            found.extend(_whole(child, with_values=with_values))
    if start.parent is not None and start.parent.calls.get(start.node.name) is start:
        found.append(_take(start, "open", with_values=with_values))
    return tuple(found)


def stored_inputs(run: RunState, taken: tuple[Taken, ...]) -> dict[str, Json]:
    """Return the values behind the references among what is taken over, by digest."""
    found: dict[str, Json] = {}
    for item in taken:
        reference = find_blob(item.reference)
        if reference is not None:
            found[reference.sha256] = run.nodes[item.path].input
    return found


def _whole(node: NodeState, *, with_values: bool) -> Iterator[Taken]:
    yield _take(node, node.status.value, with_values=with_values)
    for child in (*_in_order(node), *node.calls.values()):
        if child.is_final:
            yield from _whole(child, with_values=with_values)


def _in_order(node: NodeState) -> list[NodeState]:
    if isinstance(node.node, ForeachNode | LoopNode):
        return sorted(node.children.values(), key=lambda child: child.index)
    return list(node.children.values())


def _beside(above: NodeState, inner: NodeState) -> Iterator[NodeState]:
    """Yield the parts of a node that stay when it goes on from `inner`, in order."""
    if above.calls.get(inner.node.name) is inner:
        for call in above.calls.values():
            if call is inner:
                return
            if call.is_final and call.status is not StepStatus.CANCELED:
                yield call
    elif above.frame is not None and above.frame.kind == "agent":
        yield from _said(above, inner)
    else:
        allows_failure = isinstance(above.node, ForeachNode | ParallelNode) and above.node.allow_failure
        for child in _before(above, inner):
            if _stays(child, allows_failure=allows_failure):
                yield child


def _before(above: NodeState, inner: NodeState) -> Iterator[NodeState]:
    match above.node:
        case ParallelNode() | BranchNode():
            yield from (child for child in above.children.values() if child is not inner)
        case ForeachNode() | LoopNode():
            yield from (child for child in _in_order(above) if child.index < inner.index)
        case _:
            for child in above.children.values():
                if child is inner:
                    return
                yield child


def _stays(node: NodeState, *, allows_failure: bool) -> bool:
    if node.has_bailed:
        return False  # its workflow would be over at once
    if node.status is StepStatus.FAILED:
        return allows_failure
    return node.status in {StepStatus.SUCCESS, StepStatus.SKIPPED}


def _said(agent: NodeState, inner: NodeState) -> Iterator[NodeState]:
    """Yield what stays of an agent: its earlier turns with their calls, and the other calls of the same turn."""
    now = _turn_of(agent, inner)
    for child in agent.children.values():
        turn = _turn_of(agent, child)
        if child is inner or not child.is_final or child.status is StepStatus.CANCELED or turn > now:
            continue
        if turn < now or not isinstance(inner.node, TurnNode):
            yield child


def _turn_of(agent: NodeState, child: NodeState) -> int:
    """Return the number of the turn a part of an agent belongs to; -1 for what comes before the first."""
    if isinstance(child.node, TurnNode):
        return int(child.node.name.partition("[")[2].rstrip("]"))
    call = call_of(agent, child)
    if call is not None:
        return int(call["turn"])
    return int(child.node.name.removeprefix("~check")) if child.node.name.startswith("~check") else -1


def _take(node: NodeState, status: str, *, with_values: bool, until: float = inf) -> Taken:
    called = called_kind(node)
    is_open = status == "open"
    is_given = not _is_input_derived(node) if node.fetched is None else with_values
    has_output = not is_open and node.output is not None and not _is_composed(node)
    is_resumed_later = (node.resumed_at or 0.0) > until  # its body asks again
    return Taken(
        path=node.path,
        status=status,  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - a final status, or `open`
        has_input=is_given,
        input=node.input if is_given else None,
        reference=node.fetched,
        has_output=has_output,
        output=node.output if has_output else None,
        error=None if is_open else node.error,
        attempt=0 if is_open else node.attempt,
        failures=0 if is_open else node.failures,
        started_at=node.started_at,
        ended_at=None if is_open else node.ended_at,
        resumes=() if is_resumed_later else tuple(node.resumes),
        resumed_at=None if is_resumed_later else node.resumed_at,
        patches=() if is_open else node.patches,
        called=called,
        target=node.node.id if called is not None else "",
        options=node.options,
    )


def _is_composed(node: NodeState) -> bool:
    return node.status is StepStatus.SUCCESS and isinstance(node.node, _COMPOSED) and bool(compose(node) == node.output)


def called_kind(node: NodeState) -> TargetKind | None:
    """Return what a child is that a body called; None for any other node."""
    if node.parent is None or node.parent.calls.get(node.node.name) is not node:
        return None
    match node.node:
        case AgentNode():
            return "agent"
        case WorkflowNode():
            return "workflow"
        case _:
            return "tool"


def _is_input_derived(node: NodeState) -> bool:
    """Tell whether `restore` finds the node's input by itself, from what was restored before."""
    parent = node.parent
    if parent is None or (isinstance(node.node, BodyNode) and node.node.work == "check"):
        return True
    if called_kind(node) is not None:
        return False
    frame = parent.frame
    if frame is None or frame.kind != "workflow" or isinstance(node.node, BodyNode):
        return bool(node.input == input_of(node, parent))
    before = frame.input
    for child in parent.children.values():
        if child is node:
            break
        before = child.output
    return bool(node.input == before)
