"""One scan: what was in memory when it began, laid over the rows of the parts, page by page."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from greenroom.runtime.contracts.records import Key, Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.deletions import See
from greenroom.storage.parquet.part import Part
from greenroom.storage.parquet.selection import Selection, select
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

    def __init__(self, table: Table, query: Query, memory: Sequence[Rows], parts: Sequence[Part], see: See) -> None:
        self._table = table
        self._query = query
        self._parts = parts
        self._see = see
        self._hidden: set[Key] = set()
        fresh: list[Record] = []
        if memory and not parts and len(memory) == 1:
            fresh = memory[0].select(query, see)
        else:
            unlimited = msgspec.structs.replace(query, limit=None)
            for rows in reversed(memory):
                fresh += [record for record in rows.select(unlimited, see) if record.row_key not in self._hidden]
                self._hidden |= rows.keys(query.prefix)
        fresh.sort(key=position, reverse=not query.reverse)
        self._fresh = fresh  # the next one last
        self._ready: list[Record] = []  # in the order of the scan, the next one first
        self._left = query.limit
        self._selection: Selection | None = None
        self._next = 0

    def select(self) -> None:
        """Find the rows of the parts."""
        self._selection = select(self._table, self._parts, self._query)

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
        while not self._ready and self._selection is not None and self._next < len(self._selection):
            self._ready = self._next_block(self._selection)
        if not self._ready:
            self._ready = [self._fresh.pop() for _ in range(min(len(self._fresh), size))]
        page, self._ready = self._ready[:size], self._ready[size:]
        if self._left is not None:
            self._left -= len(page)
        return page

    def _next_block(self, selection: Selection) -> list[Record]:
        """Return the next rows of the parts, and with them those in memory that stand before the last of them."""
        size = PAGE_ROWS if self._left is None else min(PAGE_ROWS, max(self._left, _MIN_BLOCK_ROWS))
        block = selection.rows(self._next, self._next + size)
        self._next += len(block)
        shown = (record for row in block if (record := self._see(*row)) is not None)
        found = [record for record in matching(shown, self._query) if record.row_key not in self._hidden]
        last = position(block[-1].record)
        while self._fresh and self._stands_before(self._fresh[-1], last):
            found.append(self._fresh.pop())
        found.sort(key=position, reverse=self._query.reverse)
        return found

    def _stands_before(self, record: Record, last: tuple[Key, Key]) -> bool:
        return position(record) > last if self._query.reverse else position(record) < last
