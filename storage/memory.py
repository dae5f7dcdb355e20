"""A store in memory: the port's whole behaviour, and nothing outlives the process. For tests and first steps."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import TABLE_OF, Key, Record, Table
from greenroom.runtime.contracts.storage import Query, StoreHealth
from greenroom.storage import blob, codec
from greenroom.storage.rows import Rows, check_query

PAGE_ROWS: Final = 512
"""Most rows in one page of a scan."""


class MemoryStorage:
    """Keeps every record in dicts. What is acknowledged is lost with the process, all else is as on disk."""

    def __init__(self, url: str = "memory://") -> None:
        self._url = url
        self._tables = {table: Rows() for table in Table}
        self._blobs: dict[str, bytes] = {}
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
        self._seq += len(settled)
        self._appends += 1
        return self._seq

    async def get(self, table: Table, key: Key) -> Record | None:
        """Return the newest record with this key, or None."""
        self._check_open()
        return self._tables[table].get(key)

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        """Yield pages of rows in `order`, the newest record of each key, as they are at the first page."""
        self._check_open()
        check_query(table, query)
        found = self._tables[table].select(query)
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

    def health(self) -> StoreHealth:
        """Return how the store is."""
        figures: dict[str, float] = {f"rows_{table}": len(rows) for table, rows in self._tables.items()}
        figures |= {"appends": self._appends, "records": self._seq, "blobs": len(self._blobs)}
        return StoreHealth(url=self._url, epoch=1, is_writable=self._is_open, figures=figures)

    async def close(self) -> None:
        """Refuse everything from here on. Closing twice is fine."""
        self._is_open = False

    def _check_open(self) -> None:
        if not self._is_open:
            raise StorageError("the store is closed; open it again")
