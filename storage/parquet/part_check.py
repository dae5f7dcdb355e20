"""Whether a part is what was written: every byte by the file's checksum, every page by its own, rows by their keys."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq

from greenroom.runtime.contracts.records import Key, Table
from greenroom.runtime.contracts.storage import Damage
from greenroom.storage.field import key_names
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet.columns import SEQ
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.manifest import PartInfo

# What a damaged file makes of a reader: Arrow's own, and what its bindings raise on lengths and names without sense.
_UNREADABLE: Final = (OSError, pa.ArrowException, ValueError, KeyError, OverflowError, MemoryError)


def check_part(objects: Objects, table: Table, info: PartInfo, on_read: Callable[[int], None]) -> list[Damage]:
    """Return what is wrong with a listed part; nothing when every byte is what was written.

    Args:
        on_read: Told how many bytes were read, bit by bit.

    Raises:
        OSError: The system's reason why the file cannot be read, `FileNotFoundError` among them.
    """
    return list(_PartCheck(objects, table, info).run(on_read))


class _PartCheck:
    def __init__(self, objects: Objects, table: Table, info: PartInfo) -> None:
        self._objects = objects
        self._table = table
        self._info = info
        self._path = objects.address(info.path)
        self._tail = info.bytes - info.tail_bytes

    def run(self, on_read: Callable[[int], None]) -> Iterator[Damage]:
        info = self._info
        size = crc = 0
        for chunk in self._objects.chunks(info.path):
            size += len(chunk)
            crc = google_crc32c.extend(crc, chunk)
            on_read(len(chunk))
        if size != info.bytes:
            yield self._damage(min(size, info.bytes), f"it has {size} of {info.bytes} bytes")
            return
        if crc != info.crc32c and self._tail_checksum() != info.tail_crc32c:
            yield self._damage(self._tail, "the checksum of its footer is wrong")
            return
        found = False
        for damage in self._contents():
            found = True
            yield damage
        if crc != info.crc32c and not found:  # in a header or a filter, which no page checksum covers
            yield self._damage(0, f"the checksum of the file is {crc} and should be {info.crc32c}")

    def _tail_checksum(self) -> int:
        with self._objects.open(self._info.path) as source:
            source.seek(self._tail)
            checksum: int = google_crc32c.value(source.read(self._info.tail_bytes))
            return checksum

    def _contents(self) -> Iterator[Damage]:
        """Decode every page and look at every key."""
        with self._objects.open(self._info.path) as source:
            try:
                file = pq.ParquetFile(source, page_checksum_verification=True)
            except _UNREADABLE as error:
                yield self._damage(self._tail, f"its footer cannot be read ({_reason(error)})")
                return
            order = _Order(self._table)
            is_whole = True
            for group in range(file.metadata.num_row_groups):
                try:
                    found = order.follow(file.read_row_group(group, use_threads=False))
                except _UNREADABLE as error:
                    is_whole = False
                    yield from self._damaged_columns(file, group, error)
                    continue
                if found:
                    yield self._damage(_offset(file, group, 0), f"row group {group}: {found}")
            if is_whole:
                yield from (self._damage(self._tail, found) for found in order.differences(self._info))

    def _damaged_columns(self, file: pq.ParquetFile, group: int, failure: Exception) -> Iterator[Damage]:
        """Say which columns of the row group cannot be read: that is where the bytes are."""
        found = False
        for index, name in enumerate(file.schema_arrow.names):
            try:
                file.read_row_group(group, columns=[name], use_threads=False)
            except _UNREADABLE as error:
                found = True
                yield self._damage(_offset(file, group, index), f"row group {group}, column {name}: {_reason(error)}")
        if not found:
            yield self._damage(_offset(file, group, 0), f"row group {group}: {_reason(failure)}")

    def _damage(self, offset: int, found: str) -> Damage:
        return Damage(file=self._path, offset=offset, found=found)


class _Order:
    """Follows the rows of one part: their keys, their numbers, how many there are."""

    def __init__(self, table: Table) -> None:
        self._names = key_names(table)
        self._rows = 0
        self._first: Key = ()
        self._last: Key | None = None
        self._seqs: list[int] = []

    def follow(self, rows: pa.Table) -> str | None:
        """Take the next row group; return what is wrong with its order."""
        if not rows.num_rows:
            return None
        first, last = self._key(rows, 0), self._key(rows, rows.num_rows - 1)
        wrong = self._unsorted(rows)
        if wrong is None and self._last is not None and first <= self._last:
            wrong = f"key {first} stands behind key {self._last}"
        if self._last is None:
            self._first = first
        self._last = last
        self._rows += rows.num_rows
        seqs = pc.min_max(rows.column(SEQ)).as_py()
        self._seqs += [seqs["min"], seqs["max"]]
        return wrong

    def differences(self, info: PartInfo) -> Iterator[str]:
        """Say in what the rows differ from what the manifest says of them."""
        is_empty = not self._seqs
        seen: dict[str, tuple[Any, Any]] = {
            "rows": (self._rows, info.rows),
            "first key": (self._first, info.min_key),
            "last key": (self._last, info.max_key),
            "smallest number": (None if is_empty else min(self._seqs), info.min_seq),
            "largest number": (None if is_empty else max(self._seqs), info.max_seq),
        }
        for name, (found, listed) in seen.items():
            if found != listed:
                yield f"its {name}: {found} in the file, {listed} in the manifest"

    def _unsorted(self, rows: pa.Table) -> str | None:
        """Return which key does not follow the one before it, or None."""
        less = equal = None
        for name in self._names:
            column = rows.column(name).combine_chunks()
            before, behind = column.slice(0, rows.num_rows - 1), column.slice(1)
            is_less, is_equal = pc.less(before, behind), pc.equal(before, behind)
            less = is_less if less is None else pc.or_(less, pc.and_(equal, is_less))
            equal = is_equal if equal is None else pc.and_(equal, is_equal)
        place = pc.index(less, False).as_py()
        if place < 0:
            return None
        return f"key {self._key(rows, place + 1)} stands behind key {self._key(rows, place)}"

    def _key(self, rows: pa.Table, index: int) -> Key:
        return tuple(rows.column(name)[index].as_py() for name in self._names)


def _offset(file: pq.ParquetFile, group: int, column: int) -> int:
    chunk = file.metadata.row_group(group).column(column)
    return int(chunk.dictionary_page_offset or chunk.data_page_offset)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or repr(error)
