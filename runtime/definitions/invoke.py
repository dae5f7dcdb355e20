"""Between JSON and a user's function: arguments in, result out, both checked against the types the user wrote.

Workers call this around every body. Problems are `InvalidInput`s that list every wrong field; none is retried.
"""

# Reads JSON, which may be anything.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from typing import Any

import pydantic

from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.values import Binary, dump, dump_as, load, validation_issues
from greenroom.runtime.json_schema import invalid


def bind(body: Body, value: Json, context: Any = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and the keyword arguments to call the body's function with.

    With `validate=False` a value that does not fit is handed over as it is.

    Args:
        value: JSON that belongs to the caller alone: the function may change it.

    Raises:
        InvalidInput: The value does not fit the function's annotation.
    """
    keywords: dict[str, Any] = {}
    arguments: tuple[Any, ...] = ()
    if body.expands:
        keywords = _keywords(body, value)
    elif body.takes_value:
        arguments = (_loaded(body, body.input_type, value),)
    if body.takes_context:
        if body.context_parameter is None:
            arguments = (*arguments, context)
        else:
            keywords[body.context_parameter] = context
    return arguments, keywords


def dump_result(body: Body, result: Any, binary: Binary | None = None) -> Json:
    """Return what the body returned as JSON, with the defaults of its annotated type.

    Raises:
        InvalidInput: It does not fit the annotation, or has no JSON form.
    """
    if body.output_type is None or not body.validate:
        return dump(result, binary)
    try:
        fitting = load(body.output_type, result)
    except pydantic.ValidationError as error:
        raise _wrong(f"output of {_title(body)}", "Invalid", error, result) from None
    return dump_as(body.output_type, fitting, binary)


def load_run_input(body: Body, value: Json) -> Any:
    """Return the run's input as `ctx.input` shows it: the workflow's model, or JSON where it does not fit any more."""
    return _lenient(body.run_input_type, value)


def load_resume(body: Body, data: Json) -> Any:
    """Return resume data as the body gets it.

    Raises:
        InvalidInput: It does not fit the step's `resume` type.
    """
    return _strict(body.resume_type, data, f"resume data of {_title(body)}")


def dump_suspend(body: Body, payload: Any, binary: Binary | None = None) -> Json:
    """Return a suspend payload as JSON.

    Raises:
        InvalidInput: It does not fit the step's `suspend` type, or has no JSON form.
    """
    if body.suspend_type is None or not body.validate:
        return dump(payload, binary)
    return dump_as(body.suspend_type, _strict(body.suspend_type, payload, f"suspend payload of {_title(body)}"), binary)


def check_resume(body: Body, data: Json) -> Json:
    """Return resume data as JSON with its model's defaults, checked by the model's own validators.

    Raises:
        InvalidInput: It does not fit the step's `resume` type.
    """
    return dump_as(body.resume_type, load_resume(body, data))


def return_value(value: Any) -> Any:
    """Return the value: the function of a `check` body, whose input type does the work.

    >>> return_value(1)
    1
    """
    return value


def _title(body: Body) -> str:
    return body.title or repr(body.key)


def _loaded(body: Body, type_: Any, value: Json) -> Any:
    return _strict(type_, value, _title(body)) if body.validate else _lenient(type_, value)


def _strict(type_: Any, value: Any, what: str) -> Any:
    try:
        return load(type_, value)
    except pydantic.ValidationError as error:
        raise invalid(what, validation_issues(error, value)) from None


def _lenient(type_: Any, value: Json) -> Any:
    try:
        return load(type_, value)
    except pydantic.ValidationError:
        return value


def _wrong(what: str, how: str, error: pydantic.ValidationError, value: Any) -> InvalidInput:
    found = invalid(what, validation_issues(error, value))
    return InvalidInput(found.message.replace("Invalid input for", how, 1), found.facts)


def _keywords(body: Body, value: Json) -> dict[str, Any]:
    given = {} if value is None else value
    if not isinstance(given, dict):
        raise invalid(_title(body), [{"field": "root", "message": "arguments are a JSON object"}])
    if body.input_type is None:
        return dict(given)
    arguments = _loaded(body, body.input_type, given)
    if arguments is given:
        return dict(given)
    # Only what was given: the function has its own defaults, mutable ones and Field() ones apart.
    fields = type(arguments).model_fields
    found = {
        str(field.alias): getattr(arguments, name)
        for name, field in fields.items()
        if name in arguments.model_fields_set or not field.is_required()
    }
    return found | (arguments.model_extra or {})
