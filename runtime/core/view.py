"""A run as its callers see it: JSON, the shape of `RunResult`. Also the run's head rows."""

from greenroom.runtime.contracts.plan import AgentPlan
from greenroom.runtime.contracts.records import RunHead
from greenroom.runtime.contracts.statuses import RunStatus, StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.addressing import suspended_steps, suspension_of
from greenroom.runtime.core.agent_state import agent_output, finish_reason
from greenroom.runtime.core.apply import error_json
from greenroom.runtime.core.nodes import BodyNode, TurnNode, is_internal, kind_of
from greenroom.runtime.core.state import NodeState, RunState


def run_view(run: RunState, prefix: str = "") -> dict[str, Json]:
    """Return the run, or the child run at `prefix`, as JSON."""
    root = run.nodes[prefix]
    frame = root.frame
    assert frame is not None  # noqa: S101 - runs and child runs have one
    status = run.status if not prefix else child_status(root)
    waiting = suspended_steps(run, prefix)
    cut = len(prefix) + 1 if prefix else 0
    view: dict[str, Json] = {
        "run_id": frame.run_id,
        "kind": frame.kind,
        "target": frame.target,
        "workspace": run.started.workspace,
        "status": status.value,
        "input": frame.input,
        "output": root.output if status is RunStatus.SUCCESS else None,
        "error": error_json(run.error if not prefix else root.error),
        "reason": run.reason,
        "steps": {
            node.path[cut:]: step_view(node)
            for node in root.walk()
            if not is_internal(node.path) and not isinstance(node.node, BodyNode)
        },
        "suspended": [node.path[cut:] for node in waiting],
        "suspend_payload": {node.path[cut:]: node.payload for node in waiting},
        "suspensions": {node.path[cut:]: suspension_of(run, node) for node in waiting},
        "labels": {node.label: node.path[cut:] for node in waiting if node.label},
        "state": dict(frame.state),
        "usage": _usage(run),
        "trace_id": run.started.trace_id,
        "bundle": run.bundle.id,
        "resource_id": run.started.resource_id,
        "thread_id": run.started.thread_id,
        "request_context": dict(run.request_context),
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "finished_at": run.finished_at if not prefix else root.ended_at,
        "parent_id": None if not prefix else run.run_id,
        "forked_from": _forked_from(run) if not prefix else None,
        "rewinds": run.rewinds,
        "event_seq": run.event_count,
    }
    if isinstance(frame.plan, AgentPlan):
        view["agent"] = agent_view(root)
    return view


def _forked_from(run: RunState) -> dict[str, Json] | None:
    fork = run.started.fork
    return {"run_id": fork.run_id, "path": fork.path} if fork is not None else None


def child_status(node: NodeState) -> RunStatus:
    """Return the status of a nested part as a run."""
    match node.status:
        case StepStatus.SUCCESS | StepStatus.SKIPPED:
            return RunStatus.SUCCESS
        case StepStatus.FAILED:
            return RunStatus.FAILED
        case StepStatus.CANCELED:
            return RunStatus.CANCELED
        case _:
            if node.busy:
                return RunStatus.RUNNING
            if node.waiting:
                return RunStatus.WAITING
            return RunStatus.SUSPENDED if node.suspended else RunStatus.RUNNING


def step_view(node: NodeState) -> dict[str, Json]:
    """Return one step as JSON, the shape of `StepResult`."""
    status = node.status
    if not node.is_final and (node.children or node.frame is not None):
        status = StepStatus(child_status(node).value) if child_status(node) != RunStatus.RUNNING else StepStatus.RUNNING
    return {
        "status": status.value,
        "kind": kind_of(node.node),
        "id": node.node.id or node.node.name,
        "input": None if isinstance(node.node, TurnNode) else node.input,
        "output": node.output,
        "error": error_json(node.error),
        "attempts": node.attempt or 1,
        "started_at": node.started_at,
        "ended_at": node.ended_at,
        "suspend_payload": node.payload,
        "suspended_at": node.suspended_at if node.status is StepStatus.SUSPENDED else None,
        "resume_data": node.resumes[-1] if node.resumes else None,
        "resumed_at": node.resumed_at,
        "run_id": node.frame.run_id if node.frame is not None else None,
    }


