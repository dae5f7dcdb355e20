"""Types as pydantic sees them: adapters, JSON Schemas, and whether a type checks more than its schema says.

Pure but for a bounded cache of adapters. Schemas are deterministic: equal definitions give equal schemas in every
process.
"""

# Walks core schemas and JSON Schemas, which are dicts of anything.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.plan import Schema

MAX_ADAPTERS: Final = 4096
"""Most adapters that are kept; the cache starts anew above it."""

_STANDARD: Final = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
)
"""Classes that pydantic calls as validators of themselves."""
_VALIDATOR_NODES: Final = frozenset({"function-before", "function-after", "function-wrap", "function-plain"})


@dataclass(frozen=True, slots=True)
class TypeReader:
    """A type with what is known of it.

    Attributes:
        type: The type itself.
        adapter: Validates into it and dumps from it.
        is_opaque: Nothing is known but its class (an Arrow table, say), so it has no schema.
        holds_bytes: Values may hold bytes, or objects that are only known by their class, which have no JSON form.
        validators: Functions of the user that take part in validation, so that a schema cannot stand for it.
    """

    type: Any
    adapter: TypeAdapter[Any]
    is_opaque: bool
    holds_bytes: bool
    validators: tuple[Callable[..., Any], ...]


# By identity, not equality: `int | str == str | int`, but their schemas differ.
_readers: dict[int, TypeReader] = {}


def read_type(type_: Any) -> TypeReader:
    """Return what is known of a type.

    Raises:
        DefinitionError: Pydantic cannot read the type.
    """
    found = _readers.get(id(type_))
    if found is None:
        found = _make_reader(type_)
        if len(_readers) >= MAX_ADAPTERS:
            _readers.clear()
        _readers[id(type_)] = found
    return found


def _make_reader(type_: Any) -> TypeReader:
    adapter, is_opaque = _make_adapter(type_)
    nodes = list(_schema_nodes(adapter.core_schema))
    return TypeReader(
        type=type_,
        adapter=adapter,
        is_opaque=is_opaque,
        holds_bytes=any(_may_hold_bytes(node) for node in nodes),
        validators=tuple(found for node in nodes if (found := _find_validator(node)) is not None),
    )


def _make_adapter(type_: Any) -> tuple[TypeAdapter[Any], bool]:
    try:
        adapter = TypeAdapter(type_)
        if not adapter.pydantic_complete:  # it names types that were not there when it was made
            adapter.rebuild(raise_errors=True)
    except PydanticSchemaGenerationError as error:
        return _make_opaque(type_, error), True
    except (PydanticUserError, NameError) as error:
        raise DefinitionError(_unreadable(type_, error), {"type": repr(type_)}) from None
    else:
        return adapter, False


def _make_opaque(type_: Any, error: Exception) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(type_, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:
        raise DefinitionError(_unreadable(type_, error), {"type": repr(type_)}) from None


def _unreadable(type_: Any, error: Exception) -> str:
    name = getattr(type_, "__name__", repr(type_))
    return f"The type {name} cannot be read: {str(error).splitlines()[0]}"


def _schema_nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every typed node of a core schema."""
    pending = [schema]
    while pending:
        at = pending.pop()
        if isinstance(at, dict):
            if isinstance(at.get("type"), str):
                yield at
            pending.extend(value for key, value in at.items() if key not in {"metadata", "serialization", "ref"})
        elif isinstance(at, list | tuple):
            pending.extend(at)


def _may_hold_bytes(node: dict[str, Any]) -> bool:
    """Tell whether pydantic would make text of bytes here, or whether it does not know what comes."""
    match node["type"]:
        case "bytes" | "is-instance" | "any":
            return True
        case "list" | "set" | "frozenset":
            return "items_schema" not in node
        case "dict":
            return "values_schema" not in node
        case _:
            return False


def _find_validator(node: dict[str, Any]) -> Any:
    """Return the user's function of a node; those pydantic puts around types of the standard library do not count."""
    if node["type"] not in _VALIDATOR_NODES:
        return None
    function = node.get("function", {})
    called = function.get("function") if isinstance(function, dict) else None
    if called in _STANDARD:
        return None
    module = getattr(getattr(called, "func", called), "__module__", None)
    return None if (module or "").startswith(("pydantic.", "pydantic_core.")) else called


def has_validators(type_: Any) -> bool:
    """Tell whether a type has validators of its own, which only a process with the user's code can run.

    >>> has_validators(list[int])
    False
    """
    return bool(validators_of(type_))


def validators_of(type_: Any) -> tuple[Callable[..., Any], ...]:
    """Return the user's functions that take part in validating a type, in the order of the schema."""
    return () if type_of(type_) is None else read_type(type_).validators


def input_schema(type_: Any) -> Schema | None:
    """Return the schema of what may be given for a type, or None if anything may. A schema stands for itself.

    >>> input_schema(list[int])
    {'items': {'type': 'integer'}, 'type': 'array'}
    """
    return _schema_of(type_, "validation")


def output_schema(type_: Any) -> Schema | None:
    """Return the schema of what a value of a type looks like as JSON, or None if nothing is known."""
    return _schema_of(type_, "serialization")


def _schema_of(type_: Any, mode: Literal["validation", "serialization"]) -> Schema | None:
    if type_ is None or isinstance(type_, dict):
        return type_
    reader = read_type(type_)
    if reader.is_opaque:
        return None
    try:
        schema = reader.adapter.json_schema(mode=mode)
    except PydanticInvalidForJsonSchema:
        return None
    settled: Schema = _settled(schema)
    return settled


def _settled(schema: Any) -> Any:
    """Return the schema with defaults that are sets in a fixed order: hash seeds must not show in a bundle's id."""
    if isinstance(schema, list):
        return [_settled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    settled = {key: _settled(value) for key, value in schema.items()}
    if settled.get("uniqueItems") is True and isinstance(settled.get("default"), list):
        settled["default"] = sorted(settled["default"], key=msgspec.json.encode)
    return settled


def type_of(declared: Any) -> Any:
    """Return the Python type a definition declared, or None where it gave a JSON Schema, or nothing."""
    return None if isinstance(declared, dict) else declared
