"""Making parts: sorted rows of one table as Parquet files with checksummed pages, written as they come."""

import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq

from greenroom.runtime.contracts.records import Key, Table
from greenroom.storage.field import key_names
from greenroom.storage.objects.objects import Objects, Sink
from greenroom.storage.parquet.columns import SEQ, schema_of
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.layout import AGED_BY, rows_per_group, writer_options
from greenroom.storage.parquet.manifest import PartInfo

FOLDER: Final = "data"
LEVELS: Final = ("L0", "L1")

_NAME: Final = re.compile(r"e(\d+)-s\d+-[0-9a-f]{8}\.parquet")


class RunWriter:
    """Writes one sorted run: rows in the order of their keys, each key once, into parts of bounded size.

    The parts count for nothing until a manifest lists them.

    Args:
        epoch: Of the writer.
        clean_seq: Deletions up to this number have been carried out in the rows.
        run: The sorted run that the parts belong to; a new one if None.
    """

    def __init__(
        self,
        objects: Objects,
        table: Table,
        *,
        epoch: int,
        level: int,
        clean_seq: int,
        run: str | None = None,
        part_bytes: int,
    ) -> None:
        self.parts: list[PartInfo] = []
        self._objects = objects
        self._table = table
        self._prefix = f"{FOLDER}/{table}/{LEVELS[level]}/e{epoch}"
        self._run = run or uuid.uuid4().hex[:12]
        self._clean_seq = clean_seq
        self._part_bytes = part_bytes
        self._pending: list[pa.Table] = []
        self._part: _PartWriter | None = None

    def write(self, rows: pa.Table) -> None:
        """Add rows that follow the last.

        Raises:
            OSError: The system's reason; `abort` what was begun.
        """
        if rows.num_rows:
            self._pending.append(rows)
        for group in self._groups(is_last=False):
            self._write_group(group)

    def finish(self) -> None:
        """Make the last part durable; `parts` describes them all."""
        for group in self._groups(is_last=True):
            self._write_group(group)
        self._finish_part()

    def abort(self) -> None:
        """Let go of the part that was begun; nothing is left of it."""
        part, self._part = self._part, None
        if part is not None:
            part.abort()

    def _groups(self, *, is_last: bool) -> Iterator[pa.Table]:
        """Cut what has come into row groups; a rest stays until more comes."""
        count = sum(rows.num_rows for rows in self._pending)
        if not count:
            return
        size = rows_per_group(self._table, self._pending[-1])
        if count < size and not is_last:
            return
        rows = pa.concat_tables(self._pending)
        whole = count if is_last else count - count % size
        self._pending = [rows.slice(whole)] if whole < count else []
        for start in range(0, whole, size):
            yield rows.slice(start, min(size, whole - start))

    def _write_group(self, rows: pa.Table) -> None:
        if self._part is None:
            highest = pc.max(rows.column(SEQ)).as_py()
            path = f"{self._prefix}-s{highest:010d}-{uuid.uuid4().hex[:8]}.parquet"
            self._part = _PartWriter(self._objects, self._table, path)
        self._part.write(rows)
        if self._part.size >= self._part_bytes:
            self._finish_part()

    def _finish_part(self) -> None:
        if self._part is not None:
            self.parts.append(self._part.finish(run=self._run, clean_seq=self._clean_seq))
            self._part = None


class _PartWriter:
    """One part being written."""

    def __init__(self, objects: Objects, table: Table, path: str) -> None:
        self._table = table
        self._path = path
        self._keys = key_names(table)
        self._rows = 0
        self._seqs: list[int] = []
        self._times: list[float] = []
        self._min_key: Key = ()
        self._max_key: Key = ()
        with ExitStack() as stack:
            self._sink = _CheckedSink(stack.enter_context(objects.writing(path)))
            self._writer = pq.ParquetWriter(
                pa.PythonFile(self._sink, mode="w"), schema_of(table), **writer_options(table)
            )
            self._writer.add_key_value_metadata({"greenroom.table": str(table), "greenroom.format": "1"})
            self._stack = stack.pop_all()

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._sink.size

    def write(self, rows: pa.Table) -> None:
        """Add one row group."""
        self._writer.write_table(rows, row_group_size=rows.num_rows)
        if not self._rows:
            self._min_key = _key(rows, self._keys, 0)
        self._max_key = _key(rows, self._keys, rows.num_rows - 1)
        self._rows += rows.num_rows
        seqs = pc.min_max(rows.column(SEQ)).as_py()
        self._seqs += [seqs["min"], seqs["max"]]
        if self._table in AGED_BY:
            times = pc.min_max(rows.column(AGED_BY[self._table]).cast(pa.int64())).as_py()
            self._times += [times["min"] / 1e6, times["max"] / 1e6]

    def finish(self, *, run: str, clean_seq: int) -> PartInfo:
        """Make it durable and describe it."""
        try:
            # Every page is written when its row group is; what comes now is index, filters and footer.
            self._sink.begin_tail()
            self._writer.close()
        except BaseException:
            self.abort()
            raise
        self._stack.close()
        return PartInfo(
            path=self._path,
            run=run,
            rows=self._rows,
            bytes=self._sink.size,
            crc32c=self._sink.crc,
            tail_bytes=self._sink.tail_bytes,
            tail_crc32c=self._sink.tail_crc,
            min_key=self._min_key,
            max_key=self._max_key,
            min_seq=min(self._seqs),
            max_seq=max(self._seqs),
            clean_seq=clean_seq,
            oldest_at=min(self._times, default=0.0),
            newest_at=max(self._times, default=0.0),
        )

    def abort(self) -> None:
        """Leave no file behind."""
        self._stack.__exit__(_Aborted, _Aborted(), None)  # the block around the file must see an error


class _Aborted(Exception):
    """A part that shall not be."""


class _CheckedSink:
    """Passes bytes on and keeps their checksums."""

    closed = False

    def __init__(self, sink: Sink) -> None:
        self.size = self.crc = self.tail_bytes = self.tail_crc = 0
        self._sink = sink
        self._is_tail = False

    def begin_tail(self) -> None:
        """Count what comes from now on apart too."""
        self._is_tail = True

    def write(self, data: Any) -> int:
        """Pass bytes on."""
        piece = bytes(data)
        self._sink.write(piece)
        self.size += len(piece)
        self.crc = google_crc32c.extend(self.crc, piece)
        if self._is_tail:
            self.tail_bytes += len(piece)
            self.tail_crc = google_crc32c.extend(self.tail_crc, piece)
        return len(piece)

    def tell(self) -> int:
        """Return the number of bytes so far."""
        return self.size

    def flush(self) -> None:
        """Do nothing: the block around the file makes it durable."""

    def close(self) -> None:
        """Do nothing: the same."""


def epoch_of(name: str) -> int | None:
    """Return the epoch of the writer that made the part of this file name, or None for a file that is no part."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def _key(rows: pa.Table, names: tuple[str, ...], index: int) -> Key:
    return tuple(rows.column(name)[index].as_py() for name in names)
