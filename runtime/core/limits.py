"""Which limits an attempt counts against, and that it waits for them before it is given a number.

A limit is a name. A definition says which ones it counts against; besides, whoever operates the runtime may limit
anything under the name it has anyway: `step:<id>`, `tool:<id>`, `agent:<id>`, `model:<provider>`,
`model:<provider>/<model>`, and `workspace` for all bodies of a workspace together.
"""

from typing import Final

from greenroom.runtime.contracts.entries import Decision, Queued, Scheduled
from greenroom.runtime.contracts.plan import BundlePlan, StepNode
from greenroom.runtime.core.nodes import CallNode, RunNode, TurnNode
from greenroom.runtime.core.state import NodeState, RunState
from greenroom.runtime.core.visit import locate

WORKSPACE: Final = "workspace"
"""Name of the limit on all bodies of one workspace."""


def limited(run: RunState, decision: Decision) -> Decision:
    """Return what lets an attempt wait, where it counts against a limit and was not admitted."""
    if not run.limits or not isinstance(decision, Scheduled):
        return decision
    node = run.nodes.get(decision.path)
    if node is not None and node.is_admitted:
        return decision
    if not limits_of(run, decision.path):
        return decision
    return Queued(at=decision.at, path=decision.path)


def limits_of(run: RunState, path: str) -> tuple[str, ...]:
    """Return the names of the limits in force that an attempt at this path counts against.

    What a body calls runs within the room that the body has: a limit of one would else wait for itself.
    """
    known = run.nodes.get(path)
    node, parent = (known.node, known.parent) if known is not None else locate(run, path)[:2]
    names = {name for name in _names(run.bundle, node) if name in run.limits}
    while names and parent is not None:
        if parent.has_attempt:
            names.difference_update(_names(run.bundle, parent.node))
        parent = parent.parent
    return tuple(sorted(names))


def priority_of(run: RunState, node: NodeState) -> int:
    """Return which of the attempts of a workspace that wait comes first: the higher."""
    match node.node:
        case StepNode() | CallNode():
            own = node.node.options.priority
        case TurnNode():
            own = run.bundle.agents[node.node.agent].options.priority
        case _:
            own = 0
    return own + run.started.priority


def _names(bundle: BundlePlan, node: RunNode) -> set[str]:
    match node:
        case StepNode(tool=None):
            return {*node.options.limits, f"step:{node.id}", WORKSPACE}
        case StepNode(tool=str(tool)):
            return {*node.options.limits, f"tool:{tool}", WORKSPACE}
        case CallNode():
            return {*node.options.limits, f"tool:{node.id}", WORKSPACE}
        case TurnNode():
            return {*bundle.agents[node.agent].options.limits, f"agent:{node.agent}", WORKSPACE} | _models(bundle, node)
        case _:
            return set()


def _models(bundle: BundlePlan, node: TurnNode) -> set[str]:
    """Return the names of the model that is tried first; a fallback is called within its room."""
    model = bundle.agents[node.agent].models[0]
    return {f"model:{model}", f"model:{model.partition('/')[0]}"}
