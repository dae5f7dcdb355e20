"""How the nodes of nested parts are made: workflows get their frame, children that a body called their node."""

from greenroom.runtime.contracts.entries import TargetKind
from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.plan import AgentNode, Schema, WorkflowNode
from greenroom.runtime.contracts.values import Json, find_blob
from greenroom.runtime.core.derived_ids import child_run_id
from greenroom.runtime.core.nodes import CallNode, RunNode
from greenroom.runtime.core.state import Frame, NodeState, RunState
from greenroom.runtime.core.visit import add_node, join


def enter_workflow(run: RunState, node: NodeState, target: str) -> None:
    """Give a node that stands for a nested workflow its frame."""
    outer = run.state_of(node)
    plan = run.bundle.workflows[target]
    value = _with_defaults(run, plan.input_schema, node.input) if plan.validate else node.input
    node.frame = Frame(
        plan=plan,
        kind="workflow",
        target=target,
        run_id=child_run_id(run.run_id, node.path),
        input=value,
        value=value,
        state=_with_defaults(run, plan.state_schema, {}) if plan.own_state else outer.state,
        writers={} if plan.own_state else outer.writers,
    )
    run.frames.append(node)


def _with_defaults(run: RunState, schema: Schema | None, value: Json) -> Json:
    """Return the value with the schema's defaults; as it is when it does not fit, which `decide` then tells."""
    if schema is None or find_blob(value):
        return value
    try:
        return run.check(schema, value)
    except InvalidInput:
        return value


def add_called(run: RunState, caller: NodeState, name: str, kind: TargetKind, target: str) -> NodeState:
    """Make the state of a child that a body called."""
    path = join(caller.path, name)
    child = add_node(run, path, called_node(run, name, kind, target), caller)
    caller.children.pop(path)
    caller.calls[name] = child
    return child


def called_node(run: RunState, name: str, kind: TargetKind, target: str) -> RunNode:
    """Return the node of a child that a body called."""
    match kind:
        case "agent":
            return AgentNode(name=name, id=target, agent=target)
        case "workflow":
            return WorkflowNode(name=name, id=target, workflow=target)
        case "tool":
            tool = run.bundle.tools[target]
            return CallNode(name=name, id=tool.id, tool=tool.id, code=tool.code, options=tool.options)
