"""Sources of a declarative map: where each key of `.map({...})` comes from."""

from typing import Any

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.plan import Source
from greenroom.runtime.definitions.naming import name_of
from greenroom.runtime.definitions.values import dump


def from_step(step: Any, path: str = ".") -> Source:
    """Take the output of an earlier step, or the part of it a dotted path leads to.

    >>> from_step("outline", "sections.0").steps
    ('outline',)

    Args:
        step: A step, function, tool, agent, workflow or id; of a list the first that ran.
        path: `.` is the whole output.
    """
    given: list[Any] = [*step] if isinstance(step, list | tuple) else [step]
    steps = tuple(_id_of(item) for item in given)
    if not steps:
        raise DefinitionError("from_step needs at least one step.")
    return Source(kind="step", steps=steps, path=_path(path))


def from_input(path: str = ".") -> Source:
    """Take the input of the workflow, or a part of it."""
    return Source(kind="input", path=_path(path))


def from_state(path: str = ".") -> Source:
    """Take the state of the workflow, or a part of it."""
    return Source(kind="state", path=_path(path))


def from_context(path: str = ".") -> Source:
    """Take the request context the caller gave, or a part of it."""
    return Source(kind="context", path=_path(path))


def constant(value: Any) -> Source:
    """Take this value."""
    return Source(kind="constant", value=dump(value))


def _id_of(step: Any) -> str:
    if isinstance(step, str):
        return step
    id = getattr(step, "id", None)
    if isinstance(id, str):
        return id
    if callable(step):
        return name_of(step)
    raise DefinitionError(f"from_step takes a step, a function, an agent, a workflow or an id, not {step!r}.")


def _path(path: Any) -> str:
    if not isinstance(path, str) or not path or (path != "." and "" in path.split(".")):
        raise DefinitionError(f"{path!r} is not a path: write names joined by dots, or '.' for the whole value.")
    return str(path)
