"""Which rows of the parts a query asks for: found in narrow columns; wide values are read page by page later."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, Final

import pyarrow as pa

from greenroom.runtime.contracts.records import RECORD_TYPES, Key, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.field import FieldKind, fields_of, key_names, order_names
from greenroom.storage.parquet.columns import SEQ
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.part import Part
from greenroom.storage.rows import Row

_PART: Final = "$part"
_ROW: Final = "$row"
_COMPARED: Final = frozenset({FieldKind.TEXT, FieldKind.INTEGER, FieldKind.FLAG})
"""Kinds whose columns compare as the fields do. For others the records themselves are looked at later."""


class Selection:
    """Rows of parts in the order of a scan: at least those the query asks for, the newest of each key.

    A row here may still be left out by what cannot be seen in a column, and by newer rows in memory.
    """

    def __init__(self, parts: Sequence[Part], found: pa.Table | None) -> None:
        self._parts = parts
        self._found = found

    def __len__(self) -> int:
        return 0 if self._found is None else int(self._found.num_rows)

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the records from position `start` up to `stop`.

        Raises:
            StorageCorrupt: A file is damaged.
        """
        if self._found is None:
            return []
        page = self._found.slice(start, stop - start)
        sources: list[int] = page.column(_PART).to_pylist()
        rows: list[int] = page.column(_ROW).to_pylist()
        if len(self._parts) == 1:
            return self._parts[0].take(rows)
        records: list[Row | None] = [None] * len(rows)
        for source in set(sources):
            places = [place for place, other in enumerate(sources) if other == source]
            taken = self._parts[source].take([rows[place] for place in places])
            for place, record in zip(places, taken, strict=True):
                records[place] = record
        return [record for record in records if record is not None]


def select(table: Table, parts: Sequence[Part], query: Query) -> Selection:
    """Return the rows of these parts that the query may ask for, in its order.

    Raises:
        StorageCorrupt: A file is damaged.
    """
    names = _narrow_names(table, query)
    pieces = [piece for number, part in enumerate(parts) if (piece := _narrow(part, number, names, query)) is not None]
    if not pieces:
        return Selection(parts, None)
    keys = key_names(table)
    found = newest_rows(pieces, keys)
    if (mask := _mask(table, found, query)) is not None:
        found = found.filter(mask)
    direction = "descending" if query.reverse else "ascending"
    order = dict.fromkeys((*order_names(table), *keys), direction)
    return Selection(parts, found.sort_by(list(order.items())).select([_PART, _ROW]))


def newest_rows(pieces: Sequence[pa.Table], keys: Sequence[str]) -> pa.Table:
    """Return the newest row of each key.

    Args:
        pieces: Rows of parts, oldest part first; each has a key once.
    """
    if len(keys) > 1:
        rows = pa.concat_tables(pieces, promote_options="default")
        if len(pieces) == 1:
            return rows
        newest = rows.group_by(list(keys)).aggregate([(SEQ, "max")]).column(f"{SEQ}_max")
        return rows.filter(pc.is_in(rows.column(SEQ), value_set=newest.combine_chunks()))
    kept = [pieces[-1]]
    for piece in reversed(pieces[:-1]):  # many times faster than grouping by strings
        newer = pa.chunked_array([chunk for other in kept for chunk in other.column(keys[0]).chunks])
        kept.append(piece.filter(pc.invert(pc.is_in(piece.column(keys[0]), value_set=newer.combine_chunks()))))
    return pa.concat_tables(kept, promote_options="default")


def _narrow_names(table: Table, query: Query) -> list[str]:
    kinds = _kinds(table)
    filters = [name for name in query.where if kinds[name] in _COMPARED]
    return list(dict.fromkeys([SEQ, *key_names(table), *order_names(table), *filters, "workspace"]))


def _narrow(part: Part, number: int, names: Sequence[str], query: Query) -> pa.Table | None:
    """Return the narrow columns of those rows whose key begins with the prefix, and where they stand."""
    groups = part.groups_with(query.prefix)
    if not groups:
        return None
    rows = part.read(groups, names)
    numbers = [pa.array(range(part.first_row(group), part.first_row(group + 1)), pa.int64()) for group in groups]
    rows = rows.append_column(_ROW, pa.chunked_array(numbers))
    rows = rows.append_column(_PART, pa.array([number] * rows.num_rows, pa.int32()))
    masks = [pc.equal(rows.column(name), value) for name, value in zip(key_names(part.table), query.prefix)]  # noqa: B905
    return rows.filter(reduce(pc.and_, masks)) if masks else rows


def _mask(table: Table, rows: pa.Table, query: Query) -> Any:
    """Return which rows pass what can be seen in columns, or None when all do."""
    kinds = _kinds(table)
    masks: list[Any] = []
    if query.workspace is not None:
        masks.append(pc.equal(rows.column("workspace"), query.workspace))
    for name, values in query.where.items():
        if name not in rows.column_names or kinds[name] not in _COMPARED:
            continue
        column = rows.column(name)
        try:
            masks.append(pc.is_in(column, value_set=pa.array(list(values), column.type)))
        except (pa.ArrowException, TypeError, OverflowError):
            continue  # values of another type: whether they equal the field's is Python's to say
    if query.after:
        masks.append(_behind(table, rows, query.after, reverse=query.reverse))
    return reduce(pc.and_, masks) if masks else None


def _behind(table: Table, rows: pa.Table, after: Key, *, reverse: bool) -> Any:
    """Return which rows may stand behind the cursor."""
    kinds = _kinds(table)
    beyond = pc.less if reverse else pc.greater
    mask: Any = pa.scalar(not reverse)  # a cursor that ends early stands before every row that begins like it
    for name, value in reversed(list(zip(order_names(table), after))):  # noqa: B905 - a cursor may be short
        column = rows.column(name)
        if kinds[name] is FieldKind.TIME:
            # Whole microseconds around the cursor: a superset, since doubles do not compare as timestamps do.
            margin = int(float(value) * 1_000_000) + (2 if reverse else -2)
            near = pc.less_equal if reverse else pc.greater_equal
            mask = near(column.cast(pa.int64()), margin)
        else:
            mask = pc.or_(beyond(column, value), pc.and_(pc.equal(column, value), mask))
    return mask


def _kinds(table: Table) -> dict[str, FieldKind]:
    return {field.name: field.kind for field in fields_of(RECORD_TYPES[table])}
