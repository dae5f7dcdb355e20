"""Makes the state of a node when it is visited for the first time: finds its plan node, its parent and its input.

A path alone tells all three, given the plan; so journal entries carry paths and nothing else of the graph.
"""

from greenroom.runtime.contracts.plan import (
    AgentNode,
    AgentPlan,
    BranchNode,
    ForeachNode,
    LoopNode,
    ParallelNode,
    WorkflowNode,
    WorkflowPlan,
)
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.agent_state import structured_value
from greenroom.runtime.core.nodes import BodyNode, CallNode, RefusedNode, RunNode, TurnNode, places_of
from greenroom.runtime.core.state import NodeState, RunState


def join(prefix: str, name: str) -> str:
    """Return the path of `name` below `prefix`."""
    return f"{prefix}/{name}" if prefix else name


def visit(run: RunState, path: str) -> NodeState:
    """Return the state at `path`, made now if this is the first visit."""
    found = run.nodes.get(path)
    if found is not None:
        return found
    node, parent, index = locate(run, path)
    return add_node(run, path, node, parent, index)


def add_node(run: RunState, path: str, node: RunNode, parent: NodeState, index: int = -1) -> NodeState:
    """Make the state of a node under its parent and hand it its input."""
    state = NodeState(path=path, node=node, parent=parent, index=index)
    state.timeline = run.rewinds
    state.input = run.given.pop(path) if path in run.given else input_of(state, parent)
    run.nodes[path] = state
    parent.children[index if index >= 0 else path] = state
    if index >= 0:
        parent.next_index = max(parent.next_index, index + 1)
        if parent.missing:
            parent.missing = tuple(number for number in parent.missing if number != index)
    frame = parent.frame
    if frame is not None and frame.kind == "workflow" and not isinstance(node, BodyNode):
        frame.current = state
        if parent is run.root and run.started.single_step:
            run.credits -= 1
    return state


def locate(run: RunState, path: str) -> tuple[RunNode, NodeState, int]:
    """Return what stands at a path that was not visited: its node, its parent, its index (-1 without one)."""
    owner_path, mark, which = path.rpartition("?")
    if mark:
        return _internal_body(run, run.nodes[owner_path], which), run.nodes[owner_path], -1
    prefix, _, name = path.rpartition("/")
    parent = run.nodes[prefix]
    if name.endswith("]"):
        bracket = name.rindex("[")
        index = int(name[bracket + 1 : -1])
        if parent.frame is not None and parent.frame.kind == "agent":
            return TurnNode(name=name, agent=parent.frame.target), parent, -1
        owner = run.nodes[path[: path.rindex("[")]]
        assert isinstance(owner.node, ForeachNode | LoopNode)  # noqa: S101 - only these have indexed parts
        return owner.node.body, owner, index
    assert parent.frame is not None, path  # noqa: S101 - names stand in frames
    return _in_frame(run, parent, prefix, name)


def _in_frame(run: RunState, parent: NodeState, prefix: str, name: str) -> tuple[RunNode, NodeState, int]:
    frame = parent.frame
    assert frame is not None  # noqa: S101 - the caller made sure
    plan = frame.plan
    if isinstance(plan, WorkflowPlan):
        if name in {"~on_finish", "~on_error"}:
            code = plan.on_finish if name == "~on_finish" else plan.on_error
            return BodyNode(name=name, code=code or "", work="callback"), parent, -1
        place = places_of(plan)[name]
        return place.node, parent if place.block is None else run.nodes[join(prefix, place.block)], -1
    if isinstance(plan, AgentPlan):
        if name == "~instructions":
            return BodyNode(name=name, code=plan.instructions_code or "", work="step"), parent, -1
        if name.startswith("~check"):
            return BodyNode(name=name, code=plan.output_code or "", work="check"), parent, -1
        call = next(call for call in frame.calls if call["segment"] == name)
        return describe_call(run, call), parent, -1
    tool = run.bundle.tools[frame.target]
    return CallNode(name=name, id=tool.id, tool=tool.id, code=tool.code, options=tool.options), parent, -1


def describe_call(run: RunState, call: dict[str, Json]) -> RunNode:
    """Return the node of a tool call that an agent's model asked for."""
    name = call["segment"]
    match call["kind"]:
        case "tool":
            tool = run.bundle.tools[call["target"]]
            return CallNode(
                name=name, id=tool.id, tool=call["tool"], code=tool.code, call_id=call["id"], options=tool.options
            )
        case "agent":
            return AgentNode(name=name, id=call["target"], agent=call["target"])
        case "workflow":
            return WorkflowNode(name=name, id=call["target"], workflow=call["target"])
        case _:
            return RefusedNode(name=name, id=name, tool=call["tool"], call_id=call["id"])


def _internal_body(run: RunState, owner: NodeState, which: str) -> BodyNode:
    match owner.node:
        case BranchNode() as branch:
            return BodyNode(name=which, code=branch.conditions[int(which)], work="condition")
        case CallNode() as call if which == "approval":
            return BodyNode(name=which, code=run.bundle.tools[call.id].approval or "", work="approval")
        case _ if which == "reconcile":
            options = getattr(owner.node, "options", None)
            return BodyNode(name=which, code=getattr(options, "reconcile", None) or "", work="reconcile")
        case _:
            loop = owner.parent
            assert loop is not None and isinstance(loop.node, LoopNode)  # noqa: S101, PT018 - only loops are left
            return BodyNode(name="condition", code=loop.node.code, work="condition")


def input_of(state: NodeState, parent: NodeState) -> object:
    """Return the input that a node is given when it is visited."""
    match state.node, parent.node:
        case BodyNode(name="~on_finish" | "~on_error"), _:
            return None
        case BodyNode(work="condition"), BranchNode():
            return parent.input
        case BodyNode(work="condition"), _:
            return parent.output
        case BodyNode(work="reconcile"), _:
            return None
        case BodyNode(work="approval"), _:
            return parent.input
        case BodyNode(work="check"), _:
            return structured_value(parent)
        case _, ParallelNode() | BranchNode():
            return parent.input
        case _, ForeachNode():
            return parent.input[state.index]
        case _, LoopNode():
            return parent.input if state.index == 0 else parent.children[state.index - 1].output
        case _:
            pass
    frame = parent.frame
    if frame is None:
        return None
    if frame.kind == "agent":
        call = next((call for call in frame.calls if call["segment"] == state.node.name), None)
        return call["arguments"] if call is not None else None
    return frame.value
