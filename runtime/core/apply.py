"""`apply(run, entry)`: what a journal entry changes in the state of its run.

Every change to a run happens here, so a run is rebuilt by applying its entries again. Entries are trusted: whether a
fact may happen at all was decided before it was written. Nodes that need a decision afterwards are put on the agenda.
"""

from typing import assert_never

from greenroom.runtime.contracts.entries import (
    Admitted,
    Advanced,
    Asked,
    AttemptEnded,
    AttemptLost,
    Called,
    CancelRequested,
    Completed,
    Delayed,
    Entered,
    Entry,
    ErrorInfo,
    Fetched,
    Migrated,
    Queued,
    Resumed,
    Rewound,
    RunEnded,
    RunStarted,
    Scheduled,
    Signaled,
    TimerFired,
    Wrote,
)
from greenroom.runtime.contracts.plan import AgentNode, ForeachNode, SignalNode, SleepNode, WorkflowNode
from greenroom.runtime.contracts.statuses import RunStatus, StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.agent_state import agent_output, enter_agent
from greenroom.runtime.core.derived_ids import idempotency_key
from greenroom.runtime.core.ending import cancel_below, drop_attempt, finish, leave_queue, suspend
from greenroom.runtime.core.entering import add_called, enter_workflow
from greenroom.runtime.core.migrate import migrate
from greenroom.runtime.core.nodes import BodyNode, TurnNode, is_internal, kind_of
from greenroom.runtime.core.outcomes import apply_outcome
from greenroom.runtime.core.rewind import begin_fork, kept, rewind
from greenroom.runtime.core.state import NodeState, RunState, set_status
from greenroom.runtime.core.visit import visit


def apply(run: RunState, entry: Entry) -> None:  # noqa: C901, PLR0912, PLR0915 - one arm for each kind of entry
    """Change the run's state as the entry says."""
    run.updated_at = entry.at
    match entry:
        case RunStarted():
            _started(run, entry)
        case AttemptEnded():
            apply_outcome(run, entry)
        case AttemptLost():
            _lost(run, entry)
        case TimerFired():
            _timer(run, entry)
        case Resumed():
            _resumed(run, entry)
        case Signaled():
            _signaled(run, entry)
        case CancelRequested(path=""):
            run.is_cancel_requested = True
            run.reason = entry.reason
            run.agenda.append(run.root)
        case CancelRequested():
            run.nodes[entry.path].pending = "cancel"
            run.agenda.append(run.nodes[entry.path])
        case Advanced():
            run.credits += 1
            run.agenda.append(run.root)
        case Wrote():
            run.emit("step_output", entry.path, entry.at, entry.data)
        case Called():
            _called(run, entry)
        case Fetched():
            _fetched(run, entry)
        case Rewound():
            rewind(run, entry)
        case Migrated():
            migrate(run, entry)
        case Admitted():
            _admitted(run, entry)
        case Queued():
            _queued(run, entry)
        case Scheduled():
            _scheduled(run, entry)
        case Entered():
            _entered(run, entry)
        case Asked():
            _asked(run, entry)
        case Delayed():
            _delayed(run, entry)
        case Completed():
            node = visit(run, entry.path)
            if entry.has_value:
                node.output = entry.value
            finish(run, node, StepStatus(entry.status), entry.at, entry.error, has_value=entry.has_value)
        case RunEnded():
            _run_ended(run, entry)
        case _:
            assert_never(entry)


def _started(run: RunState, entry: RunStarted) -> None:
    data: dict[str, Json] = {"input": entry.input, "target": entry.target}
    if entry.fork is None:
        run.emit("run_started", "", entry.at, data)
        run.agenda.append(run.root)
        return
    data["forked_from"] = {"run_id": entry.fork.run_id, "path": entry.fork.path, **kept(entry.fork.taken)}
    run.emit("run_started", "", entry.at, data)
    begin_fork(run, entry.fork, entry.at)


def _fetched(run: RunState, entry: Fetched) -> None:
    node = run.nodes[entry.path]
    if entry.problem is None:
        node.fetched = node.input
        node.input = run.stored[entry.sha256]
        if node.frame is not None:
            node.frame.input = node.input
    else:
        node.pending = "unreadable"
        node.error = ErrorInfo(type="StorageError", message=entry.problem, code="storage_error", path=entry.path)
    run.agenda.append(node)


def _lost(run: RunState, entry: AttemptLost) -> None:
    node = run.nodes[entry.path]
    node.has_attempt = False
    if entry.is_unseen:
        node.losses += 1
    else:
        node.deaths += 1
    node.is_restarted = True
    node.pending = "lost"
    run.agenda.append(node)


