"""How a node ends or is parked: its status, its events, who has to look next, and what below it is stopped."""

from greenroom.runtime.contracts.entries import ErrorInfo
from greenroom.runtime.contracts.plan import (
    AgentNode,
    BranchNode,
    ForeachNode,
    LoopNode,
    ParallelNode,
    SignalNode,
    SleepNode,
    WorkflowNode,
)
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Answer, AttemptId
from greenroom.runtime.core.agent_state import agent_output, report_call
from greenroom.runtime.core.derived_ids import suspension_token
from greenroom.runtime.core.nodes import BodyNode, TurnNode, is_internal
from greenroom.runtime.core.state import NodeState, RunState, set_status


def finish(
    run: RunState, node: NodeState, status: StepStatus, at: float, error: ErrorInfo | None, *, has_value: bool
) -> None:
    """Give a node its outcome, stop what still runs below it, and let its parent look."""
    is_left = node.frame is not None and node.frame.bail is not None
    if node.busy or node.waiting or node.suspended or is_left or status is not StepStatus.SUCCESS:
        cancel_below(run, node, at)
        if node.has_attempt:
            drop_attempt(run, node)
    if status is StepStatus.SUCCESS and not has_value:
        node.output = compose(node)
    node.error = error
    node.ended_at = at
    node.pending = ""
    forget_waits(run, node)
    set_status(node, status)
    _emit_end(run, node, at)
    notify_parent(run, node, at)
    if node.frame is not None and node.parent is not None:
        run.agenda.append(node)  # its callback


def compose(node: NodeState) -> Json:
    """Return the output of a node that is made from what it holds."""
    match node.node:
        case ParallelNode(members=members) | BranchNode(members=members):
            found = {child.node.name: child for child in node.children.values() if not is_internal(child.path)}
            kept: dict[str, Json] = {}
            for member in members:
                child = found.get(member.name)
                if child is not None and child.status is not StepStatus.SKIPPED:
                    kept[member.id or member.name] = child.output if child.status is StepStatus.SUCCESS else None
            return kept
        case ForeachNode():
            children = node.children
            return [
                children[i].output if children[i].status is StepStatus.SUCCESS else None for i in range(len(node.input))
            ]
        case LoopNode():
            return node.children[node.next_index - 1].output
        case SleepNode():
            return node.input
        case WorkflowNode() if node.frame is not None:
            return node.frame.value
        case AgentNode() if node.frame is not None:
            return agent_output(node)
        case _:
            return node.output


def notify_parent(run: RunState, node: NodeState, at: float) -> None:
    """Let whoever is made of this node look at it; carry its output on if it stands in a sequence."""
    parent = node.parent
    if parent is None:
        return
    if parent.calls.get(node.node.name) is node:
        _answer_caller(run, parent, node)
        return
    frame = parent.frame
    if frame is not None:
        frame.version += 1
        if frame.kind == "agent":
            report_call(run, parent, node, at)
        elif node.status is StepStatus.SUCCESS and (frame.current is node or frame.kind == "tool"):
            frame.value = node.output
    elif isinstance(parent.node, LoopNode | ParallelNode | BranchNode):
        run.state_of(parent).version += 1
    if isinstance(parent.node, ForeachNode):
        parent.done += 1
        if node.status in {StepStatus.FAILED, StepStatus.CANCELED} and parent.failed is None:
            parent.failed = node
        run.emit(
            "foreach_progress",
            parent.path,
            at,
            {"completed": parent.done, "total": len(parent.input), "index": node.index, "status": node.status.value},
        )
    if isinstance(parent.parent, NodeState) and isinstance(parent.parent.node, LoopNode) and parent.is_final:
        parent = parent.parent
    if not parent.is_final or parent.parent is None:
        run.agenda.append(parent)
        if not (parent.busy or parent.waiting):
            _let_slots_look(run, parent)


def _let_slots_look(run: RunState, node: NodeState) -> None:
    """Let each foreach around a node look when all inside has been dealt with, the innermost first.

    What is left of its item may only wait, suspended or for a slot itself: then another may have the slot.
    """
    above = node.parent
    while above is not None:
        if isinstance(above.node, ForeachNode) and not any(one is above for one in run.around):
            run.around.insert(0, above)
        above = above.parent


