"""Questions about plans that need no run."""

from collections.abc import Iterator

from greenroom.runtime.contracts.plan import (
    BranchNode,
    BundlePlan,
    ForeachNode,
    LoopNode,
    Node,
    ParallelNode,
    SignalNode,
    WorkflowNode,
)


def signal_nodes(bundle: BundlePlan, workflow: str) -> Iterator[SignalNode]:
    """Yield every wait for a signal that a workflow may come to, nested ones included."""
    seen: set[str] = set()
    todo = [workflow]
    while todo:
        name = todo.pop()
        plan = bundle.workflows.get(name)
        if plan is None or name in seen:
            continue
        seen.add(name)
        for node in walk(plan.nodes):
            match node:
                case SignalNode():
                    yield node
                case WorkflowNode(workflow=nested):
                    todo.append(nested)
                case _:
                    pass


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Yield nodes and what they hold, parents first."""
    for node in nodes:
        yield node
        match node:
            case ParallelNode(members=members) | BranchNode(members=members):
                yield from walk(members)
            case LoopNode(body=body) | ForeachNode(body=body):
                yield from walk((body,))
            case _:
                pass
