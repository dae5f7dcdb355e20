"""One scan: what was in memory when it began, laid over the rows of the parts, page by page."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from greenroom.runtime.contracts.records import Key, Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.deletions import Deletions
from greenroom.storage.parquet.lookup import Lookup
from greenroom.storage.parquet.part import Part
from greenroom.storage.parquet.walk import Walk
from greenroom.storage.rows import Rows, matching, position

PAGE_ROWS: Final = 512
"""Most rows in one page."""

_MIN_BLOCK_ROWS: Final = 16


class Scan:
    """A stable snapshot. Made on the event loop, where memory does not change meanwhile; then used in one thread.

    Args:
        memory: Rows in memory, oldest first.
        parts: Parts with rows that may be asked for, oldest records first; pinned by the caller.
    """

    def __init__(
        self, table: Table, query: Query, memory: Sequence[Rows], parts: Sequence[Part], deletions: Deletions
    ) -> None:
        self._query = query
        self._hidden: set[Key] = set()
        fresh: list[Record] = []
        see = deletions.see(table)
        wanted = query
        for rows in reversed(memory):
            fresh += [record for record in rows.select(wanted, see) if record.row_key not in self._hidden]
            if parts or len(memory) > 1:
                self._hidden |= rows.keys(query.prefix)
            wanted = msgspec.structs.replace(query, limit=None)  # of older rows some are hidden
        fresh.sort(key=position, reverse=not query.reverse)
        self._fresh = fresh  # the next one last
        self._ready: list[Record] = []  # in the order of the scan, the next one first
        self._left = query.limit
        self._walk: Walk | Lookup | None = None
        if parts:
            way = Lookup if Lookup.suits(query) else Walk
            self._walk = way(table, parts, query, deletions)

    @property
    def is_ended(self) -> bool:
        """Whether it is known that no page follows: to ask for one in a thread takes longer than a short scan."""
        return self._left == 0 or not (self._walk or self._ready or self._fresh)

    def rest(self) -> Iterator[Sequence[Record]]:
        """Walk the pages."""
        while page := self.next_page():
            yield page

    def next_page(self) -> Sequence[Record]:
        """Return the next rows, none at the end.

        Raises:
            StorageCorrupt: A file is damaged.
        """
        size = PAGE_ROWS if self._left is None else min(PAGE_ROWS, self._left)
        if size == 0:
            return ()
        while not self._ready and self._walk is not None:
            self._ready = self._next_block(self._walk)
        if self._walk is None:
            room = max(0, size - len(self._ready))
            self._ready += [self._fresh.pop() for _ in range(min(len(self._fresh), room))]
        page, self._ready = self._ready[:size], self._ready[size:]
        if self._left is not None:
            self._left -= len(page)
        return page

    def _next_block(self, walk: Walk | Lookup) -> list[Record]:
        """Return the next rows of the parts, and with them those in memory that stand before the last of them."""
        size = PAGE_ROWS if self._left is None else min(PAGE_ROWS, max(self._left, _MIN_BLOCK_ROWS))
        block = walk.take(size)
        if walk.is_ended:
            self._walk = None
        if not block:
            return []
        records = (row.record for row in block)
        found = [record for record in matching(records, self._query) if record.row_key not in self._hidden]
        last = position(block[-1].record)
        while self._fresh and self._stands_before(self._fresh[-1], last):
            found.append(self._fresh.pop())
        found.sort(key=position, reverse=self._query.reverse)
        return found

    def _stands_before(self, record: Record, last: tuple[Key, Key]) -> bool:
        return position(record) > last if self._query.reverse else position(record) < last
