"""What a reported outcome changes: the leaf's status, the state's patch, the usage, and an agent's conversation."""

from typing import assert_never

from greenroom.runtime.contracts.entries import (
    Aborted,
    AttemptEnded,
    Bailed,
    ErrorInfo,
    Failed,
    Parked,
    Succeeded,
    SuspendedHere,
    Usage,
)
from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.plan import BranchNode, ForeachNode, ParallelNode, Schema, SleepNode
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.agent_state import absorb_turn
from greenroom.runtime.core.ending import finish, let_blocks_look, suspend
from greenroom.runtime.core.nodes import TurnNode
from greenroom.runtime.core.state import NodeState, RunState, set_status


def apply_outcome(run: RunState, entry: AttemptEnded) -> None:
    """Apply an attempt's outcome to its node."""
    node = run.nodes[entry.path]
    node.has_attempt = node.is_restarted = False
    outcome = entry.outcome
    if entry.patch and isinstance(outcome, Succeeded | SuspendedHere | Bailed):
        problem = _state_problem(run, node, entry.patch)
        if problem is not None:
            outcome = Failed(error=problem, usage=getattr(outcome, "usage", None))
        else:
            run.patch_count += 1
            node.patches += ((run.patch_count, entry.patch),)
            merge_state(run, node, entry.patch)
    match outcome:
        case Succeeded():
            _charge(run, node, outcome.usage, outcome.output)
            _succeeded(run, node, outcome.output, entry.at)
        case Failed():
            _charge(run, node, outcome.usage, None)
            node.error = outcome.error
            node.failures += 1
            node.pending = "failed"
            run.agenda.append(node)
        case SuspendedHere():
            suspend(run, node, outcome.payload, entry.at, label=outcome.label, timeout_s=outcome.timeout_s)
        case Bailed():
            frame = run.state_of(node)
            frame.bail = (outcome.result,)
            node.output = outcome.result
            node.has_bailed = True
            run.agenda.append(node.owner())  # first of all: a foreach would start its next item
            finish(run, node, StepStatus.SUCCESS, entry.at, None, has_value=True)
        case Aborted():
            run.is_cancel_requested = True
            run.reason = f"aborted by {node.path}"
            run.agenda.append(run.root)
        case Parked():
            node.is_parked = True
            set_status(node, StepStatus.SUSPENDED)
            let_blocks_look(run, node)
            if outcome.on in node.calls and node.calls[outcome.on].is_final:
                node.pending = "answered"
                run.agenda.append(node)
        case _:
            assert_never(outcome)


def _succeeded(run: RunState, node: NodeState, output: Json, at: float) -> None:
    if isinstance(node.node, SleepNode):
        node.answer = output
        node.pending = "computed"
        run.agenda.append(node)
        return
    node.output = output
    if isinstance(node.node, TurnNode):
        absorb_turn(run, node, at)
    finish(run, node, StepStatus.SUCCESS, at, None, has_value=True)


def _charge(run: RunState, node: NodeState, usage: Usage | None, output: Json) -> None:
    if usage is None:
        return
    run.usage = run.usage.plus(usage)
    model = str(output.get("model", "")) if isinstance(output, dict) else ""
    run.charges.append((node.path, node.attempt, model, usage))


def merge_state(run: RunState, node: NodeState, patch: dict[str, Json]) -> None:
    """Merge a body's changes into its workflow's state.

    Of two parallel writers of one key the later in definition order, or the one with the higher index, wins, whatever
    the order in which they ended: so every replay and every schedule gives the same state.
    """
    frame = run.state_of(node)
    for key, value in patch.items():
        writer = frame.writers.get(key)
        if writer is None or not _outranks(writer, node):
            frame.state[key] = value
            frame.writers[key] = node
    _touch_state(node, frame.state)


def _state_problem(run: RunState, node: NodeState, patch: dict[str, Json]) -> ErrorInfo | None:
    """Return why the state would not fit its schema after a patch; what did not fit before is not the patch's fault."""
    holder = _state_holder(node)
    assert holder.frame is not None  # noqa: S101 - a holder of state is a frame
    schema = getattr(holder.frame.plan, "state_schema", None)
    if schema is None:
        return None
    state = holder.frame.state
    before = _issues(run, schema, state)
    issues = [issue for issue in _issues(run, schema, {**state, **patch}) if issue not in before]
    if not issues:
        return None
    shown = "; ".join(f"{issue['field']}: {issue['message']}" for issue in issues)
    return ErrorInfo(
        type="InvalidInput",
        message=f"Invalid state set by step {node.path!r}: {shown}",
        attributes={"issues": issues},
        code="invalid_input",
        retryable=False,
    )


def _issues(run: RunState, schema: Schema, state: dict[str, Json]) -> list[Json]:
    try:
        run.check(schema, state)
    except InvalidInput as error:
        return list(error.facts.get("issues", ()))
    return []


def _state_holder(node: NodeState) -> NodeState:
    """Return the outermost workflow that shares the state a node stands in."""
    at = node.owner()
    while at.parent is not None:
        outer = at.owner()
        if at.frame is None or outer.frame is None or outer.frame.state is not at.frame.state:
            return at
        at = outer
    return at


def _touch_state(node: NodeState, state: dict[str, Json]) -> None:
    """Mark every frame that shares a state as changed."""
    at = node.owner()
    while at.frame is not None and at.frame.state is state:
        at.frame.version += 1
        if at.parent is None:
            return
        at = at.owner()


def _outranks(earlier: NodeState, later: NodeState) -> bool:
    """Tell whether the one that wrote first keeps the key: both are parallel and it stands behind."""
    mine, others = _lineage(later), _lineage(earlier)
    for a, b in zip(mine, others, strict=False):
        if a is b:
            continue
        block = a.parent
        if block is None or block is not b.parent:
            return False
        match block.node:
            case ForeachNode():
                return b.index > a.index
            case ParallelNode(members=members) | BranchNode(members=members):
                names = [member.name for member in members]
                return names.index(b.node.name) > names.index(a.node.name)
            case _:
                return False
    return False


def _lineage(node: NodeState) -> list[NodeState]:
    found = [node]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found[::-1]
