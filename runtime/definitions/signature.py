"""What a function takes and gives, read from its parameters and annotations.

A body takes `()`, `(value)` or `(value, ctx)`. The context is found by its annotation (`StepContext`, `ToolContext`),
by the name `ctx`, or as the second parameter. A parameter with a default and another name is the user's own
(`lambda value, n=n: …`) and is left alone.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args, get_origin, get_type_hints

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.definitions.context import StepContext

CONTEXT_NAME: Final = "ctx"
_CONTEXT_WORDS: Final = ("StepContext", "ToolContext")
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How to call a function, and its types; None where nothing is known."""

    takes_value: bool
    takes_context: bool
    context_parameter: str | None
    is_async: bool
    input_type: Any
    output_type: Any


def read_signature(function: Callable[..., Any], title: str, *, context_only: bool = False) -> Signature:
    """Return how a body is called.

    Args:
        title: How messages call it.
        context_only: A single parameter is the context (instructions of an agent).

    Raises:
        DefinitionError: It has parameters a body cannot have, or an annotation that cannot be resolved.
    """
    parameters = parameters_of(function)
    if parameters is None:  # a builtin without a signature takes the value
        return Signature(
            takes_value=True,
            takes_context=False,
            context_parameter=None,
            is_async=False,
            input_type=None,
            output_type=None,
        )
    value, context = _pick(list(parameters.values()), title, context_only=context_only)
    by_name = context is not None and context.kind is not inspect.Parameter.POSITIONAL_ONLY
    return Signature(
        takes_value=value is not None,
        takes_context=context is not None,
        context_parameter=context.name if context is not None and by_name else None,
        is_async=is_async(function),
        input_type=None if value is None else resolve(value.annotation, function, title, f"parameter {value.name!r}"),
        output_type=output_type(function, title),
    )


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    """Return the parameters by name, or None for a builtin that does not tell."""
    try:
        return inspect.signature(function).parameters
    except ValueError:
        return None


def _pick(
    parameters: list[inspect.Parameter], title: str, *, context_only: bool
) -> tuple[inspect.Parameter | None, inspect.Parameter | None]:
    named = [item for item in parameters if item.kind not in {item.VAR_POSITIONAL, item.VAR_KEYWORD}]
    rest = any(item.kind is item.VAR_POSITIONAL for item in parameters)
    context = next((item for item in named if is_context(item)), None)
    others = [item for item in named if item is not context]
    needed = [item for item in others if item.default is item.empty]
    if context is None and len(needed) == 2 - context_only and needed[-1].kind in _POSITIONAL:
        context = needed.pop()
        others.remove(context)
    if len(needed) > 1 or any(item.kind is item.KEYWORD_ONLY for item in needed):
        shown = ", ".join(item.name for item in named)
        raise DefinitionError(
            f"{title} takes ({shown}); it may take (value) or (value, ctx). Give other parameters a default.",
            {"parameters": [item.name for item in named]},
        )
    value = needed[0] if needed else next((item for item in others if item.kind in _POSITIONAL), None)
    if value is None and rest and context is None:
        value = next(item for item in parameters if item.kind is item.VAR_POSITIONAL).replace(
            annotation=inspect.Parameter.empty
        )
    return value, context


def is_context(parameter: inspect.Parameter) -> bool:
    """Tell whether a parameter is for the context, by its annotation or the name `ctx`."""
    annotation = parameter.annotation
    if isinstance(annotation, str):
        return annotation.strip("\"' ").rpartition(".")[2] in _CONTEXT_WORDS or parameter.name == CONTEXT_NAME
    if isinstance(annotation, type) and issubclass(annotation, StepContext):
        return True
    return parameter.name == CONTEXT_NAME


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling it gives an awaitable."""
    inner = inspect.unwrap(function)
    if inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None)):  # noqa: B004 - the method itself is looked at
        return True
    wrapped = getattr(inner, "func", None)  # functools.partial
    return inspect.iscoroutinefunction(wrapped)


def output_type(function: Callable[..., Any], title: str) -> Any:
    """Return the annotated type of the result, awaited, or None.

    >>> async def count(text: str) -> int: ...
    >>> output_type(count, "step 'count'")
    <class 'int'>
    """
    annotations: dict[str, Any] = getattr(_annotated(function), "__annotations__", {})
    if "return" not in annotations:
        return None
    found = resolve(annotations["return"], function, title, "the result")
    if get_origin(found) in {Awaitable, Coroutine}:
        found = get_args(found)[-1]
    return found


def resolve(annotation: Any, function: Callable[..., Any], title: str, place: str) -> Any:
    """Return the type an annotation means; None if there is none or it says `Any` or `object`.

    Raises:
        DefinitionError: It is a name that does not exist when the program runs.
    """
    if annotation is inspect.Parameter.empty:
        return None
    if annotation is None:
        return type(None)
    names = {**getattr(_annotated(function), "__globals__", {}), **_enclosed(function)}
    holder = type("Annotations", (), {"__annotations__": {"it": annotation}})
    try:
        found = get_type_hints(holder, globalns=names, localns=names, include_extras=True)["it"]
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise DefinitionError(
            f"{title}: the annotation {annotation!r} of {place} cannot be resolved: {error}. "
            "Annotations are read when the program runs, so import the type outside `if TYPE_CHECKING:`.",
            {"annotation": str(annotation)},
        ) from None
    if found in (Any, object) or type(found).__name__ == "TypeVar":
        return None
    return found


def _annotated(function: Any) -> Any:
    """Return the function that carries the annotations: of a partial, a callable object or a wrapper."""
    inner = inspect.unwrap(function)
    inner = getattr(inner, "func", inner)
    if inspect.isclass(inner) or inspect.isroutine(inner):
        return getattr(inner, "__func__", inner)
    return getattr(inner.__class__, "__call__", None)  # noqa: B004 - the method itself is wanted


def _enclosed(function: Any) -> dict[str, Any]:
    inner = _annotated(function)
    cells = getattr(inner, "__closure__", None) or ()
    names = getattr(getattr(inner, "__code__", None), "co_freevars", ())
    found: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found
