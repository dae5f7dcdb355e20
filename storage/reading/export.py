"""A table as one plain Parquet file: every page on the way is checked, and memory does not grow with the table."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from greenroom.runtime.contracts.records import Table
from greenroom.storage.objects import durable
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.parquet.cache import Cache
from greenroom.storage.parquet.columns import schema_of
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.erasure import hidden
from greenroom.storage.parquet.merge import merged
from greenroom.storage.parquet.part import Part
from greenroom.storage.reading.moment import Moment

Progress = Callable[[int, int], None]
"""Told how many rows of how many are done; some of those are superseded or deleted."""

_ROW_GROUP_ROWS = 64 * 1024
_ROW_GROUP_BYTES = 64 * 1024 * 1024


class Exported(NamedTuple):
    """What was written."""

    path: Path
    rows: int
    bytes: int


def export(moment: Moment, table: Table, path: Path, progress: Progress | None = None) -> Exported:
    """Write the newest row of each key, sorted by key, without what was deleted; whole or not at all.

    Raises:
        StorageCorrupt: A part is damaged, or missing.
        OSError: The system's reason; there is no file then.
    """
    with ExitStack() as stack:
        runs = [tuple(Part(moment.objects, table, info, Cache(0)) for info in run) for run in moment.runs(table)]
        for part in (part for run in runs for part in run):
            stack.callback(part.close)
        sink = stack.enter_context(durable.replacing(OsFiles(), path))
        file = stack.enter_context(os.fdopen(os.dup(sink), "wb"))
        writer = _Writer(stack.enter_context(pq.ParquetWriter(file, schema_of(table), compression="zstd")))
        total, done = sum(info.rows for info in moment.manifest.parts(table)), 0
        for rows in merged(table, runs):
            gone = hidden(table, rows, moment.deletions)
            writer.write(rows if gone is None else rows.filter(pc.invert(gone)))
            done += rows.num_rows
            if progress is not None:
                progress(done, total)
        writer.finish()
    return Exported(path, writer.rows, path.stat().st_size)


class _Writer:
    """Gathers rows into row groups of a size that suits readers of whole files."""

    def __init__(self, file: pq.ParquetWriter) -> None:
        self.rows = 0
        self._file = file
        self._held: list[pa.Table] = []
        self._held_rows = self._held_bytes = 0

    def write(self, rows: pa.Table) -> None:
        """Add rows."""
        self._held.append(rows)
        self._held_rows += rows.num_rows
        self._held_bytes += rows.nbytes
        if self._held_rows >= _ROW_GROUP_ROWS or self._held_bytes >= _ROW_GROUP_BYTES:
            self.finish()

    def finish(self) -> None:
        """Write what is held."""
        if self._held_rows:
            self._file.write_table(pa.concat_tables(self._held), row_group_size=self._held_rows)
        self.rows += self._held_rows
        self._held, self._held_rows, self._held_bytes = [], 0, 0
