"""A store in memory: the port's whole behaviour, and nothing outlives the process. For tests and first steps."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import TABLE_OF, BlobRow, Key, Record, Table
from greenroom.runtime.contracts.storage import CompactReport, PurgeReceipt, Query, StoreHealth, VerifyReport
from greenroom.storage import blob, codec
from greenroom.storage.deletions import Deletions
from greenroom.storage.rows import Rows, check_query

PAGE_ROWS: Final = 512
"""Most rows in one page of a scan."""


class MemoryStorage:
    """Keeps every record in dicts. What is acknowledged is lost with the process, all else is as on disk."""

    def __init__(self, url: str = "memory://") -> None:
        self._url = url
        self._tables = {table: Rows() for table in Table}
        self._blobs: dict[str, bytes] = {}
        self._deletions = Deletions()
        self._seq = 0
        self._appends = 0
        self._is_open = True

    async def append(self, records: Sequence[Record]) -> int:
        """Keep the records, all or none, and return the store-wide number of the last.

        Raises:
            StorageError: The store is closed, or a record has a value that cannot be stored.
        """
        self._check_open()
        settled = codec.encode(records).records
        for seq, record in enumerate(settled, self._seq + 1):
            self._tables[TABLE_OF[type(record)]].put(record, seq)
        self._deletions.add_all(settled, self._seq + 1)
        self._seq += len(settled)
        self._appends += 1
        return self._seq

    async def confirm(self) -> None:
        """Return at once: nobody else can take it."""
        self._check_open()

    async def get(self, table: Table, key: Key) -> Record | None:
        """Return the newest record with this key, or None."""
        self._check_open()
        return self._tables[table].get(key, self._deletions.see(table))

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        """Yield pages of rows in `order`, the newest record of each key, as they are at the first page."""
        self._check_open()
        check_query(table, query)
        found = self._tables[table].select(query, self._deletions.see(table))
        for start in range(0, len(found), PAGE_ROWS):
            yield found[start : start + PAGE_ROWS]

    async def put_blob(self, sha256: str, data: bytes) -> None:
        """Keep bytes under their digest; storing the same again does nothing."""
        self._check_open()
        blob.check_new(sha256, data)
        self._blobs.setdefault(sha256, bytes(data))

    async def get_blob(self, sha256: str) -> bytes:
        """Return stored bytes.

        Raises:
            NotFound: No such blob.
        """
        self._check_open()
        blob.check_name(sha256)
        if sha256 not in self._blobs:
            raise blob.missing(sha256)
        return self._blobs[sha256]

    async def flush(self) -> None:
        """Do nothing: there is nowhere to flush to."""
        self._check_open()

    async def compact(self) -> CompactReport:
        """Change nothing: a store in memory holds each row once."""
        self._check_open()
        rows = sum(len(rows) for rows in self._tables.values())
        return CompactReport(
            parts_before=0, parts_after=0, rows_before=rows, rows_after=rows, bytes_before=0, bytes_after=0
        )

    async def purge(self) -> PurgeReceipt:
        """Forget what was deleted, and blobs that nobody refers to any more."""
        self._check_open()
        before = sum(len(rows) for rows in self._tables.values())
        deletions = len(self._deletions)
        shas = {record.sha256 for record in self._every(Table.BLOBS) if isinstance(record, BlobRow)}
        self._tables = {table: rows.shown(self._deletions.see(table)) for table, rows in self._tables.items()}
        kept = {record.sha256 for record in self._every(Table.BLOBS) if isinstance(record, BlobRow)}
        gone = sorted(shas - kept)
        size = sum(len(self._blobs.pop(sha256, b"")) for sha256 in gone)
        self._deletions = Deletions()
        self._tables[Table.DELETIONS] = Rows()
        after = sum(len(rows) for rows in self._tables.values())
        return PurgeReceipt(
            at=time.time(), deletions=deletions, rows=before - after - deletions, files=tuple(gone), bytes=size
        )

    async def verify(self) -> VerifyReport:
        """Find nothing: there is no disk."""
        self._check_open()
        return VerifyReport(files=0, bytes=0, rows=sum(len(rows) for rows in self._tables.values()))

    def health(self) -> StoreHealth:
        """Return how the store is."""
        figures: dict[str, float] = {f"rows_{table}": len(rows) for table, rows in self._tables.items()}
        figures |= {"appends": self._appends, "records": self._seq, "blobs": len(self._blobs)}
        return StoreHealth(url=self._url, epoch=1, is_writable=self._is_open, figures=figures)

    async def close(self) -> None:
        """Refuse everything from here on. Closing twice is fine."""
        self._is_open = False

    def _every(self, table: Table) -> list[Record]:
        return [row.record for row in self._tables[table].rows()]

    def _check_open(self) -> None:
        if not self._is_open:
            raise StorageError("the store is closed; open it again")
