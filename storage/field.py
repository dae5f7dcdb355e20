"""What the fields of a record hold, seen by a store: the one place that reads the records' types."""

import types
from collections.abc import Callable
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, Final, NamedTuple, get_args, get_origin, get_type_hints

from greenroom.runtime.contracts.records import RECORD_TYPES, Key, Record, Table


class FieldKind(Enum):
    """How a field is kept in a column."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    TIME = "time"
    FLAG = "flag"
    BYTES = "bytes"
    JSON = "json"


class Field(NamedTuple):
    """One field of a record.

    Attributes:
        is_tuple: It is JSON in its column and a tuple in the record.
    """

    name: str
    kind: FieldKind
    is_tuple: bool


_PLAIN: dict[Any, FieldKind] = {
    str: FieldKind.TEXT,
    int: FieldKind.INTEGER,
    float: FieldKind.NUMBER,
    bool: FieldKind.FLAG,
    bytes: FieldKind.BYTES,
}


@cache
def fields_of(kind: type[Record]) -> tuple[Field, ...]:
    """Return the fields of this type of record, in the order of its definition."""
    hints = get_type_hints(kind)
    return tuple(_field(name, hints[name]) for name in kind.__struct_fields__)


def _field(name: str, hint: Any) -> Field:
    arms = [arm for arm in get_args(hint) if arm is not types.NoneType] if isinstance(hint, types.UnionType) else [hint]
    kind = _PLAIN.get(arms[0], FieldKind.JSON) if len(arms) == 1 else FieldKind.JSON
    if kind is FieldKind.NUMBER and (name == "at" or name.endswith("_at")):
        kind = FieldKind.TIME
    return Field(name=name, kind=kind, is_tuple=get_origin(arms[0]) is tuple)


def key_names(table: Table) -> tuple[str, ...]:
    """Return the fields that make a row's key."""
    return _KEYS[table]


def key_of(table: Table) -> Callable[[Record], Key]:
    """Return what gives the key of a record of this table: faster than its `row_key`, where that can be."""
    names = _KEYS[table]
    return attrgetter(*names) if len(names) > 1 else attrgetter("row_key")


def order_names(table: Table) -> tuple[str, ...]:
    """Return the fields a scan is ordered by."""
    return _ORDERS[table]


def _names_behind(table: Table, attribute: str) -> tuple[str, ...]:
    """Ask a record whose every field holds its own name which fields `attribute` is made of."""
    kind: Any = RECORD_TYPES[table]
    probe = kind(**{name: name for name in kind.__struct_fields__})
    names: tuple[str, ...] = getattr(probe, attribute)
    return names


_KEYS: Final = {table: _names_behind(table, "row_key") for table in Table}
_ORDERS: Final = {table: _names_behind(table, "order") for table in Table}
