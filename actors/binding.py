"""How a value becomes arguments and a result becomes JSON, until `definitions.invoke` is there."""

import functools
from typing import Any

import pydantic

from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.context import Channel, StepContext, ToolContext


@functools.cache
def _adapter(type_: Any) -> Any:
    return pydantic.TypeAdapter(type_)


def _load(type_: Any, value: Any) -> Any:
    try:
        return _adapter(type_).validate_python(value)
    except pydantic.ValidationError as error:
        issues = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidInput("The value does not fit its schema.", {"issues": issues}) from None


def bind(body: Body, value: Any, context: StepContext | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments to call the body's function with."""
    if body.expands:
        types = body.input_type or {}
        given = {
            name: _load(types[name], item) if body.validate and name in types else item
            for name, item in dict(value or {}).items()
        }
        return (), given | ({body.context_parameter: context} if body.context_parameter else {})
    if body.input_type is not None and body.validate:
        value = _load(body.input_type, value)
    return ((value, context) if body.takes_context else (value,)), {}


def dump_result(body: Body, value: Any) -> Json:
    """Return what the body returned as JSON."""
    if body.output_type is not None and body.validate:
        value = _load(body.output_type, value)
    return _dump(value)


def make_context(body: Body, scope: Scope, item: WorkItem, channel: Channel) -> StepContext:
    """Return the context of one attempt."""
    kind = ToolContext if item.kind in ("tool", "approval") or body.expands else StepContext
    return kind(scope=scope, item=item, channel=channel, dump=_dump)


def _dump(value: Any) -> Json:
    return _adapter(Any).dump_python(value, mode="json")
