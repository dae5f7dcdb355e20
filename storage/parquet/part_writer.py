"""Making a part: sorted rows of one table as a Parquet file with checksummed pages."""

import re
from collections.abc import Sequence
from typing import Any, Final

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq

from greenroom.runtime.contracts.records import Key, Table
from greenroom.storage.field import key_names
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet.columns import SEQ, schema_of
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.manifest import PartInfo

FOLDER: Final = "data"
LEVELS: Final = ("L0", "L1")

_NAME: Final = re.compile(r"e(\d+)-s\d+-[0-9a-f]{8}\.parquet")

_ROW_GROUP_ROWS: Final = {Table.RUNS: 2048, Table.KEYS: 2048, Table.JOURNAL: 512}
_DEFAULT_ROW_GROUP_ROWS: Final = 1024
_MAX_ROW_GROUP_BYTES: Final = 4 * 1024 * 1024  # decoded: what one lookup of a large row may cost
# Columns of few different values; a dictionary of the others would only be built and thrown away.
_DICTIONARY: Final = frozenset(
    {"workspace", "kind", "target", "bundle", "status", "role", "model", "resource_id", "error_type", "path"}
)
_NO_STATISTICS: Final = frozenset({"body", "plan", "content", "metadata", "error"})


def write_part(objects: Objects, table: Table, rows: pa.Table, *, epoch: int, level: int, clean_seq: int) -> PartInfo:
    """Write the rows, one of each key, sorted by key, as a part that survives a loss of power, and describe it.

    The part counts for nothing until a manifest lists it.
    """
    keys = key_names(table)
    rows = rows.sort_by([(name, "ascending") for name in keys])
    data = _encode(table, rows)
    crc: int = google_crc32c.value(data)
    seqs = pc.min_max(rows.column(SEQ)).as_py()
    path = f"{FOLDER}/{table}/{LEVELS[level]}/e{epoch}-s{seqs['max']:010d}-{crc:08x}.parquet"
    objects.put(path, data)
    tail = _tail_bytes(data)
    return PartInfo(
        path=path,
        run=path,
        clean_seq=clean_seq,
        rows=rows.num_rows,
        bytes=len(data),
        crc32c=crc,
        tail_bytes=tail,
        tail_crc32c=google_crc32c.value(data[len(data) - tail :]),
        min_key=_key(rows, keys, 0),
        max_key=_key(rows, keys, rows.num_rows - 1),
        min_seq=seqs["min"],
        max_seq=seqs["max"],
    )


def epoch_of(name: str) -> int | None:
    """Return the epoch of the writer that made the part of this file name, or None for a file that is no part."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def _end_of_groups(metadata: pq.FileMetaData) -> int:
    """Return the offset behind the last row group."""
    end = 0
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            start = column.dictionary_page_offset or column.data_page_offset
            end = max(end, start + column.total_compressed_size)
    return end


def _encode(table: Table, rows: pa.Table) -> bytes:
    schema = schema_of(table)
    names = schema.names
    sink = pa.BufferOutputStream()
    options: dict[str, Any] = {
        "compression": "zstd",
        "use_dictionary": [name for name in names if name in _DICTIONARY],
        "write_statistics": [name for name in names if name not in _NO_STATISTICS],
        "write_page_checksum": True,
        "write_page_index": True,
        "sorting_columns": [pq.SortingColumn(names.index(name)) for name in key_names(table)],
    }
    with pq.ParquetWriter(sink, schema, **options) as writer:
        writer.add_key_value_metadata({"greenroom.table": str(table), "greenroom.schema_version": "1"})
        writer.write_table(rows, row_group_size=_rows_per_group(table, rows))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _rows_per_group(table: Table, rows: pa.Table) -> int:
    row_bytes = max(1, int(rows.nbytes) // int(rows.num_rows))
    return max(1, min(_ROW_GROUP_ROWS.get(table, _DEFAULT_ROW_GROUP_ROWS), _MAX_ROW_GROUP_BYTES // row_bytes))


def _tail_bytes(data: bytes) -> int:
    return len(data) - _end_of_groups(pq.read_metadata(pa.BufferReader(data)))


def _key(rows: pa.Table, names: Sequence[str], index: int) -> Key:
    return tuple(rows.column(name)[index].as_py() for name in names)
