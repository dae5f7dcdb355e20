"""Checks that every `from_step` of an app's maps names a step that can have run by then."""

from collections.abc import Iterator

from greenroom.runtime.contracts.errors import UnknownStep
from greenroom.runtime.contracts.plan import (
    BranchNode,
    ForeachNode,
    LoopNode,
    MapNode,
    Node,
    ParallelNode,
    WorkflowNode,
    WorkflowPlan,
)


def check_references(workflows: dict[str, WorkflowPlan]) -> None:
    """Check the declarative maps of all workflows.

    A map sees the earlier steps of its own workflow, and, in a nested workflow, those before it in the one around.

    Raises:
        UnknownStep: A source names none of them; the message lists what there is.
    """
    outer = _seen_from_outside(workflows)
    for plan in workflows.values():
        seen: list[str] = []
        for position, node in enumerate(plan.nodes, start=1):
            if isinstance(node, MapNode):
                _check_map(plan, position, node, seen, outer[plan.id])
            seen.extend(_names(node))


def _check_map(plan: WorkflowPlan, position: int, node: MapNode, seen: list[str], outer: set[str]) -> None:
    for key, source in (node.mapping or {}).items():
        for step in source.steps:
            name = step.rpartition("/")[2]
            if name not in seen and name not in outer:
                known = list(dict.fromkeys(name for name in seen if not name.startswith("~")))
                raise UnknownStep(
                    f"workflow {plan.id!r}, node {position} (map): {key!r} is taken from step {step!r}, which is not "
                    f"before it; there is: {', '.join(known) or 'nothing'}",
                    {"workflow": plan.id, "node": position, "kind": "map", "step": step, "candidates": known},
                )


def _seen_from_outside(workflows: dict[str, WorkflowPlan]) -> dict[str, set[str]]:
    """Return for each workflow the names it sees of the workflows it is nested in."""
    found: dict[str, set[str]] = {id: set() for id in workflows}
    # Names travel one level per round, and nesting cannot be deeper than there are workflows.
    for _ in workflows:
        for plan in workflows.values():
            seen = set(found[plan.id])
            for node in plan.nodes:
                for nested in _nested(node):
                    found[nested] |= seen
                seen.update(_names(node))
    return found


def _members(node: Node) -> tuple[Node, ...]:
    match node:
        case ParallelNode() | BranchNode():
            return node.members
        case LoopNode() | ForeachNode():
            return (node.body,)
        case _:
            return ()


def _names(node: Node) -> Iterator[str]:
    yield node.name
    yield node.id
    for member in _members(node):
        yield from (member.name, member.id)


def _nested(node: Node) -> Iterator[str]:
    for item in (node, *_members(node)):
        if isinstance(item, WorkflowNode):
            yield item.workflow
