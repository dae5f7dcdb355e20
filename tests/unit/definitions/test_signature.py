"""What is read off a function: value, context, types."""

import functools
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import pytest

from greenroom import DefinitionError, StepContext, ToolContext
from greenroom.runtime.definitions.signature import Signature, read_signature

if TYPE_CHECKING:
    from decimal import Decimal


def read(function: Any) -> Signature:
    return read_signature(function, "step 'x'")


def takes_nothing() -> None: ...
def takes_value(value: int) -> str: ...  # type: ignore[empty-body]
def takes_both(value: int, context: Any) -> str: ...  # type: ignore[empty-body]
def takes_context(ctx: Any) -> None: ...
def takes_annotated_context(it: StepContext) -> None: ...
def takes_context_first(it: ToolContext, value: int) -> None: ...
def takes_context_by_keyword(value: int, *, ctx: StepContext) -> None: ...
def takes_named_default(value: int, ctx: StepContext | None = None) -> None: ...
def takes_positional(value: int, ctx: Any, /) -> None: ...
def takes_own_default(value: int, factor: int = 2) -> None: ...
def takes_rest(*values: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "value", "context", "parameter"),
    [
        (takes_nothing, False, False, None),
        (takes_value, True, False, None),
        (takes_both, True, True, "context"),
        (takes_context, False, True, "ctx"),
        (takes_annotated_context, False, True, "it"),
        (takes_context_first, True, True, "it"),
        (takes_context_by_keyword, True, True, "ctx"),
        (takes_named_default, True, True, "ctx"),
        (takes_positional, True, True, None),
        (takes_own_default, True, False, None),
        (takes_rest, True, False, None),
        (lambda value, factor=2: (value, factor), True, False, None),
        (str.upper, True, False, None),
        (print, True, False, None),
        (functools.partial(takes_both, context=1), True, False, None),
    ],
)
def test_value_and_context_are_told_apart(function: Any, *, value: bool, context: bool, parameter: str | None) -> None:
    """By annotation, by the name `ctx`, or by position; defaults are the user's own."""
    found = read(function)
    assert (found.takes_value, found.takes_context, found.context_parameter) == (value, context, parameter)


def test_a_callable_object_is_read_by_its_call() -> None:
    """An object with `__call__` is a body too."""

    class Double:
        async def __call__(self, value: int, ctx: StepContext) -> int:
            return value * ctx.attempt

    found = read(Double())
    assert (found.input_type, found.output_type, found.is_async, found.takes_context) == (int, int, True, True)


def test_a_bound_method_is_read_without_self() -> None:
    """A method of an object is a body too."""

    class Shop:
        def sell(self, item: str) -> int:
            return len(item)

    found = read(Shop().sell)
    assert (found.input_type, found.output_type, found.takes_context) == (str, int, False)


def test_a_partial_keeps_the_types_of_its_function() -> None:
    """A partial with keywords is a body too."""

    async def scale(value: int, factor: int) -> float:
        return float(value * factor)

    found = read(functools.partial(scale, factor=3))
    assert (found.input_type, found.output_type, found.is_async) == (int, float, True)


def test_any_and_nothing_mean_json() -> None:
    """No annotation, `Any` and `object` hand JSON over."""
    assert read(lambda value: value).input_type is None

    def anything(value: Any) -> object:
        return value

    assert (read(anything).input_type, read(anything).output_type) == (None, None)


def test_an_annotated_awaitable_is_unwrapped() -> None:
    """A plain function that hands back an awaitable is typed by what it gives."""

    def later(value: int) -> Awaitable[str]:
        raise NotImplementedError

    assert read(later).output_type is str


def test_a_missing_annotation_is_named_with_the_remedy() -> None:
    """A type that is imported for type checkers only cannot be read at run time."""

    def pay(amount: "Decimal") -> None: ...

    with pytest.raises(
        DefinitionError, match=r"step 'x': the annotation 'Decimal' of parameter 'amount'.*TYPE_CHECKING"
    ):
        read(pay)


def test_an_annotation_as_text_finds_types_of_the_enclosing_function() -> None:
    """Local classes may be named in text if the body uses them."""

    class Local:
        pass

    def make(value: "Local") -> "Local":
        del value
        return Local()

    assert (read(make).input_type, read(make).output_type) == (Local, Local)


def test_a_context_annotation_as_text_needs_no_import() -> None:
    """`ctx: "StepContext"` may be imported under TYPE_CHECKING."""

    def body(value: int, it: "StepContext") -> None: ...

    assert read(body).context_parameter == "it"


@pytest.mark.parametrize("function", [lambda a, b, c: (a, b, c), lambda a, *, b: (a, b)])
def test_more_parameters_than_a_body_has_are_refused(function: Any) -> None:
    """The error shows the parameters there are and those there may be."""
    with pytest.raises(DefinitionError, match=r"\(a, b.*may take \(value\) or \(value, ctx\)"):
        read(function)


def test_instructions_take_the_context_alone() -> None:
    """A single parameter of instructions is the context, whatever its name."""
    found = read_signature(lambda it: f"Help {it}.", "instructions", context_only=True)
    assert (found.takes_value, found.takes_context) == (False, True)
