"""Decisions about blocks: parallel, branch, loop, foreach."""

from greenroom.runtime.contracts.entries import Completed, Decision, ErrorInfo, Scheduled
from greenroom.runtime.contracts.plan import BranchNode, ForeachNode, LoopNode, Node, ParallelNode
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.core.begin import begin
from greenroom.runtime.core.fetches import is_awaiting_value
from greenroom.runtime.core.leaves import decide_resumed
from greenroom.runtime.core.state import NodeState, RunState
from greenroom.runtime.core.visit import join


def decide_parallel(run: RunState, node: NodeState, parallel: ParallelNode, at: float) -> list[Decision]:
    """Start every member that has not begun; end when all have settled."""
    missing = _missing(run, node, parallel.members)
    if missing:
        return _start(run, node, missing, at)
    return _settle(node, list(node.children.values()), at, allow_failure=parallel.allow_failure)


def _start(run: RunState, node: NodeState, members: tuple[Node, ...], at: float) -> list[Decision]:
    prefix = node.path.rpartition("/")[0]
    entries: list[Decision] = []
    for member in members:
        entries.extend(begin(run, join(prefix, member.name), member, at))
    return entries


def _missing(run: RunState, node: NodeState, members: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return the members that have not begun: all at first, later those that a restored block has to begin again."""
    prefix = node.path.rpartition("/")[0]
    return tuple(member for member in members if join(prefix, member.name) not in run.nodes)


def _settle(node: NodeState, members: list[NodeState], at: float, *, allow_failure: bool) -> list[Decision]:
    """End a block when nothing in it moves: as failed if one failed for good, as a success if all have ended.

    A member that waits for a person does not keep a failed block alive; an allowed failure does wait for it.
    """
    if node.busy or node.waiting:
        return []
    failed = next((member for member in members if member.status is StepStatus.FAILED), None)
    if failed is not None and not allow_failure:
        return [_failed(node, failed.error, at)]
    if not allow_failure and any(member.status is StepStatus.CANCELED for member in members):
        return [_canceled(node, at)]
    if all(member.is_final for member in members):
        return [Completed(at=at, path=node.path, status="success")]
    return []


def _canceled(node: NodeState, at: float) -> Completed:
    return Completed(at=at, path=node.path, status="canceled")


def _failed(node: NodeState, error: ErrorInfo | None, at: float) -> Completed:
    return Completed(at=at, path=node.path, status="failed", error=error)


def decide_branch(run: RunState, node: NodeState, branch: BranchNode, at: float) -> list[Decision]:
    """Evaluate the conditions once, then run every member whose condition holds."""
    asked = [run.nodes.get(f"{node.path}?{index}") for index in range(len(branch.members))]
    if asked[0] is None:
        return [Scheduled(at=at, path=f"{node.path}?{index}", attempt=1) for index in range(len(branch.members))]
    conditions = [condition for condition in asked if condition is not None]
    if len(conditions) < len(branch.members) or not all(condition.is_final for condition in conditions):
        return []
    for index, condition in enumerate(conditions):
        if condition.status is not StepStatus.SUCCESS:
            return [_failed(node, _condition_error(branch, index, condition), at)]
    chosen = tuple(member for member, condition in zip(branch.members, conditions, strict=True) if condition.output)
    missing = _missing(run, node, chosen)
    if missing:
        return _start(run, node, missing, at)
    members = [child for child in node.children.values() if "?" not in child.path.rpartition("/")[2]]
    return _settle(node, members, at, allow_failure=False)


def _condition_error(branch: BranchNode, index: int, condition: NodeState) -> ErrorInfo:
    error = condition.error or ErrorInfo(type="Canceled", message="it was canceled")
    names = branch.condition_names
    name = names[index] if index < len(names) else f"condition {index}"
    member = branch.members[index]
    message = f"condition {name!r} of branch member {member.id or member.name!r} raised {error.type}: {error.message}"
    return ErrorInfo(
        type=error.type, message=message, attributes=error.attributes, cause=error.cause, path=condition.path
    )


def decide_loop(run: RunState, node: NodeState, loop: LoopNode, at: float) -> list[Decision]:
    """Run the body, ask the condition, and so on."""
    if node.next_index == 0:
        return _iterate(run, node, loop, at)
    last = node.children[node.next_index - 1]
    if not last.is_final:
        return []
    if last.status is StepStatus.CANCELED:
        return [_canceled(node, at)]
    if last.status is not StepStatus.SUCCESS:
        return [_failed(node, last.error, at)]
    asked = run.nodes.get(f"{last.path}?")
    if asked is None:
        return [Scheduled(at=at, path=f"{last.path}?", attempt=1)]
    if not asked.is_final:
        return []
    if asked.status is not StepStatus.SUCCESS:
        error = asked.error or ErrorInfo(type="Canceled", message="it was canceled")
        message = f"condition of loop {node.path!r} raised {error.type}: {error.message}"
        return [_failed(node, ErrorInfo(type=error.type, message=message, cause=error.cause, path=asked.path), at)]
    if bool(asked.output) == loop.until:
        return [Completed(at=at, path=node.path, status="success")]
    if node.next_index >= loop.max_iterations:
        message = f"loop {node.path!r} did not end within max_iterations={loop.max_iterations}"
        return [_failed(node, ErrorInfo(type="StepError", message=message, code="step_error", path=node.path), at)]
    return _iterate(run, node, loop, at)


def _iterate(run: RunState, node: NodeState, loop: LoopNode, at: float) -> list[Decision]:
    return begin(run, f"{node.path}[{node.next_index}]", loop.body, at)


def decide_foreach(run: RunState, node: NodeState, foreach: ForeachNode, at: float) -> list[Decision]:
    """Keep as many items going as the concurrency allows; end when all have settled."""
    items = node.input
    if is_awaiting_value(run, node):
        return []
    if not isinstance(items, list):
        message = f"foreach {node.path!r} needs a list, its input is {_name_of(items)}"
        error = ErrorInfo(type="InvalidInput", message=message, code="invalid_input", path=node.path)
        return [_failed(node, error, at)]
    if node.failed is not None and not foreach.allow_failure:
        if node.slots:
            return []
        if node.failed.status is StepStatus.CANCELED:
            return [_canceled(node, at)]
        return [_failed(node, _item_error(node.failed), at)]
    if node.done == len(items):
        return [Completed(at=at, path=node.path, status="success")]
    entries: list[Decision] = []
    free = max(0, foreach.concurrency - node.slots)
    for resumed in node.queue[:free]:
        entries.extend(decide_resumed(resumed, at))
        free -= 1
    again = node.missing[:free]
    free = min(free - len(again), len(items) - node.next_index)
    for index in (*again, *range(node.next_index, node.next_index + free)):
        entries.extend(begin(run, f"{node.path}[{index}]", foreach.body, at))
    return entries


def _item_error(item: NodeState) -> ErrorInfo:
    error = item.error or ErrorInfo(type="StepError", message="it failed")
    return ErrorInfo(
        type=error.type,
        message=error.message,
        attributes={**error.attributes, "index": item.index},
        cause=error.cause,
        code=error.code,
        path=error.path or item.path,
    )


def _name_of(value: object) -> str:
    return "null" if value is None else f"of type {type(value).__name__}"
