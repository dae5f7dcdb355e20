"""Records as Arrow columns and back: one typed column per field, and `seq`, the store-wide number of the record."""

import time
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, Final

import msgspec
import pyarrow as pa

from greenroom.runtime.contracts.records import RECORD_TYPES, Table
from greenroom.storage.field import Field, FieldKind, fields_of
from greenroom.storage.parquet.compute import pc
from greenroom.storage.rows import Row

SEQ: Final = "seq"
_SLICE_ROWS: Final = 512
_STINT_S: Final = 0.0005
_PAUSE_S: Final = 0.00005
_MICROS: Final = 1_000_000

# Large offsets, so that no merge of big values overflows; in the file they are the same as the small ones.
_TYPES: Final[dict[FieldKind, pa.DataType]] = {
    FieldKind.TEXT: pa.large_string(),
    FieldKind.INTEGER: pa.int64(),
    FieldKind.NUMBER: pa.float64(),
    FieldKind.TIME: pa.timestamp("us", tz="UTC"),
    FieldKind.FLAG: pa.bool_(),
    FieldKind.BYTES: pa.large_binary(),
    FieldKind.JSON: pa.large_string(),
}


@cache
def schema_of(table: Table) -> pa.Schema:
    """Return the columns of this table's parts."""
    columns = [(field.name, _TYPES[field.kind]) for field in fields_of(RECORD_TYPES[table])]
    return pa.schema([(SEQ, pa.int64()), *columns])


def to_arrow(table: Table, rows: Sequence[Row]) -> pa.Table:
    """Return the rows as columns.

    Works in slices and lets other threads run in between, so that a flush does not hold up the event loop.
    """
    return pa.Table.from_batches(list(_batches(table, rows)), schema_of(table))


def to_rows(table: Table, columns: pa.Table) -> list[Row]:
    """Return the records of these rows, equal to those that were appended, and their numbers."""
    # Array by array: for a single row the calls on chunked columns cost seven times as much.
    return [row for batch in columns.to_batches() for row in _from_batch(table, batch)]


def _from_batch(table: Table, batch: pa.RecordBatch) -> Iterator[Row]:
    kind: Any = RECORD_TYPES[table]
    arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
    known = [field for field in fields_of(kind) if field.name in arrays]
    names = [field.name for field in known]
    values = (_from_array(field, arrays[field.name]) for field in known)
    seqs: list[int] = arrays[SEQ].to_pylist()
    rows = zip(seqs, zip(*values, strict=True), strict=True)
    return (Row(kind(**dict(zip(names, row, strict=True))), seq) for seq, row in rows)


def conform(table: Table, columns: pa.Table, names: Sequence[str] | None = None) -> pa.Table:
    """Return the rows of an older part with the columns of today, new fields at their defaults.

    Args:
        names: Only these columns.
    """
    schema = schema_of(table)
    wanted = schema.names if names is None else list(names)
    if columns.column_names == wanted:
        return columns
    fields = {field.name: field for field in fields_of(RECORD_TYPES[table])}
    defaults = {field.name: _default(field) for field in msgspec.structs.fields(RECORD_TYPES[table])}
    arrays: list[Any] = []
    for name in wanted:
        if name in columns.column_names:
            arrays.append(columns.column(name))
        else:
            arrays.append(_to_column(fields[name], [defaults[name]] * columns.num_rows))
    return pa.table(arrays, schema=pa.schema([schema.field(name) for name in wanted]))


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default is msgspec.NODEFAULT else field.default


def _batches(table: Table, rows: Sequence[Row]) -> Iterator[pa.RecordBatch]:
    schema = schema_of(table)
    fields = fields_of(RECORD_TYPES[table])
    rest = iter(rows)
    stint = _Stint()
    while piece := list(islice(rest, _SLICE_ROWS)):
        values = zip(*(msgspec.structs.astuple(row.record) for row in piece), strict=True)
        arrays = [pa.array([row.seq for row in piece], pa.int64())]
        for field, column in zip(fields, values, strict=True):
            arrays.append(_to_column(field, column))
            stint.pause()
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


class _Stint:
    """Work that holds the interpreter, broken off before the event loop has waited for it long."""

    def __init__(self) -> None:
        self._until = time.perf_counter() + _STINT_S

    def pause(self) -> None:
        """Let others have the interpreter when it was held for long enough."""
        if time.perf_counter() > self._until:
            # Not sleep(0): who lets go for no time has it again before anybody else is awake.
            time.sleep(_PAUSE_S)
            self._until = time.perf_counter() + _STINT_S


def _to_column(field: Field, values: Sequence[Any]) -> pa.Array:
    if field.kind is FieldKind.TIME:
        return _to_timestamps(pa.array(values, pa.float64()))
    if field.kind is FieldKind.JSON:
        values = [None if value is None else msgspec.json.encode(value).decode() for value in values]
    return pa.array(values, _TYPES[field.kind])


def _from_array(field: Field, column: pa.Array) -> list[Any]:
    if field.kind is FieldKind.TIME:  # int by int divides to the nearest double, which is the one that was stored
        micros: list[int | None] = column.view(pa.int64()).to_pylist()
        return [None if value is None else value / _MICROS for value in micros]
    values: list[Any] = column.to_pylist()
    if field.kind is FieldKind.JSON:
        decoded: list[Any] = [None if value is None else msgspec.json.decode(value) for value in values]
        return [tuple(value) for value in decoded] if field.is_tuple else decoded
    return values


def _to_timestamps(seconds: pa.Array) -> pa.Array:
    # Whole seconds apart from the fraction: their product with 1e6 would not be exact in a double.
    whole = pc.floor(seconds)
    micros = pc.round(pc.multiply(pc.subtract(seconds, whole), 1e6))
    total = pc.add(pc.multiply(pc.cast(whole, pa.int64()), _MICROS), pc.cast(micros, pa.int64()))
    return total.cast(_TYPES[FieldKind.TIME])
