"""The rows of one table in memory: all of a memory store, and what a file store holds until its next flush."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import RECORD_TYPES, Key, Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.deletions import See


class Row(msgspec.Struct, frozen=True, gc=False):
    """A record and its store-wide number. No part of it leads back to it, so the garbage collector may pass it by."""

    record: Record
    seq: int


Position = tuple[Key, Key]
"""Where a row stands in a scan: its order, then its key, so that equal orders stand still."""


def position(record: Record) -> Position:
    """Return where the record stands in a scan."""
    return (record.order, record.row_key)


KeyOf = Callable[[Record], Key]


def _row_key(record: Record) -> Key:
    return record.row_key


_Group = dict[str | int | float, Row]
"""Rows by the last field of their key. No key is kept: tuples that live on are what a garbage collector counts."""

_Place = Key | str | int | float
"""Which rows stand together: a run's journal, a thread. The key without its last field, and of a pair its first alone:
most rows are those of journals, and to make and compare a tuple of one costs as much as all else that a put does.
"""


class Rows:
    """The newest record of each key of one table.

    Used by one thread. What it returns is a snapshot that later puts leave alone.
    """

    def __init__(self, key_of: KeyOf = _row_key) -> None:
        self._key_of = key_of
        self._groups: dict[_Place, _Group] = {}
        self._key_fields = 0  # how many fields a key has
        self._sorted: list[tuple[Key, Key, Row]] = []
        self._unsorted: list[Row] = []  # one of each key that was put since the last scan, not always its newest
        self._sorted_seq = -1  # the largest number at the last scan

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def put(self, record: Record, seq: int) -> None:
        """Let this record take the place of an older one with its key."""
        self.put_all((record,), seq)

    def put_all(self, records: Sequence[Record], first_seq: int) -> None:
        """Put records with the numbers from `first_seq` on, one after the other."""
        groups, unsorted = self._groups, self._unsorted
        for seq, (key, record) in enumerate(zip(map(self._key_of, records), records, strict=True), first_seq):
            last = key[-1]
            place = key[0] if len(key) == 2 else key[:-1]  # noqa: PLR2004 - as _place_of, which costs a call
            group = groups.get(place)
            if group is None:
                group = groups[place] = {}
                self._key_fields = len(key)
            row = Row(record, seq)
            before = group.get(last)
            group[last] = row
            if before is None or before.seq <= self._sorted_seq:
                unsorted.append(row)

    def get(self, key: Key, see: See) -> Record | None:
        """Return the record with this key as `see` shows it, or None."""
        row = self._find(key)
        return see(row.record, row.seq) if row else None

    def has(self, key: Key) -> bool:
        """Return whether there is a row of this key, shown or not."""
        return self._find(key) is not None

    def shown(self, see: See) -> "Rows":
        """Return only what is shown, as it is shown."""
        found = Rows()
        for row in self.rows():
            if (record := see(row.record, row.seq)) is not None:
                found.put(record, row.seq)
        return found

    def rows(self) -> list[Row]:
        """Return every row, in no order."""
        return [row for group in self._groups.values() for row in group.values()]

    def keys(self, prefix: Key) -> set[Key]:
        """Return the keys that may begin with the prefix: at least those that do."""
        near = self._near(prefix)
        groups = self._groups.values() if near is None else (near,)
        return {row.record.row_key for group in groups for row in group.values()}

    def select(self, query: Query, see: See) -> list[Record]:
        """Return the rows the query asks for, in its order, as `see` shows them."""
        near = self._near(query.prefix)
        if near is None:
            candidates = self._in_order(query)
        else:
            candidates = iter(sorted(near.values(), key=_position, reverse=query.reverse))
        shown = (seen for row in candidates if (seen := see(row.record, row.seq)) is not None)
        return list(islice(matching(shown, query), query.limit))

    def _find(self, key: Key) -> Row | None:
        group = self._groups.get(_place_of(key))
        return group.get(key[-1]) if group else None

    def _near(self, prefix: Key) -> _Group | None:
        """Return the rows around a long prefix, or None when the prefix is too short to narrow anything."""
        if not prefix:
            return None
        if len(prefix) == self._key_fields - 1:
            return self._groups.get(prefix[0] if len(prefix) == 1 else prefix, {})
        if (row := self._find(prefix)) is not None:
            return {prefix[-1]: row}
        return {} if len(prefix) >= self._key_fields else None

    def _in_order(self, query: Query) -> Iterator[Row]:
        """Walk the table from the cursor on. The sorted list is kept; only rows put since are sorted in."""
        if self._unsorted:
            # A sorted run and a few newcomers: the sort is close to one pass. No two current rows share a position, so
            # rows themselves are never compared.
            put = [row for stale in self._unsorted if (row := self._find(stale.record.row_key))]
            self._sorted = [item for item in self._sorted if self._find(item[2].record.row_key) is item[2]]
            self._sorted += [(*_position(row), row) for row in put]
            self._sorted.sort()
            self._sorted_seq = max(self._sorted_seq, *(row.seq for row in put))
            self._unsorted = []
        found = self._sorted
        if query.reverse:
            stop = len(found) if query.after is None else bisect_left(found, query.after, key=lambda item: item[0])
            return (found[index][2] for index in range(stop - 1, -1, -1))
        start = 0 if query.after is None else bisect_right(found, query.after, key=lambda item: item[0])
        return (found[index][2] for index in range(start, len(found)))


def _place_of(key: Key) -> _Place:
    return key[0] if len(key) == 2 else key[:-1]  # noqa: PLR2004 - keys of a journal


def _position(row: Row) -> Position:
    return position(row.record)


def matching(records: Iterable[Record], query: Query) -> Iterator[Record]:
    """Leave out what the query does not ask for; order and limit are the caller's."""
    prefix, after, workspace = query.prefix, query.after, query.workspace
    where, between = query.where, query.between
    for record in records:
        if prefix and record.row_key[: len(prefix)] != prefix:
            continue
        if workspace is not None and record.workspace != workspace:
            continue
        if where and not all(getattr(record, name) in values for name, values in where.items()):
            continue
        if between and not all(_is_within(getattr(record, name), *bounds) for name, bounds in between.items()):
            continue
        if after is not None and (record.order >= after if query.reverse else record.order <= after):
            continue
        yield record


def _is_within(value: float | None, low: float | None, high: float | None) -> bool:
    return value is not None and (low is None or low < value) and (high is None or value <= high)


def check_query(table: Table, query: Query) -> None:
    """Refuse a query that names a field the table does not have.

    Raises:
        StorageError: No such field.
    """
    fields = RECORD_TYPES[table].__struct_fields__
    for name in (*query.where, *query.between):
        if name not in fields:
            raise StorageError(f"table {table} has no field {name!r} to filter by; it has {', '.join(fields)}")