def agent_view(node: NodeState) -> dict[str, Json]:
    """Return what an agent's result has beyond a run's."""
    frame = node.frame
    assert frame is not None  # noqa: S101 - agents only
    turns = [turn.output or {} for turn in frame.turns]
    output = agent_output(node)
    return {
        "text": str(turns[-1].get("text") or "") if turns else "",
        "output": output if not isinstance(output, str) else None,
        "finish_reason": finish_reason(node),
        "tool_calls": [
            {
                "tool_call_id": call["id"],
                "tool": call["tool"],
                "arguments": call["arguments"],
                "path": f"{node.path}/{call['segment']}" if node.path else call["segment"],
                "turn": call["turn"],
            }
            for call in frame.calls
        ],
        "steps": [
            {"text": turn.get("text"), "finish_reason": turn.get("finish_reason"), "model": turn.get("model")}
            for turn in turns
        ],
    }


def _usage(run: RunState) -> dict[str, int]:
    usage = run.usage
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost_micros": usage.cost_micros,
    }


def is_settled(run: RunState) -> bool:
    """Tell whether nothing of a run will ever move again, its callbacks included."""
    return run.status.is_final and run.root.busy == 0


def heads(run: RunState) -> list[RunHead]:
    """Return the head rows that have changed since they were last taken, the run's own first.

    A run that goes from one step to the next does not change its head: one row for a step is enough.
    """
    found: list[RunHead] = []
    left, run.left = run.left, []
    for node in (*left, *run.frames):
        frame = node.frame
        assert frame is not None  # noqa: S101 - frames only
        if not frame.is_touched:
            continue
        frame.is_touched = False
        mark = _head_mark(run, node)
        if mark != frame.head_mark:
            frame.head_mark = mark
            found.append(_root_head(run) if node.parent is None else _child_head(run, node))
    return found


def _head_mark(run: RunState, node: NodeState) -> tuple[Json, ...]:
    """Return what of a head is worth a new row."""
    if node.parent is not None:
        return (child_status(node), node.error, run.bundle.id)
    timers = run.timers
    wake_at = min(timers.values()) if timers else None
    return (_head_status(run), wake_at, is_settled(run), run.usage.cost_micros, run.error, run.bundle.id)


def _head_status(run: RunState) -> RunStatus:
    """Return the status, or `running` while a stored value is read for a run that otherwise rests.

    A later life of the runtime takes up what may be moving and nothing else: it must find such a run.
    """
    return RunStatus.RUNNING if run.needs and not run.status.is_final else run.status


def _root_head(run: RunState) -> RunHead:
    started = run.started
    return RunHead(
        workspace=started.workspace,
        run_id=run.run_id,
        kind=started.kind,
        target=started.target,
        bundle=run.bundle.id,
        status=_head_status(run).value,
        created_at=run.created_at,
        updated_at=run.updated_at,
        root_id=run.run_id,
        finished_at=run.finished_at,
        wake_at=min(run.timers.values(), default=None),
        resource_id=started.resource_id,
        thread_id=started.thread_id,
        key=started.key,
        trace_id=started.trace_id,
        is_open=not is_settled(run),
        groups=run.groups,
        events=run.event_count,
        error_type=run.error.type if run.error else None,
        error=run.error.message if run.error else None,
        input_tokens=run.usage.input_tokens,
        output_tokens=run.usage.output_tokens,
        cost_micros=run.usage.cost_micros,
        forked_from=started.fork.run_id if started.fork is not None else None,
    )


def _child_head(run: RunState, node: NodeState) -> RunHead:
    frame = node.frame
    assert frame is not None  # noqa: S101 - frames only
    above = node.owner().frame
    return RunHead(
        workspace=run.started.workspace,
        run_id=frame.run_id,
        kind=frame.kind,
        target=frame.target,
        bundle=run.bundle.id,
        status=child_status(node).value,
        created_at=node.started_at,
        updated_at=run.updated_at,
        root_id=run.run_id,
        parent_id=above.run_id if above is not None else run.run_id,
        parent_path=node.path,
        finished_at=node.ended_at,
        resource_id=run.started.resource_id,
        trace_id=run.started.trace_id,
        is_open=False,
        error_type=node.error.type if node.error else None,
        error=node.error.message if node.error else None,
    )
