"""What a worker is told about an attempt: the item, and the scope it shares with others of its workflow."""

from typing import Final

from greenroom.runtime.contracts.plan import BundlePlan, LoopNode
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.core.agent_state import call_of, turn_request
from greenroom.runtime.core.derived_ids import idempotency_key
from greenroom.runtime.core.ending import answer_of
from greenroom.runtime.core.leaves import MAX_DEATHS
from greenroom.runtime.core.mapping import visible_steps
from greenroom.runtime.core.nodes import BodyNode, CallNode, TurnNode, work_of
from greenroom.runtime.core.state import NodeState, RunState


def work_item(run: RunState, node: NodeState) -> WorkItem:
    """Return the newest attempt of a node as something to execute; its scope is not set."""
    work = work_of(node.node)
    assert work is not None, node.path  # noqa: S101 - only nodes with a body are dispatched
    kind, code, options = work
    owner = node.owner()
    agent_id = owner.frame.target if owner.frame is not None and owner.frame.kind == "agent" else None
    call = call_of(owner, node) if isinstance(node.node, CallNode) else None
    return WorkItem(
        path=node.path,
        attempt=node.attempt,
        bundle=run.bundle.id,
        kind=kind,
        code=code,
        key=idempotency_key(run.run_id, node.path, node.timeline),
        input=_input(run, node, owner),
        resumes=tuple(node.resumes),
        suspend_data=node.suspend_data,
        calls={name: answer_of(child) for name, child in node.calls.items() if child.is_final},
        iteration=_iteration(node),
        restarted=node.is_restarted,
        agent_id=agent_id,
        tool_call_id=call["id"] if call is not None else None,
        options=options,
    )


def _input(run: RunState, node: NodeState, owner: NodeState) -> Json:
    match node.node:
        case TurnNode():
            return turn_request(run, owner)
        case BodyNode(work="callback"):
            return callback_view(run, owner)
        case BodyNode(work="reconcile"):
            assert node.parent is not None  # noqa: S101 - it hangs under the step it asks about
            return idempotency_key(run.run_id, node.parent.path, node.parent.timeline)
        case BodyNode(name="~instructions"):
            return owner.input
        case _:
            return node.input


def callback_view(run: RunState, owner: NodeState) -> Json:
    """Return what `on_finish` and `on_error` of a workflow get as their value."""
    frame = owner.frame
    assert frame is not None  # noqa: S101 - callbacks stand in workflows
    error = run.error if owner.parent is None else owner.error
    return {
        "run_id": frame.run_id,
        "status": owner.status.value,
        "input": frame.input,
        "output": owner.output,
        "error": {"type": error.type, "message": error.message, "path": error.path} if error else None,
    }


def _iteration(node: NodeState) -> int:
    """Return the number of the iteration of the nearest loop around a node, from 1; 0 outside of loops."""
    at: NodeState | None = node
    while at is not None:
        if at.parent is not None and isinstance(at.parent.node, LoopNode):
            return at.index + 1
        at = at.parent
    return 0


def scope_of(run: RunState, node: NodeState) -> Scope:
    """Return the scope a node's body runs in; the same object until something in its frames ends.

    Bodies of a thousand items so share one scope, which is encoded once for a batch.
    """
    owner = node.owner()
    frame = owner.frame
    assert frame is not None  # noqa: S101 - an owner has one
    work = work_of(node.node)
    takes_context = work is None or work[2].takes_context
    versions = (-1,) if not takes_context else _versions(owner)
    if frame.scope is not None and frame.scope[0] == versions:
        return frame.scope[1]
    scope = _bare_scope(run, owner) if not takes_context else _full_scope(run, owner)
    frame.scope = (versions, scope)
    return scope


def _bare_scope(run: RunState, owner: NodeState) -> Scope:
    frame = owner.frame
    assert frame is not None  # noqa: S101 - an owner has one
    return Scope(run_id=run.run_id, workspace=run.started.workspace, workflow_id=frame.target)


def _full_scope(run: RunState, owner: NodeState) -> Scope:
    frame = owner.frame
    assert frame is not None  # noqa: S101 - an owner has one
    started = run.started
    return Scope(
        run_id=run.run_id,
        workspace=started.workspace,
        workflow_id=frame.target,
        resource_id=started.resource_id,
        thread_id=started.thread_id,
        trace_id=started.trace_id,
        input=frame.input,
        state=dict(frame.state),
        request_context={**run.request_context, **run.secrets},
        outputs=_outputs(owner),
    )


def _versions(owner: NodeState) -> tuple[int, ...]:
    found: list[int] = []
    at: NodeState | None = owner
    while at is not None:
        if at.frame is not None:
            found.append(at.frame.version)
        at = at.parent
    return tuple(found)


def _outputs(owner: NodeState) -> dict[str, Json]:
    """Return the outputs a body may ask for, outer frames first, each in the order of definition."""
    frames: list[NodeState] = []
    at: NodeState | None = owner
    while at is not None:
        if at.frame is not None:
            frames.append(at)
        at = at.parent
    found: dict[str, Json] = {}
    for frame in reversed(frames):
        for node in visible_steps(frame):
            if node.status is StepStatus.SUCCESS and not isinstance(node.node, BodyNode | TurnNode):
                found[node.path] = node.output
    return found


ALONE: Final = "steps-alone"
"""The pool whose worker has one body at a time."""


def pool_of(bundle: BundlePlan, item: WorkItem, deaths: int) -> str:
    """Return the name of the pool that executes an item.

    A body dies with its worker, whoever's fault it was. So the last try before it fails for that runs alone.

    Args:
        deaths: Workers that have died under its step.
    """
    pool = _pool_of(bundle, item)
    if pool == "steps" and deaths >= MAX_DEATHS - 1 and not item.options.needs_task:
        return ALONE
    return pool


def _pool_of(bundle: BundlePlan, item: WorkItem) -> str:
    if item.kind == "turn":
        return "agents"
    if item.kind == "tool" and item.options.stateful:
        tool = next((tool for tool in bundle.tools.values() if tool.code == item.code), None)
        return f"tool-{tool.id}" if tool is not None else "steps"
    return "steps"
