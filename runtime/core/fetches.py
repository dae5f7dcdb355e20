"""Inputs that are references to stored values, of the nodes whose input the core itself must look into.

A worker resolves references by itself. A foreach needs its list, and an agent its prompt, before a worker is asked.
"""

from collections.abc import Iterator

from greenroom.runtime.contracts.plan import AgentNode, ForeachNode
from greenroom.runtime.contracts.values import find_blob
from greenroom.runtime.core.state import NodeState, RunState


def is_awaiting_value(run: RunState, node: NodeState) -> bool:
    """Tell whether a node's input has to be read first; if so, it is asked for."""
    reference = find_blob(node.input)
    if reference is None or reference.kind != "json":
        return False
    run.needs.append((node.path, reference.sha256))
    return True


def open_fetches(run: RunState) -> Iterator[tuple[str, str]]:
    """Yield what was asked for and not read when a runtime ended: (path, digest)."""
    for node in run.nodes.values():
        reference = find_blob(node.input)
        if node.is_final or reference is None or reference.kind != "json":
            continue
        is_agent = isinstance(node.node, AgentNode) and node.frame is not None and not node.children
        if is_agent or (isinstance(node.node, ForeachNode) and not node.children):
            yield node.path, reference.sha256
