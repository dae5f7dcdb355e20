"""Builds the state of a run from what was taken over: what `taking` gives, put back in place without a body called."""

from greenroom.runtime.contracts.entries import Taken
from greenroom.runtime.contracts.plan import AgentNode, BranchNode, ForeachNode, LoopNode, ParallelNode, WorkflowNode
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.contracts.values import find_blob
from greenroom.runtime.core.agent_state import absorb_turn, enter_agent
from greenroom.runtime.core.ending import compose
from greenroom.runtime.core.entering import add_called, enter_workflow
from greenroom.runtime.core.nodes import TurnNode, kind_of, work_of
from greenroom.runtime.core.outcomes import merge_state
from greenroom.runtime.core.state import NodeState, RunState
from greenroom.runtime.core.visit import add_node, join, locate


def restore(run: RunState, path: str, taken: tuple[Taken, ...], at: float, *, has_state: bool) -> None:
    """Put back what was taken over, and let the step at `path` begin next.

    Args:
        run: A run with nothing but its root.
        path: The step.
        taken: What `taken_over` gave.
        at: Now, in epoch seconds.
        has_state: The root's state was given: what the steps set in it does not count.
    """
    told, count = len(run.events), run.event_count
    pending: list[tuple[NodeState, Taken]] = []
    opened: list[NodeState] = []
    for item in taken:
        while pending and not _holds(pending[-1][0], item.path):
            _close(run, *pending.pop(), at)
        node = _place(run, item)
        if item.status == "open":
            opened.append(node)
        else:
            pending.append((node, item))
    while pending:
        _close(run, *pending.pop(), at)
    del run.events[told:]
    run.event_count = count
    _merge_patches(run, has_state=has_state)
    for node in opened:
        _open(run, node, path, at)
    run.credits = 1
    run.around = [run.root, *(node for node in opened if not node.is_parked and node is not run.root)]


def _holds(above: NodeState, path: str) -> bool:
    """Tell whether what stands at a path is part of a node."""
    if isinstance(above.node, ParallelNode | BranchNode):
        prefix = above.path.rpartition("/")[0]
        if any(path == join(prefix, member.name) for member in above.node.members):
            return True
    return path.startswith(above.path) and path[len(above.path) :][:1] in {"/", "[", "?"}


def _place(run: RunState, item: Taken) -> NodeState:
    node = _find(run, item)
    if item.has_input:
        node.input = item.input
    elif (reference := find_blob(item.reference)) is not None:
        node.input = run.stored[reference.sha256]
    node.fetched = item.reference
    node.options = item.options
    node.attempt = item.attempt
    node.failures = item.failures
    node.started_at = item.started_at
    node.resumes = list(item.resumes)
    node.resumed_at = item.resumed_at
    node.patches = item.patches
    if node.parent is None:
        assert node.frame is not None  # noqa: S101 - the root always has one
        node.frame.input = node.input
    elif isinstance(node.node, WorkflowNode):
        enter_workflow(run, node, node.node.workflow)
    elif isinstance(node.node, AgentNode):
        enter_agent(run, node)
    return node


def _find(run: RunState, item: Taken) -> NodeState:
    if not item.path:
        return run.root
    if item.called is not None:
        caller, _, name = item.path.rpartition("/")
        return add_called(run, run.nodes[caller], name, item.called, item.target)
    return add_node(run, item.path, *locate(run, item.path))


def _close(run: RunState, node: NodeState, item: Taken, at: float) -> None:
    """Give a node the outcome it had, and its parent what follows from it."""
    node.status = StepStatus(item.status)
    node.error = item.error
    node.ended_at = item.ended_at
    if item.has_output:
        node.output = item.output
    elif node.status is StepStatus.SUCCESS:
        node.output = compose(node)
    if isinstance(node.node, TurnNode):
        absorb_turn(run, node, at)
    parent = node.parent
    assert parent is not None  # noqa: S101 - the root is never taken over
    if isinstance(parent.node, ForeachNode):
        parent.done += 1
        if node.status in {StepStatus.FAILED, StepStatus.CANCELED} and parent.failed is None:
            parent.failed = node
    asked = run.nodes.get(f"{node.path}?") if isinstance(parent.node, LoopNode) else None
    if asked is not None:
        asked.input = node.output  # the condition is part of the iteration, and was put back before it
    frame = parent.frame
    if frame is not None and frame.kind == "workflow" and frame.current is node and node.status is StepStatus.SUCCESS:
        frame.value = node.output


def _open(run: RunState, node: NodeState, path: str, at: float) -> None:
    """Let a node stand open around the step: entered, or with its body waiting for the child it called."""
    if node.parent is None:
        return
    node.started_at = at
    if node.path == path:
        _call_again(run, node)
        return
    if work_of(node.node) is not None:
        node.is_parked = True
        node.status = StepStatus.SUSPENDED
        return
    if isinstance(node.node, ForeachNode | LoopNode):
        index = int(path[len(node.path) + 1 :].partition("]")[0])
        node.next_index = max(node.next_index, index)
        node.missing = tuple(number for number in range(index) if number not in node.children)
    run.emit("step_started", node.path, at, {"input": node.input, "kind": kind_of(node.node), "attempt": 1})


def _call_again(run: RunState, node: NodeState) -> None:
    node.started_at = 0.0
    node.pending = "called"
    if node.frame is not None:
        run.frames.remove(node)
        node.frame = None


def _merge_patches(run: RunState, *, has_state: bool) -> None:
    """Set in the state what the bodies set that were taken over, in the order in which they did."""
    assert run.root.frame is not None  # noqa: S101 - the root always has one
    patched = [node for node in run.nodes.values() if node.patches]
    if has_state:
        for node in patched:
            if run.state_of(node).state is run.root.frame.state:
                node.patches = ()
    made = sorted((number, node.path, patch) for node in patched for number, patch in node.patches)
    for number, path, patch in made:
        merge_state(run, run.nodes[path], patch)
        run.patch_count = max(run.patch_count, number)
