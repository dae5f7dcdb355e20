"""Python values to JSON and back.

JSON here is strict: text keys, finite numbers, integers of at most 64 bits. What has no JSON form is refused with
the path to it and its type, never dropped or guessed. Bytes, tables and images are left to a hook.
"""

# Walks values whose types only their owners know.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import dataclasses
import enum
import math
import os
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeAlias

import msgspec
import pydantic
from pydantic_core import PydanticSerializationError, to_jsonable_python

from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.definitions.schema import read_type

MAX_DEPTH: Final = 200
"""Deepest nesting of a value."""

_LEAST_INTEGER: Final = -(2**63)
_LARGEST_INTEGER: Final = 2**64 - 1

Binary: TypeAlias = Callable[[Any], Json]
"""Gives the JSON form (a reference) of bytes, a table or an image; raises TypeError for anything else."""


def dump(value: Any, binary: Binary | None = None) -> Json:
    """Return the JSON form of a value: models, dataclasses, times, decimals, enums, sets … included.

    The result shares nothing that can be changed with `value`. Sets are sorted.

    >>> dump({"at": (1, 2), "tags": {"b", "a"}})
    {'at': [1, 2], 'tags': ['a', 'b']}

    Args:
        value: Anything.
        binary: What makes references of bytes, tables and images.

    Raises:
        InvalidInput: A part has no JSON form; the message names its path and type.
    """
    return _Dump(binary).value(value, "", 0)


