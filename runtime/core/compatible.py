"""Whether a run can go on with another bundle.

All that it has visited must be there, at the same paths and of the same kind; what comes behind may be anything.
"""

from collections.abc import Iterator

from greenroom.runtime.contracts.plan import (
    AgentNode,
    BranchNode,
    BundlePlan,
    ForeachNode,
    LoopNode,
    Node,
    ParallelNode,
    SignalNode,
    WorkflowNode,
    WorkflowPlan,
)
from greenroom.runtime.core.nodes import CallNode, kind_of, places_of
from greenroom.runtime.core.state import Frame, NodeState, RunState


def why_incompatible(run: RunState, bundle: BundlePlan) -> str | None:
    """Return why a run cannot go on with a bundle, naming the first place where they differ; None if it can."""
    return next(_differences(run, bundle), None)


def _differences(run: RunState, bundle: BundlePlan) -> Iterator[str]:
    for owner in run.frames:
        assert owner.frame is not None  # noqa: S101 - frames only
        yield from _of_frame(owner, owner.frame, bundle)
    for node in run.nodes.values():
        if isinstance(node.node, CallNode) and node.node.id not in bundle.tools:
            yield f"tool {node.node.id!r}, called at {node.path}, is not in it"


def _of_frame(owner: NodeState, frame: Frame, bundle: BundlePlan) -> Iterator[str]:
    known = {"workflow": set(bundle.workflows), "agent": set(bundle.agents), "tool": set(bundle.tools)}
    if frame.target not in known[frame.kind]:
        yield f"{frame.kind} {frame.target!r} is not in it"
        return
    plan = bundle.workflows.get(frame.target)
    if frame.kind == "workflow" and plan is not None and isinstance(frame.plan, WorkflowPlan):
        yield from _of_sequence(owner, frame.plan, plan)


def _of_sequence(owner: NodeState, old: WorkflowPlan, new: WorkflowPlan) -> Iterator[str]:
    """Compare what was visited of a sequence with the beginning of another; what comes behind may be anything."""
    places = places_of(old)
    visited = [
        name for child in owner.children.values() if (name := child.node.name) in places and places[name].block is None
    ]
    for position, name in enumerate(visited):
        where = f"{owner.path}/{name}" if owner.path else name
        other = new.nodes[position] if position < len(new.nodes) else None
        if other is None or other.name != name:
            there = f"{other.name!r} stands there" if other is not None else "nothing stands there"
            yield f"step {where!r} has been visited, in it {there}"
            return
        yield from _of_nodes(places[name].node, other, where)


def _of_nodes(old: Node, new: Node, where: str) -> Iterator[str]:
    """Compare two nodes at one path, and what they hold."""
    if kind_of(old) != kind_of(new):
        yield f"step {where!r} is a {kind_of(old)}, in it a {kind_of(new)}"
        return
    match old, new:
        case (WorkflowNode(workflow=one), WorkflowNode(workflow=other)) | (
            AgentNode(agent=one),
            AgentNode(agent=other),
        ):
            if one != other:
                yield f"step {where!r} is {kind_of(old)} {one!r}, in it {other!r}"
        case SignalNode(), SignalNode():
            if old.signal != new.signal:
                yield f"step {where!r} waits for signal {old.signal!r}, in it for {new.signal!r}"
        case (ForeachNode(body=one), ForeachNode(body=other)) | (LoopNode(body=one), LoopNode(body=other)):
            yield from _of_nodes(one, other, where)
        case (ParallelNode(members=mine), ParallelNode(members=others)) | (
            BranchNode(members=mine),
            BranchNode(members=others),
        ):
            yield from _of_members(mine, others, where)
        case _:
            pass


def _of_members(mine: tuple[Node, ...], others: tuple[Node, ...], where: str) -> Iterator[str]:
    names, there = [member.name for member in mine], [member.name for member in others]
    if names != there:
        yield f"block {where!r} has members {', '.join(names)}, in it {', '.join(there)}"
        return
    for one, other in zip(mine, others, strict=True):
        yield from _of_nodes(one, other, one.name)
