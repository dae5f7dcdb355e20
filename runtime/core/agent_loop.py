"""Decisions about agents: model turn, tool calls, model turn … until there is an answer."""

from greenroom.runtime.contracts.entries import Asked, Completed, Decision, ErrorInfo, RunEnded, Scheduled
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.agent_state import (
    agent_output,
    max_steps_of,
    output_problem,
    output_schema_of,
    plan_of,
    structured_value,
)
from greenroom.runtime.core.begin import begin
from greenroom.runtime.core.fetches import is_awaiting_value
from greenroom.runtime.core.nodes import CallNode, RefusedNode
from greenroom.runtime.core.state import NodeState, RunState
from greenroom.runtime.core.visit import describe_call, join

MAX_CONCURRENT_CALLS = 10
"""Most tool calls of one turn at once."""


def decide_agent(run: RunState, node: NodeState, at: float) -> list[Decision]:
    """Return what follows for an agent."""
    frame = node.frame
    assert frame is not None  # noqa: S101 - agents only
    if frame.bail is not None:
        return _succeed(node, at)
    if plan_of(node).instructions_code is not None and not frame.options.get("instructions"):
        computed = run.nodes.get(join(node.path, "~instructions"))
        if computed is None:
            return [Scheduled(at=at, path=join(node.path, "~instructions"), attempt=1)]
        if not computed.is_final:
            return []
        if computed.status is not StepStatus.SUCCESS:
            return _fail(node, computed.error, at)
    number = len(frame.turns)
    turn = run.nodes.get(join(node.path, f"turn[{number}]"))
    if turn is not None:
        return _fail(node, turn.error, at) if turn.status is StepStatus.FAILED else []
    if number == 0:
        return [] if is_awaiting_value(run, node) else [_turn(node, 0, at)]
    calls = [call for call in frame.calls if call["turn"] == number - 1]
    if calls:
        return _make_calls(run, node, calls, at)
    return _answer(run, node, number, at)


def _turn(node: NodeState, number: int, at: float) -> Scheduled:
    return Scheduled(at=at, path=join(node.path, f"turn[{number}]"), attempt=1)


def _succeed(node: NodeState, at: float) -> list[Decision]:
    if node.parent is None:
        return [RunEnded(at=at, status="success")]
    return [Completed(at=at, path=node.path, status="success")]


def _fail(node: NodeState, error: ErrorInfo | None, at: float) -> list[Decision]:
    if node.parent is None:
        return [RunEnded(at=at, status="failed", error=error)]
    return [Completed(at=at, path=node.path, status="failed", error=error)]


def _make_calls(run: RunState, node: NodeState, calls: list[dict[str, Json]], at: float) -> list[Decision]:
    """Make the calls of a turn at once, or one after the other when one of them needs approval."""
    frame = node.frame
    assert frame is not None  # noqa: S101 - agents only
    in_order = any(_needs_approval(run, call) for call in calls)
    known = [run.nodes.get(join(node.path, call["segment"])) for call in calls]
    free = MAX_CONCURRENT_CALLS - sum(1 for child in known if child is not None and (child.busy or child.waiting))
    entries: list[Decision] = []
    all_done = True
    for call, child in zip(calls, known, strict=True):
        if child is None and free > 0:
            entries.extend(_begin_call(run, join(node.path, call["segment"]), call, at))
            free -= 1
        if child is None or not child.is_final:
            all_done = False
            if in_order:
                break
    if not all_done:
        return entries
    if len(frame.turns) >= max_steps_of(node):
        return _succeed(node, at)
    return [_turn(node, len(frame.turns), at)]


def _needs_approval(run: RunState, call: dict[str, Json]) -> bool:
    if call["kind"] != "tool":
        return False
    tool = run.bundle.tools[call["target"]]
    return tool.requires_approval or tool.approval is not None


def _begin_call(run: RunState, path: str, call: dict[str, Json], at: float) -> list[Decision]:
    child = describe_call(run, call)
    if isinstance(child, RefusedNode):
        error = ErrorInfo(type="InvalidToolCall", message=str(call["problem"]), code="invalid_input", path=path)
        return [Completed(at=at, path=path, status="failed", error=error)]
    return begin(run, path, child, at)


def decide_approval(run: RunState, node: NodeState, at: float) -> list[Decision]:
    """Return what follows once the rule that decides about approval has answered; an error in it means: ask."""
    assert isinstance(node.node, CallNode)  # noqa: S101 - calls only
    asked = run.nodes.get(f"{node.path}?approval")
    if asked is None or not asked.is_final:
        return []
    if asked.status is StepStatus.SUCCESS and not asked.output:
        return [Scheduled(at=at, path=node.path, attempt=1)]
    return [Asked(at=at, path=node.path, reason="approval")]


def _answer(run: RunState, node: NodeState, number: int, at: float) -> list[Decision]:
    """End with the answer, or give an invalid structured output back to the model."""
    frame = node.frame
    assert frame is not None  # noqa: S101 - agents only
    if output_schema_of(node) is None:
        return _succeed(node, at)
    problem = output_problem(run, node)
    if problem is None and plan_of(node).output_code is not None and not frame.options.get("output_schema"):
        path = join(node.path, f"~check{number - 1}")
        checked = run.nodes.get(path)
        if checked is None:
            return [Scheduled(at=at, path=path, attempt=1)]
        if not checked.is_final:
            return []
    if problem is None:
        return _succeed(node, at)
    retries = plan_of(node).output_retries
    failures = sum(1 for index in range(number) if not any(call["turn"] == index for call in frame.calls))
    if failures <= retries and number < max_steps_of(node) + retries:
        return [_turn(node, number, at)]
    message = f"agent {plan_of(node).id!r} gave no valid structured output: {problem}"
    error = ErrorInfo(
        type="ModelError",
        message=message,
        code="model_error",
        path=node.path or None,
        attributes={"output": structured_value(node) if number else agent_output(node)},
    )
    return _fail(node, error, at)