def _timer(run: RunState, entry: TimerFired) -> None:
    run.timers.pop((entry.path, entry.kind), None)
    node = run.nodes[entry.path]
    if entry.kind == "run":
        run.is_timed_out = node
    elif entry.kind == "attempt":
        drop_attempt(run, node)
        node.is_restarted = False
        node.failures += 1
        node.error = ErrorInfo(
            type="StepTimeout", message=f"attempt {node.attempt} did not end within its timeout_s", code="step_timeout"
        )
        node.pending = "failed"
    else:
        node.pending = entry.kind
    run.agenda.append(node)


def _resumed(run: RunState, entry: Resumed) -> None:
    node = run.nodes[entry.path]
    run.timers.pop((entry.path, "suspend"), None)
    if entry.request_context:
        run.request_context.update(entry.request_context)
        assert run.root.frame is not None  # noqa: S101 - the root always has one
        run.root.frame.version += 1
    if node.is_asked or node.in_doubt:
        node.answer = entry.data
        if node.is_asked and entry.data.get("arguments") is not None:
            node.input = entry.data["arguments"]
    else:
        node.resumes.append(entry.data)
        node.suspend_data = node.payload
    node.resumed_at = entry.at
    if entry.key is not None:
        node.resume_keys.append(entry.key)
    node.pending = "resumed"
    node.payload = None
    node.label, node.last_label = None, node.label
    run.emit("run_resumed", entry.path, entry.at, {"data": entry.data})
    node.gate = _full_foreach(node)
    if node.gate is not None:
        node.gate.queue.append(node)
        set_status(node, StepStatus.RUNNING)
        return
    set_status(node, StepStatus.RUNNING, busy=1)
    run.agenda.append(node)


def _full_foreach(node: NodeState) -> NodeState | None:
    """Return the foreach that has no free slot for the item a step stands in."""
    item = node
    while item.parent is not None:
        block = item.parent
        if isinstance(block.node, ForeachNode) and not item.is_holding and block.slots >= block.node.concurrency:
            return block
        item = block
    return None


def _signaled(run: RunState, entry: Signaled) -> None:
    if entry.key is not None:
        run.signal_keys.add(entry.key)
    waiters = run.waiters.get(entry.name)
    if waiters:
        _take_signal(run, run.nodes[waiters.pop(0)], entry.payload)
    else:
        run.signals.setdefault(entry.name, []).append(entry.payload)


def _take_signal(run: RunState, node: NodeState, payload: object) -> None:
    node.answer = [payload]
    node.pending = "signaled"
    run.timers.pop((node.path, "signal"), None)
    run.agenda.append(node)


def _called(run: RunState, entry: Called) -> None:
    caller = run.nodes[entry.path]
    child = add_called(run, caller, entry.name, entry.kind, entry.target)
    child.input = entry.input
    child.options = entry.options
    child.pending = "called"
    run.callers.add(caller.path)
    run.agenda.append(child)


def _queued(run: RunState, entry: Queued) -> None:
    node = visit(run, entry.path)
    leave_queue(node)
    node.queued_at = entry.at
    node.wake_at = None
    run.timers.pop((entry.path, "retry"), None)
    if not node.started_at:
        node.started_at = entry.at
    set_status(node, StepStatus.WAITING, busy=1)
    run.queued.append(node)


def _admitted(run: RunState, entry: Admitted) -> None:
    node = run.nodes[entry.path]
    node.queued_at = None
    node.is_admitted = True
    run.agenda.append(node)


def _scheduled(run: RunState, entry: Scheduled) -> None:
    node = visit(run, entry.path)
    is_resume = node.pending == "resumed" and not node.is_asked and not node.in_doubt
    node.is_asked = node.in_doubt = False
    leave_queue(node)
    node.is_admitted = False
    node.pending = ""
    is_first = not node.attempt
    node.attempt = entry.attempt
    node.has_attempt = True
    node.is_parked = False
    node.told_parked.clear()
    node.wake_at = None
    run.timers.pop((entry.path, "retry"), None)
    set_status(node, StepStatus.RUNNING, busy=1)
    if not node.started_at:
        node.started_at = entry.at
    run.ready.append(node)
    if isinstance(node.node, BodyNode) and node.node.work == "reconcile" and node.parent is not None:
        node.parent.pending = ""  # it asks on behalf of its step, which waits for the answer
    if is_internal(entry.path) or isinstance(node.node, TurnNode):
        return
    if is_first or is_resume:
        data = {"input": node.input, "kind": kind_of(node.node), "attempt": entry.attempt}
        if is_resume:
            data["resume_data"] = node.resumes[-1]
        run.emit("step_started", entry.path, entry.at, data)


