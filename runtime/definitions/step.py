"""Steps: a user's function with what the runtime must know to run it.

A `Step` is called like the function it was made of, so a step is tested as a function is.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, overload

from typing_extensions import Unpack

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.definitions.naming import check_id, find_global, name_of
from greenroom.runtime.definitions.options import Execution, read_options

P = ParamSpec("P")
R = TypeVar("R")


class Step(Generic[P, R]):
    """A step. Made by `@step`; a plain function becomes one where it is used.

    Attributes:
        id: Its segment in paths.
        description: Shown to people.
        function: The user's function.
        options: How it is run.
        resume: Type of the data a suspended step is resumed with, or None for any JSON.
        suspend: Type of what it shows while it is suspended, or None for any JSON.
    """

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, R]

    def __init__(
        self,
        function: Callable[P, R],
        *,
        id: str | None = None,
        description: str | None = None,
        resume: Any = None,
        suspend: Any = None,
        validate: bool = True,
        **options: Unpack[Execution],
    ) -> None:
        if not callable(function):
            raise DefinitionError(f"A step is made of a function, not of {function!r}.")
        self.id = check_id("step", name_of(function) if id is None else id)
        self.description = (
            inspect.cleandoc(getattr(function, "__doc__", None) or "") if description is None else description
        )
        self.function = function
        self.resume = resume
        self.suspend = suspend
        self.options = read_options(f"step {self.id!r}", options, validate=validate)
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function as it is: no validation, no runtime."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<step {self.id!r}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return find_global(self) or super().__reduce_ex__(protocol)


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...


@overload
def step(
    *,
    id: str | None = None,
    description: str | None = None,
    resume: Any = None,
    suspend: Any = None,
    validate: bool = True,
    **options: Unpack[Execution],
) -> Callable[[Callable[P, R]], Step[P, R]]: ...


def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    id: str | None = None,
    description: str | None = None,
    resume: Any = None,
    suspend: Any = None,
    validate: bool = True,
    **options: Unpack[Execution],
) -> Any:
    """Make a step of a function that takes `()`, `(value)` or `(value, ctx)`.

    A parameter annotated with a type gets a value of it; others get JSON. The annotated result is validated too.

    >>> @step
    ... def double(value: int) -> int:
    ...     return 2 * value
    >>> double, double(4)
    (<step 'double'>, 8)

    Args:
        id: Left out, the function's name.
        description: Left out, the function's docstring.
        resume: Type of the data `ctx.suspend` returns after a resume.
        suspend: Type of the payload given to `ctx.suspend`.
        validate: False turns validation of input and output off.
        options: See `Execution`.
    """

    def make(function: Callable[..., Any]) -> Step[..., Any]:
        return Step(
            function,
            id=id,
            description=description,
            resume=resume,
            suspend=suspend,
            validate=validate,
            **options,
        )

    return make if function is None else make(function)
