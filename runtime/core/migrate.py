"""Moving a run to another bundle: every node it has visited goes on as the other bundle's node at the same path."""

from greenroom.runtime.contracts.entries import Migrated
from greenroom.runtime.core.ending import drop_attempt
from greenroom.runtime.core.entering import called_node
from greenroom.runtime.core.nodes import RunNode
from greenroom.runtime.core.root import plan_of_target
from greenroom.runtime.core.state import NodeState, RunState
from greenroom.runtime.core.taking import called_kind
from greenroom.runtime.core.visit import locate


def migrate(run: RunState, entry: Migrated) -> None:
    """Let a run go on with another bundle; an attempt that nobody has executed yet is scheduled anew."""
    run.bundle = run.plans[entry.bundle]
    for node in run.nodes.values():
        if node.parent is not None:
            node.node = _node_of(run, node)
        frame = node.frame
        if frame is not None:
            frame.plan = plan_of_target(frame.kind, frame.target, run.bundle)
            frame.version += 1
            frame.scope = None
            frame.is_touched = True
        if node.has_attempt:
            drop_attempt(run, node)
            node.pending = "retry"
            run.agenda.append(node)


def _node_of(run: RunState, node: NodeState) -> RunNode:
    called = called_kind(node)
    if called is not None:
        return called_node(run, node.node.name, called, node.node.id)
    return locate(run, node.path)[0]