class _Dump:
    def __init__(self, binary: Binary | None) -> None:
        self._binary = binary

    def value(self, value: Any, path: str, depth: int) -> Json:
        if depth > MAX_DEPTH:
            raise _refused(path[:80], f"is nested deeper than {MAX_DEPTH} levels, or holds itself")
        match value:
            case None | bool():
                return value
            case enum.Enum():
                return self.value(value.value, path, depth + 1)
            case int():
                return _integer(int(value), path)
            case float():
                return _number(float(value), path)
            case str():
                return str(value)
            case os.PathLike():
                return self.value(os.fspath(value), path, depth + 1)
            case bytes() | bytearray() | memoryview():
                return self._bytes(value, path)
            case dict() | Mapping():
                return {_key(key, path): self.value(item, _at(path, key), depth + 1) for key, item in value.items()}
            case tuple() | list():
                return [self.value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
            case AbstractSet():
                return sorted((self.value(item, f"{path}{{}}", depth + 1) for item in value), key=msgspec.json.encode)
            case _:
                return self._object(value, path, depth)

    def _object(self, value: Any, path: str, depth: int) -> Json:
        serializer = getattr(value, "__pydantic_serializer__", None)
        if isinstance(value, type):
            pass
        elif serializer is not None:
            holds_bytes = read_type(type(value)).holds_bytes
            mode = "python" if holds_bytes else "json"
            found = serializer.to_python(value, mode=mode, by_alias=True, warnings=False, fallback=_keep)
            return self.value(found, path, depth + 1)
        elif dataclasses.is_dataclass(value):
            fields = dataclasses.fields(value)
            return {
                field.name: self.value(getattr(value, field.name), _at(path, field.name), depth + 1) for field in fields
            }
        elif isinstance(value, msgspec.Struct):
            return self.value(msgspec.to_builtins(value), path, depth + 1)
        elif _is_numpy_scalar(value):
            return self.value(value.item(), path, depth + 1)
        return self._other(value, path, depth)

    def _other(self, value: Any, path: str, depth: int) -> Json:
        if self._binary is not None:
            try:
                return self._binary(value)
            except TypeError:
                pass
        try:
            found = to_jsonable_python(value, by_alias=True)
        except (PydanticSerializationError, ValueError, TypeError, RecursionError):
            raise _refused(path, f"is a {_type_name(value)}, which has no JSON form; {_ADVICE}") from None
        return self.value(found, path, depth + 1)

    def _bytes(self, value: Any, path: str) -> Json:
        if self._binary is None:
            raise _refused(path, f"is {type(value).__name__}, which has no JSON form; {_ADVICE}")
        return self._binary(value)


_ADVICE: Final = "return a model, a dataclass, or plain lists, dicts, text and numbers"


def _keep(value: Any) -> Any:
    return value


def _integer(value: int, path: str) -> int:
    if not _LEAST_INTEGER <= value <= _LARGEST_INTEGER:
        raise _refused(path, "is an integer beyond 64 bits; use text")
    return value


def _number(value: float, path: str) -> float:
    if not math.isfinite(value):
        raise _refused(path, f"is {value}, which JSON does not have; use None")
    return value


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return str(key.value) if isinstance(key, enum.Enum) else str(key)
    try:
        if not isinstance(key, tuple | frozenset | bytes):
            return str(next(iter(to_jsonable_python({key: None}))))
    except (PydanticSerializationError, ValueError, TypeError):
        pass
    raise _refused(path, f"has a key that is a {_type_name(key)}; keys are text")


def _at(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _type_name(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"class {name}" if isinstance(value, type) else name


def _is_numpy_scalar(value: Any) -> bool:
    """Tell NumPy's numbers by their shape, without importing NumPy."""
    return hasattr(value, "dtype") and getattr(value, "shape", None) == () and hasattr(value, "item")


def _refused(path: str, problem: str) -> InvalidInput:
    field = path or "root"
    where = path or "the value"
    return InvalidInput(f"Not JSON: {where} {problem}.", {"issues": [{"field": field, "message": problem}]})


def load(type_: Any, value: Json) -> Any:
    """Return a value of the type, with defaults applied; None as the type gives the JSON itself.

    Raises:
        pydantic.ValidationError: It does not fit; `validation_issues` lists why.
    """
    if type_ is None:
        return value
    reader = read_type(type_)
    try:
        return reader.adapter.validate_python(value, by_alias=True, by_name=True)
    except pydantic.ValidationError as error:
        if reader.is_opaque or reader.holds_bytes:
            raise
        # Strict models take text for a time, and lists for tuples, only when they are told that it comes from JSON.
        try:
            return reader.adapter.validate_json(msgspec.json.encode(value), by_alias=True, by_name=True)
        except (pydantic.ValidationError, TypeError, ValueError):
            raise error from None


def dump_as(type_: Any, value: Any, binary: Binary | None = None) -> Json:
    """Return the JSON form of a value that `load` has made of the type; the type's own serializers are used.

    Raises:
        InvalidInput: A part has no JSON form.
    """
    reader = None if type_ is None else read_type(type_)
    if reader is None or reader.is_opaque or reader.holds_bytes:
        return dump(value, binary)
    return dump(reader.adapter.dump_python(value, mode="json", by_alias=True, warnings=False), binary)


_MESSAGE_PREFIX: Final = re.compile(r"^(Value error|Assertion failed), ")


def validation_issues(error: pydantic.ValidationError, value: Any = ...) -> list[dict[str, str]]:
    """Return every wrong field with what is wrong about it, as `{"field": "a.b[0]", "message": …}`.

    Args:
        error: What pydantic raised.
        value: What was validated. With it the names pydantic gives to the arms of a union are told from fields.
    """
    return [
        {"field": _field(item["loc"], item["type"] == "missing", value), "message": _message(item)}
        for item in error.errors(include_url=False, include_context=False)
    ]


def _message(item: Mapping[str, Any]) -> str:
    if item["type"] == "missing":
        return "field required"
    text = _MESSAGE_PREFIX.sub("", str(item["msg"]))
    return text[:1].lower() + text[1:] if text[1:2].islower() and text.startswith("Input ") else text


def _field(location: tuple[int | str, ...], is_missing: bool, value: Any) -> str:  # noqa: FBT001 - private
    shown = ""
    at = value
    for position, part in enumerate(location):
        is_last = position == len(location) - 1
        if isinstance(part, int):
            shown += f"[{part}]"
            at = at[part] if isinstance(at, list | tuple) and part < len(at) else ...
        elif isinstance(at, dict):
            if part in at:
                at = at[part]
            elif not (is_last and is_missing):
                continue  # an arm of a union
            shown = _at(shown, part)
        elif at is ... and not re.search(r"[\[\](]", part):
            shown = _at(shown, part)
    return shown or "root"
