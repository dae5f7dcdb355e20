"""The rows of one table in memory: all of a memory store, and what a file store holds until its next flush."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import RECORD_TYPES, Key, Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.deletions import See


class Row(NamedTuple):
    """A record and its store-wide number."""

    record: Record
    seq: int


Position = tuple[Key, Key]
"""Where a row stands in a scan: its order, then its key, so that equal orders stand still."""


def position(record: Record) -> Position:
    """Return where the record stands in a scan."""
    return (record.order, record.row_key)


class Rows:
    """The newest record of each key of one table.

    Used by one thread. What it returns is a snapshot that later puts leave alone.
    """

    def __init__(self) -> None:
        self._rows: dict[Key, Row] = {}
        self._siblings: dict[Key, dict[Key, Row]] = {}  # by the key without its last field: a run's journal, a thread
        self._sorted: list[tuple[Key, Key, Record]] = []
        self._unsorted: dict[Key, Record] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, record: Record, seq: int) -> None:
        """Let this record take the place of an older one with its key."""
        key = record.row_key
        row = Row(record, seq)
        self._rows[key] = row
        if len(key) > 1:
            siblings = self._siblings.get(key[:-1])
            if siblings is None:
                siblings = self._siblings[key[:-1]] = {}
            siblings[key] = row
        self._unsorted[key] = record

    def get(self, key: Key, see: See) -> Record | None:
        """Return the record with this key as `see` shows it, or None."""
        row = self._rows.get(key)
        return see(row.record, row.seq) if row else None

    def has(self, key: Key) -> bool:
        """Return whether there is a row of this key, shown or not."""
        return key in self._rows

    def shown(self, see: See) -> "Rows":
        """Return only what is shown, as it is shown."""
        found = Rows()
        for row in self._rows.values():
            if (record := see(row.record, row.seq)) is not None:
                found.put(record, row.seq)
        return found

    def rows(self) -> list[Row]:
        """Return every row, in no order."""
        return list(self._rows.values())

    def keys(self, prefix: Key) -> set[Key]:
        """Return the keys that may begin with the prefix: at least those that do."""
        siblings = self._near(prefix)
        return set(self._rows if siblings is None else siblings)

    def select(self, query: Query, see: See) -> list[Record]:
        """Return the rows the query asks for, in its order, as `see` shows them."""
        siblings = self._near(query.prefix)
        if siblings is None:
            candidates = self._in_order(query)
        else:
            candidates = iter(sorted((row.record for row in siblings.values()), key=position, reverse=query.reverse))
        shown = (seen for record in candidates if (seen := see(record, self._rows[record.row_key].seq)) is not None)
        return list(islice(matching(shown, query), query.limit))

    def _near(self, prefix: Key) -> dict[Key, Row] | None:
        """Return the rows around a long prefix, or None when the prefix is too short to narrow anything."""
        if not prefix:
            return None
        if (siblings := self._siblings.get(prefix)) is not None:
            return siblings
        if (row := self._rows.get(prefix)) is not None:
            return {prefix: row}
        return {} if not self._rows or len(prefix) >= len(next(iter(self._rows))) - 1 else None

    def _in_order(self, query: Query) -> Iterator[Record]:
        """Walk the table from the cursor on. The sorted list is kept; only rows put since are sorted in."""
        if self._unsorted:
            # A sorted run and a few newcomers: the sort is close to one pass. No two current rows share a position, so
            # records themselves are never compared.
            self._sorted = [item for item in self._sorted if self._is_current(item[2])]
            self._sorted.extend((*position(record), record) for record in self._unsorted.values())
            self._sorted.sort()
            self._unsorted = {}
        found = self._sorted
        if query.reverse:
            stop = len(found) if query.after is None else bisect_left(found, query.after, key=lambda item: item[0])
            return (found[index][2] for index in range(stop - 1, -1, -1))
        start = 0 if query.after is None else bisect_right(found, query.after, key=lambda item: item[0])
        return (found[index][2] for index in range(start, len(found)))

    def _is_current(self, record: Record) -> bool:
        return self._rows[record.row_key].record is record


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
