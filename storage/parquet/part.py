"""Reading a part. Every byte that becomes a record is checked: pages by their checksums, the footer by the manifest."""

import errno
import threading
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import Key, Table
from greenroom.storage.field import key_names
from greenroom.storage.objects.failure import corrupt, storage_error
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet.cache import Cache
from greenroom.storage.parquet.columns import to_rows
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.manifest import PartInfo
from greenroom.storage.rows import Row

# Reasons of the system's that say nothing about the bytes on the disk.
_NOT_DAMAGE: Final = frozenset({errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES})


class _Opened(NamedTuple):
    """What is known once the footer was read.

    Attributes:
        starts: Number of the first row of each row group, and of the row behind the last.
        fences: Smallest and largest value of each key field in each row group, or None where they were not kept.
    """

    file: pq.ParquetFile
    starts: list[int]
    fences: list[list[tuple[str | int, str | int] | None]]


class Part:
    """One Parquet file of one table. It opens the file when it is first read and holds it open until `close`.

    Used by several threads. A pinned part is in use by a scan and is not removed from the disk.
    """

    def __init__(self, objects: Objects, table: Table, info: PartInfo, cache: Cache) -> None:
        self.info = info
        self.table = table
        self.pins = 0
        self._objects = objects
        self._path = objects.address(info.path)
        self._keys = key_names(table)
        self._cache = cache
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    def may_hold(self, prefix: Key) -> bool:
        """Return whether a key with this prefix lies between the first and the last key of the part."""
        length = len(prefix)
        return self.info.min_key[:length] <= prefix <= self.info.max_key[:length]

    def groups_with(self, prefix: Key) -> list[int]:
        """Return the row groups in which keys with this prefix may be."""
        opened = self._open()
        found: list[int] = []
        for group, fences in enumerate(opened.fences):
            ends = zip(prefix, fences, strict=False)
            if all(fence is None or fence[0] <= value <= fence[1] for value, fence in ends):  # type: ignore[operator]
                found.append(group)
        return found

    def first_row(self, group: int) -> int:
        """Return the number of the first row of this row group."""
        return self._open().starts[group]

    def find(self, key: Key) -> Row | None:
        """Return the record with this key and its number, or None.

        Raises:
            StorageCorrupt: The file is damaged.
        """
        for group in self.groups_with(key):
            rows = self._group(group)
            mask = None
            for name, value in zip(self._keys, key, strict=True):
                equal = pc.equal(rows.column(name), value)
                mask = equal if mask is None else pc.and_(mask, equal)
            index = pc.index(mask, True).as_py()
            if index >= 0:
                return to_rows(self.table, rows.slice(index, 1))[0]
        return None

    def take(self, rows: Sequence[int]) -> list[Row]:
        """Return the records of these row numbers, in the order of the numbers given.

        Raises:
            StorageCorrupt: The file is damaged.
        """
        starts = self._open().starts
        places: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            places.setdefault(bisect_right(starts, row) - 1, []).append(place)
        found: list[tuple[int, Row]] = []
        for group, members in places.items():
            picked = self._group(group).take([rows[place] - starts[group] for place in members])
            found.extend(zip(members, to_rows(self.table, picked), strict=True))
        found.sort(key=lambda item: item[0])
        return [row for _, row in found]

    def read(self, groups: Sequence[int] | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Return these row groups, all if None, one behind the other.

        Raises:
            StorageCorrupt: The file is damaged.
        """
        opened = self._open()
        wanted = list(range(len(opened.starts) - 1) if groups is None else groups)
        names = None if columns is None else list(columns)
        try:
            with self._lock:
                rows: pa.Table = opened.file.read_row_groups(wanted, columns=names, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise self._failure(error, self._offset(wanted)) from error
        if rows.num_rows != sum(opened.starts[group + 1] - opened.starts[group] for group in wanted):
            raise corrupt(self._path, self._offset(wanted), "rows are missing")
        return rows

    def close(self) -> None:
        """Let go of the file; it is opened again when need be."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.file.close(force=True)

    def _group(self, group: int) -> pa.Table:
        return self._cache.get((self.info.path, group), lambda: self.read([group]))

    def _open(self) -> _Opened:
        with self._lock:
            if self._opened is None:
                try:
                    self._opened = self._open_file()
                except (OSError, pa.ArrowException) as error:
                    raise self._failure(error, self.info.bytes - self.info.tail_bytes) from error
            return self._opened

    def _open_file(self) -> _Opened:
        info = self.info
        source = self._objects.open(info.path)
        if source.size() != info.bytes:
            raise corrupt(self._path, min(source.size(), info.bytes), f"it has {source.size()} of {info.bytes} bytes")
        source.seek(info.bytes - info.tail_bytes)
        if google_crc32c.value(source.read(info.tail_bytes)) != info.tail_crc32c:
            raise corrupt(self._path, info.bytes - info.tail_bytes, "the checksum of its footer is wrong")
        file = pq.ParquetFile(source, page_checksum_verification=True)
        metadata = file.metadata
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        names = file.schema_arrow.names
        columns = [names.index(name) for name in self._keys]
        fences = [_fences(metadata.row_group(group), columns) for group in range(metadata.num_row_groups)]
        return _Opened(file, list(accumulate(sizes, initial=0)), fences)

    def _offset(self, groups: Sequence[int]) -> int:
        """Return where in the file these row groups begin: as near as a failed read is known."""
        if self._opened is None or not groups:
            return 0
        column = self._opened.file.metadata.row_group(groups[0]).column(0)
        return int(column.dictionary_page_offset or column.data_page_offset)

    def _failure(self, error: Exception, offset: int) -> StorageError:
        if isinstance(error, OSError) and error.errno in _NOT_DAMAGE:
            return storage_error(error, "cannot read a part", self._path)
        return corrupt(self._path, offset, str(error).strip() or repr(error))


def _fences(group: pq.RowGroupMetaData, columns: Sequence[int]) -> list[tuple[str | int, str | int] | None]:
    found: list[tuple[str | int, str | int] | None] = []
    for index in columns:
        statistics = group.column(index).statistics
        if statistics is None or not statistics.has_min_max:
            found.append(None)
        else:
            found.append((statistics.min, statistics.max))
    return found
