"""What a query asks for, in terms of columns: which row groups may hold it, and which of their rows do."""

from functools import reduce
from typing import Any, Final

import pyarrow as pa

from greenroom.runtime.contracts.records import RECORD_TYPES, Key, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.field import FieldKind, fields_of, key_names, order_names
from greenroom.storage.parquet.columns import SEQ
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.part import Part

_COMPARED: Final = frozenset({FieldKind.TEXT, FieldKind.INTEGER, FieldKind.FLAG})
"""Kinds whose columns compare as the fields do. For others the records themselves are looked at later."""

_MICROS: Final = 1_000_000


class Filters:
    """A query on one table.

    All it says is a superset of what the query asks for: what cannot be seen in a column, records must show.
    """

    def __init__(self, table: Table, query: Query) -> None:
        self._query = query
        self._kinds = {field.name: field.kind for field in fields_of(RECORD_TYPES[table])}
        self._keys = key_names(table)
        self._orders = order_names(table)
        self._where = {name: values for name, values in query.where.items() if self._kinds[name] in _COMPARED}

    def columns(self) -> list[str]:
        """Return the columns that are looked at."""
        narrow = [SEQ, *self._keys, *self._orders, *self._where, *self._query.between, "workspace"]
        return list(dict.fromkeys(narrow))

    def groups(self, part: Part) -> list[int]:
        """Return the row groups of a part that may hold what is asked for."""
        found = part.groups_with(self._query.prefix)
        for name, values in self._where.items():
            if all(isinstance(value, str | bool | int) for value in values):
                found = [group for group in found if _may_hold(part, group, name, values)]
        for name, (low, high) in self._query.between.items():
            zones = part.zones(name)
            found = [group for group in found if _overlaps(zones[group], _scaled(self._kinds[name], low, high))]
        after = self._query.after
        if after and not self._query.prefix:
            zones = part.zones(self._orders[0])
            bound = self._bound(after[0])
            found = [group for group in found if _is_behind(zones[group], bound, is_reverse=self._query.reverse)]
        return found

    def is_within(self, part: Part, group: int) -> bool:
        """Return whether any row of the group lies between the bounds: one column, read before all the others."""
        query = self._query
        if not query.between:
            return True
        rows = part.read([group], list(query.between))
        names = [name for name in query.between if name in rows.column_names]
        masks = [mask for name in names for mask in self._bounds(rows.column(name), name)]
        return bool(pc.any(reduce(pc.and_, masks)).as_py()) if masks else True

    def mask(self, rows: pa.Table) -> Any:
        """Return which rows pass, or None when all do."""
        query = self._query
        masks: list[Any] = [
            pc.equal(rows.column(name), value)
            for name, value in zip(self._keys, query.prefix)  # noqa: B905 - a prefix is short
        ]
        if query.workspace is not None:
            masks.append(pc.equal(rows.column("workspace"), query.workspace))
        masks += [
            mask for name, values in self._where.items() if (mask := _is_in(rows.column(name), values)) is not None
        ]
        for name in query.between:
            masks += self._bounds(rows.column(name), name)
        if query.after:
            masks.append(self._behind(rows, query.after))
        return reduce(pc.and_, masks) if masks else None

    def _bounds(self, column: Any, name: str) -> list[Any]:
        return _between(column, *_scaled(self._kinds[name], *self._query.between[name]))

    def _bound(self, value: Any) -> Any:
        if self._kinds[self._orders[0]] is FieldKind.TIME:  # doubles do not compare as timestamps do: a little more
            return int(float(value) * _MICROS) + (2 if self._query.reverse else -2)
        return value

    def _behind(self, rows: pa.Table, after: Key) -> Any:
        """Return which rows may stand behind the cursor."""
        reverse = self._query.reverse
        beyond = pc.less if reverse else pc.greater
        mask: Any = pa.scalar(not reverse)  # a cursor that ends early stands before every row that begins like it
        for name, value in reversed(list(zip(self._orders, after))):  # noqa: B905 - a cursor may be short
            column = rows.column(name)
            if self._kinds[name] is FieldKind.TIME:
                near = pc.less_equal if reverse else pc.greater_equal
                mask = near(column.cast(pa.int64()), int(float(value) * _MICROS) + (2 if reverse else -2))
            else:
                mask = pc.or_(beyond(column, value), pc.and_(pc.equal(column, value), mask))
        return mask


def _may_hold(part: Part, group: int, name: str, values: tuple[Any, ...]) -> bool:
    zone = part.zones(name)[group]
    try:
        near = tuple(value for value in values if zone is None or zone[0] <= value <= zone[1])
    except TypeError:
        return True  # values of another type
    return bool(near) and part.may_hold_value(group, name, near)


def _is_in(column: Any, values: tuple[Any, ...]) -> Any:
    try:
        return pc.is_in(column, value_set=pa.array(list(values), column.type))
    except (pa.ArrowException, TypeError, OverflowError):
        return None  # values of another type: whether they equal the field's is Python's to say


def _scaled(kind: FieldKind, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    if kind is not FieldKind.TIME:
        return low, high
    return (
        None if low is None else int(low * _MICROS) - 2,
        None if high is None else int(high * _MICROS) + 2,
    )


def _between(column: Any, low: float | None, high: float | None) -> list[Any]:
    numbers = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
    masks = [pc.is_valid(column)]
    if low is not None:
        masks.append(pc.fill_null(pc.greater(numbers, low), False))
    if high is not None:
        masks.append(pc.fill_null(pc.less_equal(numbers, high), False))
    return masks


def _overlaps(zone: tuple[Any, Any] | None, bounds: tuple[float | None, float | None]) -> bool:
    if zone is None:  # no value at all, or none were kept: only a file of ours without them has the former
        return False
    low, high = bounds
    return (low is None or zone[1] > low) and (high is None or zone[0] <= high)


def _is_behind(zone: tuple[Any, Any] | None, bound: Any, *, is_reverse: bool) -> bool:
    if zone is None:
        return True
    return bool(zone[0] <= bound) if is_reverse else bool(zone[1] >= bound)
