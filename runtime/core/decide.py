"""`decide(run, node)`: what follows, now that something about this node changed.

Pure: it reads the state and returns entries; the caller journals and applies them. Each kind of node has its own
function: sequences and leaves here, blocks in `blocks`, agents in `agent_loop`.
"""

from greenroom.runtime.contracts.entries import Completed, Decision, ErrorInfo, RunEnded, Scheduled
from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.plan import (
    AgentNode,
    BranchNode,
    ForeachNode,
    LoopNode,
    ParallelNode,
    SignalNode,
    SleepNode,
    WorkflowNode,
    WorkflowPlan,
)
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.contracts.values import find_blob
from greenroom.runtime.core import agent_loop, blocks
from greenroom.runtime.core.begin import begin
from greenroom.runtime.core.leaves import decide_leaf, decide_signal, decide_sleep
from greenroom.runtime.core.nodes import CallNode, places_of
from greenroom.runtime.core.state import NodeState, RunState
from greenroom.runtime.core.visit import join

MAX_DECISIONS = 100_000
"""Most decisions one fact may lead to; more means a plan that never comes to rest."""


def decide(run: RunState, node: NodeState, at: float) -> list[Decision]:  # noqa: PLR0912 - one arm for each kind
    """Return the entries that follow for this node, in the order in which they are to be applied."""
    if node.parent is None:
        return _decide_root(run, node, at)
    if node.is_final:
        return _callback(run, node, at) if node.frame is not None else []
    if (over := _over(run, node, at)) is not None:
        return over
    if node.queued_at is not None:
        return []
    if node.is_admitted:
        return [Scheduled(at=at, path=node.path, attempt=node.attempt + 1)]
    if node.pending == "called":
        return begin(run, node.path, node.node, at, known=node)
    match node.node:
        case WorkflowNode():
            return _decide_sequence(run, node, at)
        case AgentNode():
            return agent_loop.decide_agent(run, node, at)
        case ParallelNode() as parallel:
            return blocks.decide_parallel(run, node, parallel, at)
        case BranchNode() as branch:
            return blocks.decide_branch(run, node, branch, at)
        case LoopNode() as loop:
            return blocks.decide_loop(run, node, loop, at)
        case ForeachNode() as foreach:
            return blocks.decide_foreach(run, node, foreach, at)
        case SleepNode() as sleep:
            return decide_sleep(run, node, sleep, at)
        case SignalNode() as signal:
            return decide_signal(node, signal, at)
        case CallNode() if not node.pending and not node.attempt and not node.is_asked:
            return agent_loop.decide_approval(run, node, at)
        case _:
            return decide_leaf(run, node, at)


def _over(run: RunState, node: NodeState, at: float) -> list[Decision] | None:
    """Return what ends a node whatever it was about to do, or None."""
    if run.is_timed_out is node:
        return fail(node, _run_timeout(node), at)
    if node.pending == "unreadable":
        return fail(node, node.error, at)
    return _cancel(node, at) if node.pending == "cancel" else None


def _decide_root(run: RunState, root: NodeState, at: float) -> list[Decision]:
    frame = root.frame
    assert frame is not None  # noqa: S101 - the root always has one
    if root.is_final:
        return _callback(run, root, at)
    if run.is_cancel_requested:
        return [RunEnded(at=at, status="canceled", reason=run.reason)]
    if run.is_timed_out is root:
        return [RunEnded(at=at, status="failed", error=_run_timeout(root))]
    if frame.kind == "agent":
        return agent_loop.decide_agent(run, root, at)
    if frame.kind == "tool":
        child = run.nodes.get(frame.target)
        if child is None:
            return [Scheduled(at=at, path=frame.target, attempt=1)]
        if not child.is_final:
            return []
        if child.status is StepStatus.SUCCESS:
            return [RunEnded(at=at, status="success")]
        return [RunEnded(at=at, status="failed", error=child.error)]
    return _decide_sequence(run, root, at)


