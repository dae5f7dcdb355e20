"""Whether an input that somebody gives a step fits the step: its schema, and those of what it holds."""

from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.plan import (
    AgentNode,
    BundlePlan,
    ForeachNode,
    LoopNode,
    Node,
    ParallelNode,
    StepNode,
    WorkflowNode,
)
from greenroom.runtime.contracts.values import Json, find_blob
from greenroom.runtime.core.nodes import CallNode, RefusedNode, RunNode, TurnNode
from greenroom.runtime.core.state import Check


def checked_input(bundle: BundlePlan, node: RunNode, path: str, value: Json, check: Check) -> Json:
    """Return an input for the step at `path`, with its schema's defaults.

    Raises:
        InvalidInput: It does not fit, every wrong field is listed; or the step takes none.
    """
    what = f"input for step {path!r}"
    match node:
        case TurnNode() | RefusedNode():
            message = f"Invalid {what}: it takes none from outside; leave `input` out, or begin from the agent's step"
            raise InvalidInput(message, {"issues": [{"field": "input", "message": "not taken by this step"}]})
        case CallNode():
            return _fitting(what, bundle.tools[node.id].input_schema, value, check)
        case ParallelNode(members=members):
            for member in members:
                _fits(bundle, member, what, value, check)
        case ForeachNode():
            _check_items(bundle, node, what, value, check)
        case LoopNode(body=body):
            _fits(bundle, body, what, value, check)
        case StepNode() | AgentNode() | WorkflowNode():
            return _fits(bundle, node, what, value, check)
        case _:
            pass
    return value


def _check_items(bundle: BundlePlan, node: ForeachNode, what: str, value: Json, check: Check) -> None:
    if not isinstance(value, list):
        message = f"Invalid {what}: a foreach needs a list"
        raise InvalidInput(message, {"issues": [{"field": "input", "message": "not a list"}]})
    for index, item in enumerate(value):
        _fits(bundle, node.body, f"{what}, item {index}", item, check)


def _fits(bundle: BundlePlan, node: Node, what: str, value: Json, check: Check) -> Json:
    match node:
        case StepNode() if node.options.validate and node.input_schema is not None:
            return _fitting(what, node.input_schema, value, check)
        case WorkflowNode(workflow=name) if (plan := bundle.workflows[name]).validate and plan.input_schema is not None:
            return _fitting(what, plan.input_schema, value, check)
        case ForeachNode():
            _check_items(bundle, node, what, value, check)
        case _:
            pass
    return value


def _fitting(what: str, schema: dict[str, Json], value: Json, check: Check) -> Json:
    if find_blob(value):
        return value
    try:
        return check(schema, value)
    except InvalidInput as error:
        message = f"Invalid {what}: {error.message.partition(': ')[2]}"
        raise InvalidInput(message, error.facts) from None
