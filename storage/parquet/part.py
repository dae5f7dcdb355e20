"""Reading a part. Every byte that becomes a record is checked: pages by their checksums, the footer by the manifest."""

import errno
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any, Final, NamedTuple

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import Key, Table
from greenroom.storage.field import key_names
from greenroom.storage.objects.failure import corrupt, storage_error
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet.bloom import BloomFilter
from greenroom.storage.parquet.cache import Cache
from greenroom.storage.parquet.columns import to_rows
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.manifest import PartInfo
from greenroom.storage.rows import Row

# Reasons of the system's that say nothing about the bytes on the disk.
_NOT_DAMAGE: Final = frozenset({errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES})


Zone = tuple[Any, Any] | None
"""Smallest and largest value of a field in a row group, or None where they were not kept. Times are microseconds."""


class _Opened(NamedTuple):
    """What is known once the footer was read.

    Attributes:
        source: The file as bytes.
        places: Number of each column.
        starts: Number of the first row of each row group, and of the row behind the last.
        fences: Of the first field of the key, for each row group.
    """

    file: pq.ParquetFile
    source: Any
    places: dict[str, int]
    starts: list[int]
    fences: list[Zone]


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
        self._zones: dict[str, list[Zone]] = {}
        self._filters: dict[tuple[int, str], BloomFilter | None] = {}

    @property
    def groups(self) -> int:
        """Number of row groups."""
        return len(self._open().starts) - 1

    def may_hold(self, prefix: Key) -> bool:
        """Return whether a key with this prefix lies between the first and the last key of the part."""
        length = len(prefix)
        return self.info.min_key[:length] <= prefix <= self.info.max_key[:length]

    def groups_with(self, prefix: Key) -> list[int]:
        """Return the row groups in which keys with this prefix may be."""
        fences = self._open().fences
        if not prefix:
            return list(range(len(fences)))
        # Groups follow one another by key, so those around the first field stand side by side.
        low = bisect_left(fences, True, key=lambda fence: fence is None or fence[1] >= prefix[0])
        found: list[int] = []
        for group in range(low, len(fences)):
            fence = fences[group]
            if fence is not None and fence[0] > prefix[0]:
                break
            if self._may_hold_key(group, prefix):
                found.append(group)
        return found

    def _may_hold_key(self, group: int, prefix: Key) -> bool:
        for name, value in zip(self._keys, prefix, strict=False):
            if name != self._keys[0] and not _is_within(self.zones(name)[group], value):
                return False
            if isinstance(value, str) and not self.may_hold_value(group, name, (value,)):
                return False
        return True

    def zones(self, name: str) -> list[Zone]:
        """Return the smallest and largest value of this field in each row group."""
        with self._lock:
            if (found := self._zones.get(name)) is None:
                opened = self._open_locked()
                place = opened.places.get(name)
                metadata = opened.file.metadata
                groups = range(metadata.num_row_groups)
                found = [None if place is None else _zone(metadata.row_group(group), place) for group in groups]
                self._zones[name] = found
            return found

    def may_hold_value(self, group: int, name: str, values: Sequence[Any]) -> bool:
        """Return False when no row of this group has one of these values in this field, by the group's filter."""
        with self._lock:
            key = (group, name)
            if key not in self._filters:
                self._filters[key] = self._read_filter(group, name)
            found = self._filters[key]
        return found is None or any(not isinstance(value, str) or found.may_hold(value) for value in values)

    def _read_filter(self, group: int, name: str) -> BloomFilter | None:
        opened = self._open_locked()
        if name not in opened.places:
            return None
        column = opened.file.metadata.row_group(group).column(opened.places[name])
        if not column.bloom_filter_offset or not column.bloom_filter_length:
            return None
        try:
            opened.source.seek(column.bloom_filter_offset)
            return BloomFilter(opened.source.read(column.bloom_filter_length))
        except OSError as error:
            raise self._failure(error, column.bloom_filter_offset) from error

    def present(self, keys: Sequence[Key]) -> set[Key]:
        """Return those of the keys that this part has.

        Raises:
            StorageCorrupt: The file is damaged.
        """
        wanted: dict[int, set[Key]] = {}
        for key in keys:
            if self.may_hold(key):
                for group in self.groups_with(key):
                    wanted.setdefault(group, set()).add(key)
        found: set[Key] = set()
        for group, asked in wanted.items():
            rows = self._cache.get((self.info.path, group, "keys"), partial(self.read, [group], self._keys))
            found |= asked & set(zip(*(rows.column(name).to_pylist() for name in self._keys), strict=True))
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

    def find_all(self, group: int, prefix: Key) -> list[Row]:
        """Return the records of a row group whose keys begin like this, and their numbers, in the order of the keys.

        Raises:
            StorageCorrupt: The file is damaged.
        """
        rows = self._group(group)
        mask = None
        for name, value in zip(self._keys, prefix, strict=False):
            equal = pc.equal(rows.column(name), value)
            mask = equal if mask is None else pc.and_(mask, equal)
        if mask is None:
            return to_rows(self.table, rows)
        places: list[int] = pc.indices_nonzero(mask).to_pylist()
        if not places:
            return []
        # Rows of one prefix stand side by side.
        return to_rows(self.table, rows.slice(places[0], len(places)))

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
            self._filters.clear()
            if opened is not None:
                opened.file.close(force=True)

    def _group(self, group: int) -> pa.Table:
        return self._cache.get((self.info.path, group), lambda: self.read([group]))

    def _open(self) -> _Opened:
        with self._lock:
            return self._open_locked()

    def _open_locked(self) -> _Opened:
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
        places = {name: place for place, name in enumerate(file.schema_arrow.names)}
        first = places[self._keys[0]]
        fences = [_zone(metadata.row_group(group), first) for group in range(metadata.num_row_groups)]
        return _Opened(file, source, places, list(accumulate(sizes, initial=0)), fences)

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


def _zone(group: pq.RowGroupMetaData, place: int) -> Zone:
    statistics = group.column(place).statistics
    if statistics is None or not statistics.has_min_max:
        return None
    if statistics.physical_type == "INT64":  # as it stands: making times of microseconds costs a hundred times as much
        return statistics.min_raw, statistics.max_raw
    return statistics.min, statistics.max


def _is_within(zone: Zone, value: Any) -> bool:
    return zone is None or zone[0] <= value <= zone[1]
