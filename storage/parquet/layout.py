"""How each table lies in its files: sizes of row groups, encodings, statistics and filters. No read depends on it."""

from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from greenroom.runtime.contracts.records import Table
from greenroom.storage.field import key_names
from greenroom.storage.parquet.columns import schema_of

_ROW_GROUP_ROWS: Final = {Table.RUNS: 2048, Table.KEYS: 2048, Table.JOURNAL: 512}
_DEFAULT_ROW_GROUP_ROWS: Final = 1024
_MAX_ROW_GROUP_BYTES: Final = 4 * 1024 * 1024  # decoded: what one lookup of a large row may cost
# Columns of few different values; a dictionary of the others would only be built and thrown away.
_DICTIONARY: Final = frozenset(
    {"workspace", "kind", "target", "bundle", "status", "role", "model", "resource_id", "error_type", "path", "scope"}
)
_NO_STATISTICS: Final = frozenset({"body", "plan", "content", "metadata", "error"})

# Bloom filters (Parquet's own) of each row group, and how many different values they are sized for: lookups of what is
# not there, and lists by a value that few rows have, then read almost nothing.
_FILTERS: Final[dict[Table, dict[str, int]]] = {
    Table.RUNS: {"run_id": 2048, "status": 16, "target": 64, "resource_id": 512, "parent_id": 256},
    Table.JOURNAL: {"run_id": 128},
    Table.KEYS: {"key": 2048},
    Table.THREADS: {"thread_id": 1024, "resource_id": 512},
    Table.MESSAGES: {"thread_id": 128},
    Table.LEDGER: {"entry_id": 1024, "run_id": 256},
    Table.SPANS: {"run_id": 128, "status": 16},
    Table.BLOBS: {"sha256": 1024},
    Table.TRIGGERS: {"schedule_id": 128},
}
_FILTER_FPP: Final = 0.01

AGED_BY: Final[dict[Table, str]] = {
    Table.MESSAGES: "at",
    Table.LEDGER: "at",
    Table.SPANS: "ended_at",
    Table.TRIGGERS: "at",
}
"""Which field a row's age is counted from. Runs age as a whole: the runtime deletes them."""


def writer_options(table: Table) -> dict[str, Any]:
    """Return the options of the Parquet writer."""
    names = schema_of(table).names
    filters = {name: {"ndv": count, "fpp": _FILTER_FPP} for name, count in _FILTERS.get(table, {}).items()}
    return {
        "compression": "zstd",
        "use_dictionary": [name for name in names if name in _DICTIONARY],
        "write_statistics": [name for name in names if name not in _NO_STATISTICS],
        "write_page_checksum": True,
        "write_page_index": True,
        "sorting_columns": [pq.SortingColumn(names.index(name)) for name in key_names(table)],
        "bloom_filter_options": filters or None,
    }


def rows_per_group(table: Table, rows: pa.Table) -> int:
    """Return how many rows like these go into one row group."""
    row_bytes = max(1, int(rows.nbytes) // max(1, int(rows.num_rows)))
    return max(1, min(_ROW_GROUP_ROWS.get(table, _DEFAULT_ROW_GROUP_ROWS), _MAX_ROW_GROUP_BYTES // row_bytes))
