"""Declarative maps: `{"key": from_step("outline", "a.b")}` shaped from the state of a run."""

from collections.abc import Iterator
from typing import Any

from greenroom.runtime.contracts.plan import LoopNode, Source
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.nodes import is_internal
from greenroom.runtime.core.state import NodeState, RunState


class MappingProblem(Exception):
    """A source of a map cannot be read; the message names the key and the path."""


def shape(run: RunState, path: str, mapping: dict[str, Source]) -> dict[str, Json]:
    """Return the shaped value.

    Raises:
        MappingProblem: A step did not run, or a path leads nowhere.
    """
    prefix = path.rpartition("/")[0]
    owner = run.nodes[prefix]
    return {key: _read(run, owner, key, source) for key, source in mapping.items()}


def _read(run: RunState, owner: NodeState, key: str, source: Source) -> Json:
    frame = owner.frame
    assert frame is not None  # noqa: S101 - maps stand in sequences
    match source.kind:
        case "constant":
            return source.value
        case "input":
            return dig(frame.input, source.path, f"{key}: input")
        case "state":
            return dig(frame.state, source.path, f"{key}: state")
        case "context":
            return dig(run.request_context, source.path, f"{key}: request context")
        case "step":
            for step in source.steps:
                found = find_output(owner, step)
                if found is not None:
                    return dig(found.output, source.path, f"{key}: output of step {step!r}")
            names = " or ".join(repr(step) for step in source.steps)
            message = f"{key}: step {names} has no output here: it did not run or did not succeed"
            raise MappingProblem(message)


def find_output(owner: NodeState, step: str) -> NodeState | None:
    """Return the nearest earlier node with this id or path that succeeded, seen from inside the frame of `owner`."""
    at: NodeState | None = owner
    while at is not None:
        if at.frame is not None:
            for node in reversed(list(visible_steps(at))):
                if node.status is StepStatus.SUCCESS and _is_named(node, step):
                    return node
        at = at.parent
    return None


def visible_steps(owner: NodeState) -> Iterator[NodeState]:
    """Yield the nodes of a frame's own sequence in the order they were visited.

    Members of its blocks are included, and of a loop that goes on its last two iterations.
    """
    for child in owner.children.values():
        if child.path.rpartition("/")[2].startswith("~"):
            for member in child.children.values():
                if not is_internal(member.path.rpartition("/")[2]):
                    yield member
        elif "?" not in child.path:
            if isinstance(child.node, LoopNode) and not child.is_final:
                yield from (last for index, last in child.children.items() if index >= child.next_index - 2)
            yield child


def _is_named(node: NodeState, step: str) -> bool:
    name = node.node.name
    return step in {node.path, name, node.node.id} or node.path.endswith("/" + step)


def dig(value: Json, path: str, what: str) -> Json:
    """Return the part of a value that a dotted path leads to; `.` is the whole.

    >>> dig({"a": {"b": [1, 2]}}, "a.b.1", "x")
    2

    Raises:
        MappingProblem: The path leads nowhere.
    """
    if path in {".", ""}:
        return value
    at: Any = value
    walked: list[str] = []
    for part in path.split("."):
        walked.append(part)
        if isinstance(at, dict) and part in at:
            at = at[part]
        elif isinstance(at, list) and part.lstrip("-").isdigit() and -len(at) <= int(part) < len(at):
            at = at[int(part)]
        else:
            there = ", ".join(sorted(map(str, at))) if isinstance(at, dict) else type(at).__name__
            message = f"{what} has nothing at path {'.'.join(walked)!r} (of {path!r}); there is: {there}"
            raise MappingProblem(message)
    return at