def _answer_caller(run: RunState, caller: NodeState, child: NodeState) -> None:
    if caller.has_attempt:
        run.answers.append((caller.path, caller.attempt, child.node.name, answer_of(child)))
    elif caller.is_parked:
        caller.pending = "answered"
        run.agenda.append(caller)


def answer_of(child: NodeState) -> Answer:
    """Return what a body that called this child gets."""
    if child.status is StepStatus.SUCCESS:
        return Answer(status="ok", output=child.output)
    error = child.error
    facts = (
        {**error.attributes, "type": error.type, "path": error.path or child.path} if error else {"path": child.path}
    )
    message = error.message if error else f"{child.path} was {child.status}"
    code = (error.code if error else None) or "step_error"
    return Answer(status="error", error={"code": code, "message": message, "facts": facts})


def answer_now(child: NodeState) -> Answer | None:
    """Return what a body that waits for this child gets now: nothing while the child moves."""
    if child.is_final:
        return answer_of(child)
    return None if child.busy else Answer(status="parked")


def suspend(
    run: RunState,
    node: NodeState,
    payload: Json,
    at: float,
    *,
    label: str | None = None,
    timeout_s: float | None = None,
) -> None:
    """Park a leaf until somebody resumes it."""
    node.payload = payload
    node.label = label
    node.suspended_at = at
    if timeout_s is not None:
        run.timers[node.path, "suspend"] = at + timeout_s
    set_status(node, StepStatus.SUSPENDED, suspended=1)
    token = suspension_token(run.run_id, node.path, node.timeline, node.attempt)
    run.emit("step_suspended", node.path, at, {"payload": payload, "label": label, "suspension": token})
    let_blocks_look(run, node)


def let_blocks_look(run: RunState, node: NodeState) -> None:
    """Let everything around a node look that goes on when the node stops moving."""
    above = node.parent
    while above is not None:
        if isinstance(above.node, ForeachNode | ParallelNode | BranchNode | AgentNode) and not above.is_final:
            run.agenda.append(above)
        above = above.parent


def cancel_below(run: RunState, node: NodeState, at: float) -> None:
    """Cancel everything below a node that has no outcome yet."""
    for child in node.walk():
        if child.is_final or (isinstance(child.node, BodyNode) and child.node.work == "callback"):
            continue
        if child.has_attempt:
            drop_attempt(run, child)
        forget_waits(run, child)
        child.ended_at = at
        child.pending = ""
        set_status(child, StepStatus.CANCELED)
        if not is_internal(child.path) and not isinstance(child.node, TurnNode):
            run.emit("step_canceled", child.path, at, {})


def drop_attempt(run: RunState, node: NodeState) -> None:
    """Mark the newest attempt as one to be stopped."""
    node.has_attempt = False
    run.dropped.append(AttemptId(run_id=run.run_id, path=node.path, attempt=node.attempt))


def forget_waits(run: RunState, node: NodeState) -> None:
    """Remove the timers and the places in queues that a node had."""
    node.queued_at = None
    for kind in ("retry", "sleep", "signal", "suspend", "run"):
        run.timers.pop((node.path, kind), None)
    leave_queue(node)
    if isinstance(node.node, SignalNode):
        waiters = run.waiters.get(node.node.signal)
        if waiters and node.path in waiters:
            waiters.remove(node.path)


def leave_queue(node: NodeState) -> None:
    """Take a node out of the queue for a foreach's slot, if it stands in one."""
    if node.gate is not None:
        node.gate.queue.remove(node)
        node.gate = None


def _emit_end(run: RunState, node: NodeState, at: float) -> None:
    if is_internal(node.path) or isinstance(node.node, BodyNode | TurnNode):
        return
    match node.status:
        case StepStatus.SUCCESS:
            run.emit("step_finished", node.path, at, {"output": node.output, "attempts": node.attempt or 1})
        case StepStatus.FAILED:
            error = node.error
            shown = (
                {"type": error.type, "message": error.message, "code": error.code, "path": error.path}
                if error
                else None
            )
            run.emit("step_failed", node.path, at, {"error": shown, "attempts": node.attempt or 1})
        case StepStatus.CANCELED:
            run.emit("step_canceled", node.path, at, {})
        case _:
            pass