def _entered(run: RunState, entry: Entered) -> None:
    node = visit(run, entry.path)
    node.pending = ""
    node.started_at = entry.at
    match node.node:
        case WorkflowNode(workflow=target):
            enter_workflow(run, node, target)
        case AgentNode():
            enter_agent(run, node)
        case SignalNode() as signal:
            _wait_for_signal(run, node, signal, entry.at)
        case _:
            pass
    if not is_internal(entry.path):
        run.emit("step_started", entry.path, entry.at, {"input": node.input, "kind": kind_of(node.node), "attempt": 1})
    if not isinstance(node.node, SignalNode):
        run.agenda.append(node)


def _wait_for_signal(run: RunState, node: NodeState, signal: SignalNode, at: float) -> None:
    set_status(node, StepStatus.WAITING, waiting=1)
    kept = run.signals.get(signal.signal)
    if kept:
        _take_signal(run, node, kept.pop(0))
        return
    run.waiters.setdefault(signal.signal, []).append(node.path)
    if signal.timeout_s is not None:
        run.timers[node.path, "signal"] = at + signal.timeout_s


def _asked(run: RunState, entry: Asked) -> None:
    node = visit(run, entry.path)
    node.pending = ""
    if not node.started_at:
        node.started_at = entry.at
    if entry.reason == "in_doubt":
        node.in_doubt = True
        payload = {"reason": "in_doubt", "key": idempotency_key(run.run_id, node.path, node.timeline)}
    else:
        node.is_asked = True
        call = next(c for c in run.state_of(node).calls if c["segment"] == node.node.name)
        payload = {
            "tool_call_id": call["id"],
            "tool": call["tool"],
            "arguments": call["arguments"],
            "args_hash": call["args_hash"],
        }
        run.emit("agent_approval", node.path, entry.at, payload)
    suspend(run, node, payload, entry.at)


def _delayed(run: RunState, entry: Delayed) -> None:
    node = visit(run, entry.path)
    node.wake_at = entry.wake_at
    node.pending = ""
    if isinstance(node.node, SleepNode):
        if not node.started_at:
            node.started_at = entry.at
            run.emit("step_started", entry.path, entry.at, {"input": node.input, "kind": "sleep", "attempt": 1})
        run.timers[entry.path, "sleep"] = entry.wake_at
        set_status(node, StepStatus.WAITING, waiting=1)
        return
    run.timers[entry.path, "retry"] = entry.wake_at
    set_status(node, StepStatus.RUNNING, busy=1)
    if not is_internal(entry.path):
        run.emit(
            "step_retrying",
            entry.path,
            entry.at,
            {"attempt": node.attempt, "error": error_json(node.error), "wake_at": entry.wake_at},
        )


def _run_ended(run: RunState, entry: RunEnded) -> None:
    root = run.root
    frame = root.frame
    assert frame is not None  # noqa: S101 - the root always has one
    cancel_below(run, root, entry.at)
    root.status = StepStatus(entry.status) if entry.status != "tripwire" else StepStatus.FAILED
    root.ended_at = entry.at
    run.status = RunStatus(entry.status)
    run.error = entry.error
    run.reason = entry.reason or run.reason
    run.finished_at = entry.at
    run.timers.clear()
    run.waiters.clear()
    run.signals.clear()
    frame.is_touched = True
    if entry.status == "success":
        if frame.bail is not None:
            root.output = frame.bail[0]
        elif entry.has_value:
            root.output = entry.value
        else:
            root.output = agent_output(root) if frame.kind == "agent" else frame.value
    data: dict[str, object] = {"status": entry.status}
    if entry.status == "success":
        data["output"] = root.output
    if entry.error is not None:
        data["error"] = error_json(entry.error)
    if run.reason:
        data["reason"] = run.reason
    run.emit("run_finished", "", entry.at, data)
    run.agenda.append(root)


def error_json(error: ErrorInfo | None) -> dict[str, object] | None:
    """Return an error as results and events show it."""
    if error is None:
        return None
    return {
        "type": error.type,
        "message": error.message,
        "attributes": error.attributes,
        "cause": error_json(error.cause),
        "code": error.code,
        "path": error.path,
    }