def _callback(run: RunState, node: NodeState, at: float) -> list[Decision]:
    plan = node.frame.plan if node.frame else None
    if not isinstance(plan, WorkflowPlan):
        return []
    name = {StepStatus.SUCCESS: "~on_finish", StepStatus.FAILED: "~on_error"}.get(node.status)
    code = {"~on_finish": plan.on_finish, "~on_error": plan.on_error}.get(name or "")
    path = join(node.path, name or "")
    if name is None or code is None or path in run.nodes:
        return []
    return [Scheduled(at=at, path=path, attempt=1)]


def _decide_sequence(run: RunState, node: NodeState, at: float) -> list[Decision]:
    frame = node.frame
    assert frame is not None and isinstance(frame.plan, WorkflowPlan)  # noqa: S101, PT018 - sequences only
    plan = frame.plan
    if frame.bail is not None:
        return _succeed(run, node, plan, at)
    current = frame.current
    position = 0
    if current is None:
        problem = _invalid_input(run, node, plan)
        if problem is not None:
            return fail(node, problem, at)
    else:
        if not current.is_final:
            return []
        if current.status is StepStatus.FAILED:
            return fail(node, current.error, at)
        if current.status is StepStatus.CANCELED:
            return _cancel(node, at)
        position = places_of(plan)[current.node.name].position + 1
    if position == len(plan.nodes):
        return _succeed(run, node, plan, at)
    if node.parent is None and run.started.single_step and run.credits <= 0:
        return []
    following = plan.nodes[position]
    return begin(run, join(node.path, following.name), following, at)


def _invalid_input(run: RunState, node: NodeState, plan: WorkflowPlan) -> ErrorInfo | None:
    if node.parent is None or not plan.validate or plan.input_schema is None or find_blob(node.input):
        return None
    try:
        run.check(plan.input_schema, node.input)
    except InvalidInput as error:
        return _invalid(f"input for nested workflow {plan.id!r}", error, node.path)
    return None


def _succeed(run: RunState, node: NodeState, plan: WorkflowPlan, at: float) -> list[Decision]:
    frame = node.frame
    assert frame is not None  # noqa: S101 - sequences only
    if frame.bail is not None:
        if node.parent is None:
            return [RunEnded(at=at, status="success")]
        return [Completed(at=at, path=node.path, status="success", has_value=True, value=frame.bail[0], bailed=True)]
    value = frame.value
    is_checked_already = getattr(plan.nodes[-1], "output_schema", None) == plan.output_schema
    if plan.validate and plan.output_schema is not None and not is_checked_already and not find_blob(value):
        try:
            value = run.check(plan.output_schema, value)
        except InvalidInput as error:
            return fail(node, _invalid(f"output of workflow {plan.id!r}", error, node.path or None), at)
    has_value = value != frame.value
    given = value if has_value else None
    if node.parent is None:
        return [RunEnded(at=at, status="success", has_value=has_value, value=given)]
    return [Completed(at=at, path=node.path, status="success", has_value=has_value, value=given)]


def _invalid(what: str, error: InvalidInput, path: str | None) -> ErrorInfo:
    return ErrorInfo(
        type="InvalidInput",
        message=f"Invalid {what}: {error.message.partition(': ')[2]}",
        code="invalid_input",
        attributes=error.facts,
        path=path,
        retryable=False,
    )


def _cancel(node: NodeState, at: float) -> list[Decision]:
    if node.parent is None:
        return [RunEnded(at=at, status="canceled")]
    return [Completed(at=at, path=node.path, status="canceled")]


def fail(node: NodeState, error: ErrorInfo | None, at: float) -> list[Decision]:
    """Return what ends this part of the run, or the run, as failed."""
    if node.parent is None:
        return [RunEnded(at=at, status="failed", error=error)]
    return [Completed(at=at, path=node.path, status="failed", error=error)]


def _run_timeout(node: NodeState) -> ErrorInfo:
    plan = node.frame.plan if node.frame else None
    limit = plan.timeout_s if isinstance(plan, WorkflowPlan) else None
    name = plan.id if plan is not None else node.path
    return ErrorInfo(
        type="StepTimeout",
        message=f"workflow {name!r} did not end within its timeout_s of {limit} s",
        code="step_timeout",
        path=node.path or None,
    )
