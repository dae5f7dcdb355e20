"""Tools: functions that agents call with named arguments.

The id, the description and the JSON Schema of the arguments come from the function. A class with `__call__`, and
`setup` and `teardown` if it needs them, becomes a stateful tool that lives in an actor of its own.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final, Generic, ParamSpec, TypeVar, overload

import msgspec
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo
from typing_extensions import Unpack

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.plan import Schema, StepOptions, empty_object_schema
from greenroom.runtime.definitions.docstring import arguments_of, description_of
from greenroom.runtime.definitions.naming import check_id, find_global, name_of
from greenroom.runtime.definitions.options import Execution, read_options
from greenroom.runtime.definitions.schema import input_schema
from greenroom.runtime.definitions.signature import is_async, is_context, output_type, parameters_of, resolve

P = ParamSpec("P")
R = TypeVar("R")

_FIELD: Final = "argument_{}"  # parameters may have names that a model refuses (`json`, `_x`), so they are aliases


class Tool(Generic[P, R]):
    """A tool. Made by `@tool`; a plain function becomes one where it is used.

    Attributes:
        id: Name under which models call it.
        description: What models read of it.
        function: The user's function; of a stateful tool the class.
        options: How it is run.
        requires_approval: Whether a person must approve each call, or a callable `(arguments, ctx)` that tells.
        is_stateful: Whether it is a class.
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
        requires_approval: bool | Callable[..., Any] = False,
        stateful: bool | None = None,
        validate: bool = True,
        **options: Unpack[Execution],
    ) -> None:
        if not callable(function):
            raise DefinitionError(f"A tool is made of a function or a class, not of {function!r}.")
        self.id = check_id("tool", name_of(function) if id is None else id)
        self.is_stateful = inspect.isclass(function)
        if stateful is not None and stateful != self.is_stateful:
            raise DefinitionError(f"tool {self.id!r}: a stateful tool is a class, and a class is a stateful tool.")
        if self.is_stateful and not any("__call__" in vars(kind) for kind in getattr(function, "__mro__", ())):
            raise DefinitionError(f"tool {self.id!r}: the class has no `__call__`.")
        self.function = function
        self.description = description_of(_docstring(self)) if description is None else description
        self.requires_approval = requires_approval
        self.options = read_options(f"tool {self.id!r}", options, validate=validate, stateful=self.is_stateful)
        self._instance: Any = None
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function as it is: no validation, no runtime. A stateful tool is set up before its first call."""
        if not self.is_stateful:
            return self.function(*args, **kwargs)
        called: Any = self._call_set_up if is_async(self.target) else self._call_set_up_now
        result: R = called(*args, **kwargs)
        return result

    def _call_set_up_now(self, *args: Any, **kwargs: Any) -> Any:
        if self._instance is None:
            make: Any = self.function
            instance = make()
            if hasattr(instance, "setup"):
                instance.setup()
            self._instance = instance
        return self._instance(*args, **kwargs)

    async def _call_set_up(self, *args: Any, **kwargs: Any) -> Any:
        if self._instance is None:
            make: Any = self.function
            instance = make()
            started = instance.setup() if hasattr(instance, "setup") else None
            if inspect.isawaitable(started):
                await started
            self._instance = instance
        return await self._instance(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.id!r}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return find_global(self) or super().__reduce_ex__(protocol)

    def __getstate__(self) -> dict[str, Any]:
        """Leave a live instance behind: it belongs to this process."""
        state = {**self.__dict__, "_instance": None}
        state.pop("arguments", None)
        return state

    @property
    def target(self) -> Callable[..., Any]:
        """What is called with the arguments: the function, or `__call__` of the class."""
        function: Any = self.function
        return function.__call__ if self.is_stateful else function  # type: ignore[no-any-return] # a class or a function

    @functools.cached_property
    def arguments(self) -> type[BaseModel]:
        """A model whose fields are the parameters.

        Raises:
            DefinitionError: A parameter has a type that cannot be read.
        """
        title = f"tool {self.id!r}"
        texts = arguments_of(_docstring(self))
        fields: dict[str, Any] = {}
        for parameter in self._own_parameters():
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise DefinitionError(f"{title}: parameter {parameter.name!r} cannot be passed by name.")
            if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
                continue
            annotation = resolve(parameter.annotation, self.target, title, f"parameter {parameter.name!r}")
            fields[_FIELD.format(len(fields))] = _field(parameter, Any if annotation is None else annotation, texts)
        config = ConfigDict(
            extra="allow" if self.takes_anything else "forbid", arbitrary_types_allowed=True, title=self.id
        )
        return create_model("Arguments", __config__=config, **fields)

    @property
    def takes_anything(self) -> bool:
        """Whether the function has a `**parameter`."""
        return any(item.kind is item.VAR_KEYWORD for item in self._own_parameters())

    @property
    def context_parameter(self) -> str | None:
        """Name of the parameter that gets the context, if there is one."""
        parameters = parameters_of(self.target) or {}
        return next((item.name for item in parameters.values() if is_context(item)), None)

    @property
    def plan_options(self) -> StepOptions:
        """The options as plans have them, with the key of its `reconcile`."""
        return msgspec.structs.replace(
            self.options.data,
            reconcile=f"tool/{self.id}.reconcile" if self.options.reconcile is not None else None,
            takes_context=self.context_parameter is not None,
            is_threaded=not is_async(self.target) and not self.options.data.needs_task,
        )

    @property
    def output(self) -> Any:
        """Type of the result, or None."""
        return output_type(self.target, f"tool {self.id!r}")

    def input_schema(self) -> Schema:
        """Return the JSON Schema of the arguments."""
        schema = input_schema(self.arguments)
        if schema is None:
            return empty_object_schema()
        return {key: value for key, value in schema.items() if key != "title"}

    def _own_parameters(self) -> list[inspect.Parameter]:
        parameters = list((parameters_of(self.target) or {}).values())
        return [item for item in parameters[self.is_stateful :] if not is_context(item)]


def _docstring(tool: Tool[..., Any]) -> str | None:
    own = getattr(tool.function, "__doc__", None)
    return getattr(tool.target, "__doc__", None) or own if tool.is_stateful else own


def _field(parameter: inspect.Parameter, annotation: Any, texts: dict[str, str]) -> tuple[Any, Any]:
    default = ... if parameter.default is parameter.empty else parameter.default
    text = texts.get(parameter.name)
    # The description stands in the annotation, where a description the user gave by `Field` comes later and wins.
    described = Annotated[annotation, Field(description=text)] if text and not _is_described(annotation) else annotation
    title = parameter.name.replace("_", " ").capitalize()
    if isinstance(default, FieldInfo):  # `limit: int = Field(5, ge=1)` keeps all it says
        return Annotated[described, Field(title=title), default], Field(alias=parameter.name)
    return described, Field(default, alias=parameter.name, title=title)


def _is_described(annotation: Any) -> bool:
    return any(isinstance(item, FieldInfo) and item.description for item in getattr(annotation, "__metadata__", ()))


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(
    *,
    id: str | None = None,
    description: str | None = None,
    requires_approval: bool | Callable[..., Any] = False,
    stateful: bool | None = None,
    validate: bool = True,
    **options: Unpack[Execution],
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    id: str | None = None,
    description: str | None = None,
    requires_approval: bool | Callable[..., Any] = False,
    stateful: bool | None = None,
    validate: bool = True,
    **options: Unpack[Execution],
) -> Any:
    """Make a tool of a function or a class.

    >>> @tool
    ... def add(first: int, second: int = 1) -> int:
    ...     '''Add two numbers.'''
    ...     return first + second
    >>> add, add.description, add(2), sorted(add.input_schema()["properties"])
    (<tool 'add'>, 'Add two numbers.', 3, ['first', 'second'])

    Args:
        id: Left out, the function's name.
        description: Left out, the docstring up to its first section.
        requires_approval: True, or `(arguments, ctx) -> bool`, run on a worker; an error in it means "ask".
        stateful: Left out, whether it is a class.
        validate: False turns validation of arguments and result off.
        options: See `Execution`.
    """

    def make(function: Callable[..., Any]) -> Tool[..., Any]:
        return Tool(
            function,
            id=id,
            description=description,
            requires_approval=requires_approval,
            stateful=stateful,
            validate=validate,
            **options,
        )

    return make if function is None else make(function)
