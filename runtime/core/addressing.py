"""Which suspended steps a resume means: by path, id, dotted id, suffix, label, token, or the only one there is."""

import re

from greenroom.runtime.contracts.errors import AlreadyClaimed, AmbiguousResume, NotFound, RunFinished, RunNotSuspended
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.core.derived_ids import suspension_token
from greenroom.runtime.core.nodes import is_internal
from greenroom.runtime.core.state import NodeState, RunState

_INDEX = re.compile(r"\[\d+\]")
_LAST_INDEX = re.compile(r"\[\d+\]$")


def suspended_steps(run: RunState, prefix: str = "") -> list[NodeState]:
    """Return the steps that wait for a resume, in the order they were visited, below a path."""
    return [
        node
        for node in run.nodes.values()
        if node.status is StepStatus.SUSPENDED and not node.is_parked and _is_below(node.path, prefix)
    ]


def suspension_of(run: RunState, node: NodeState) -> str:
    """Return the token of the suspension that a suspended step is at."""
    return suspension_token(run.run_id, node.path, node.timeline, node.attempt)


def _is_below(path: str, prefix: str) -> bool:
    return not prefix or path == prefix or path.startswith(prefix + "/")


def find_suspended(
    run: RunState,
    step: str | None,
    *,
    label: str | None = None,
    index: int | None = None,
    suspension: str | None = None,
    prefix: str = "",
) -> list[NodeState]:
    """Return the steps a resume is for: one, or all suspended items of a foreach that was named without an index.

    Args:
        suspension: A token. Alone it names the step; beside a name it is a condition on what the name means.

    Raises:
        RunFinished: The run has ended.
        RunNotSuspended: Nothing waits, or not what was named.
        AmbiguousResume: Several wait and the name does not tell them apart.
        AlreadyClaimed: What was named waits, and not at this suspension.
    """
    if run.status.is_final:
        message = f"run {run.run_id} has ended ({run.status}); it cannot be resumed"
        raise RunFinished(message, {"status": run.status.value})
    waiting = suspended_steps(run, prefix)
    if not waiting:
        message = f"run {run.run_id} is {run.status}; no step of it is suspended"
        raise RunNotSuspended(message, {"status": run.status.value, "suspended": []})
    found, is_many = _meant(waiting, step, label, index)
    is_named = not (step is None and label is None and index is None)
    if not is_many and (is_named or suspension is None):
        found = _one(found, waiting, _described(step, label, index), run)
    return found if suspension is None else _at(found, suspension, run)


def _at(nodes: list[NodeState], suspension: str, run: RunState) -> list[NodeState]:
    found = [node for node in nodes if suspension_of(run, node) == suspension]
    if found:
        return found
    paths = [node.path for node in nodes]
    message = (
        f"suspension {suspension!r} of run {run.run_id} does not wait any more: it was answered, or its step has begun "
        f"again; look at the run once more before you answer what waits now ({', '.join(paths)})"
    )
    raise AlreadyClaimed(message, {"suspension": suspension, "suspended": paths, "run_id": run.run_id})


def find_resumed(
    run: RunState, step: str | None, *, label: str | None = None, index: int | None = None, prefix: str = ""
) -> NodeState | None:
    """Return a step that this resume would have been for, if somebody had not resumed it before."""
    resumed = [node for node in run.nodes.values() if node.resumed_at is not None and _is_below(node.path, prefix)]
    return next(iter(_meant(resumed, step, label, index)[0]), None)


def _described(step: str | None, label: str | None, index: int | None) -> str:
    item = "" if index is None else f"[{index}]"
    if label is not None:
        return f"label {label!r}"
    return f"step '{step}{item}'" if step is not None else f"index {index}" if item else "a resume without a step"


def _meant(
    nodes: list[NodeState], step: str | None, label: str | None, index: int | None
) -> tuple[list[NodeState], bool]:
    """Return the steps among `nodes` that a resume may mean, and whether it means all of them."""
    if label is not None:
        return [node for node in nodes if label in {node.label, node.last_label}], False
    if step is None:
        return [node for node in nodes if index is None or node.index == index], False
    return _named(nodes, step, index)


def _named(nodes: list[NodeState], step: str, index: int | None) -> tuple[list[NodeState], bool]:
    """Find by a name: of a step, of what is around it, or of a foreach, which means all of its items."""
    wanted = step if index is None else f"{step}[{index}]"
    exact = [node for node in nodes if node.path == wanted]
    if exact:
        return exact, False
    found = [node for node in nodes if matches(node.path, wanted)]
    if not found and index is not None:
        found = [
            node
            for node in nodes
            if matches(_INDEX.sub("", node.path), step) and f"[{index}]" in _INDEX.findall(node.path)
        ]
    if not found:
        found = [node for node in nodes if any(matches(above, wanted) for above in _above(node.path))]
    if found or index is not None:
        return found, False
    found = [
        node
        for node in nodes
        if any(matches(_LAST_INDEX.sub("", above), wanted) for above in (node.path, *_above(node.path)))
    ]
    return found, len({_INDEX.sub("", node.path) for node in found}) == 1


def _above(path: str) -> list[str]:
    """Return the paths around a path, outermost first.

    >>> _above("a[0]/b/c")
    ['a[0]', 'a[0]/b']
    """
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def matches(path: str, wanted: str) -> bool:
    """Tell whether a path is what somebody called it: the path, a suffix, a dotted id, or with `#n` left out.

    >>> matches("outer/inner/ask", "inner.ask"), matches("review#2", "review"), matches("review", "view")
    (True, True, False)
    """
    for name in {wanted, wanted.replace(".", "/")}:
        if path == name or path.endswith("/" + name):
            return True
        if "#" not in name:
            plain = re.sub(r"#\d+", "", path)
            if plain == name or plain.endswith("/" + name):
                return True
    return False


def _one(found: list[NodeState], waiting: list[NodeState], what: str, run: RunState) -> list[NodeState]:
    candidates = [node.path for node in waiting]
    if len(found) == 1:
        return found
    if not found:
        message = f"{what} is not suspended in run {run.run_id}; suspended: {', '.join(candidates)}"
        raise RunNotSuspended(message, {"suspended": candidates, "status": run.status.value})
    message = f"{what} fits several suspended steps of run {run.run_id}; name one of: {', '.join(candidates)}"
    raise AmbiguousResume(message, {"candidates": candidates})


def find_step(run: RunState, step: str) -> NodeState:
    """Return the visited step that a name means.

    Raises:
        NotFound: No step, or several, have that name; the message lists them.
    """
    shown = [node for path, node in run.nodes.items() if path and not is_internal(path)]
    found = [node for node in shown if node.path == step] or [node for node in shown if matches(node.path, step)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(node.path for node in (found or shown))
    message = f"step {step!r} {'fits several' if found else 'is not one'} of run {run.run_id}: {names}"
    raise NotFound(message, {"candidates": [node.path for node in (found or shown)]})
