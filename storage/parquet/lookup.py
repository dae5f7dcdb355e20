"""The rows below a prefix that few row groups hold, as a run's journal is: the groups are read whole, and kept.

A walk reads narrow columns first and the rest of what passes later, which is right for many groups and costs more than
the rows themselves where there are one or two.
"""

from collections.abc import Sequence
from typing import Final

from greenroom.runtime.contracts.records import Key, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.deletions import Deletions
from greenroom.storage.parquet.part import Part
from greenroom.storage.parquet.walk import Walk
from greenroom.storage.rows import Row, position

MAX_GROUPS: Final = 4
"""Most row groups that are read whole; with more, a walk takes over: memory stays bounded."""


class Lookup:
    """Rows of parts in the order of a scan: the newest of each key. Gives out what a `Walk` does.

    Args:
        parts: Sorted runs, oldest records first; pinned by the caller.
        deletions: A copy of its own.
    """

    def __init__(self, table: Table, parts: Sequence[Part], query: Query, deletions: Deletions) -> None:
        self._table = table
        self._parts = parts
        self._query = query
        self._deletions = deletions
        self._rows: list[Row] | None = None  # the next one last
        self._walk: Walk | None = None

    @staticmethod
    def suits(query: Query) -> bool:
        """Tell whether a query asks for a prefix and nothing that a walk could leave row groups out by."""
        return bool(query.prefix) and not (query.where or query.between or query.after)

    @property
    def is_ended(self) -> bool:
        """Whether all rows were given out."""
        return self._walk.is_ended if self._walk is not None else self._rows == []

    def take(self, size: int) -> list[Row]:
        """Return the next rows, none at the end.

        Raises:
            StorageCorrupt: A file is damaged.
        """
        if self._rows is None:
            self._rows = self._begin()
        if self._walk is not None:
            return self._walk.take(size)
        return [self._rows.pop() for _ in range(min(size, len(self._rows)))]

    def _begin(self) -> list[Row]:
        prefix = self._query.prefix
        units = [(part, group) for part in reversed(self._parts) for group in part.groups_with(prefix)]
        if len(units) > MAX_GROUPS:
            self._walk = Walk(self._table, self._parts, self._query, self._deletions)
            return []
        newest: dict[Key, Row] = {}
        for part, group in units:
            for row in part.find_all(group, prefix):
                newest.setdefault(row.record.row_key, row)
        see = self._deletions.see(self._table)
        seen = [row for row in newest.values() if see(row.record, row.seq) is not None]
        seen.sort(key=lambda row: position(row.record), reverse=not self._query.reverse)
        return seen
