"""The port to the store. One open store has one writer: the runtime.

Guarantees every backend gives: an acknowledged append survives any crash; the records of one append are kept all or
none; appends become durable in the order they were made; what was acknowledged is seen by every later read.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from greenroom.runtime.contracts.records import Key, Record, Table
from greenroom.runtime.contracts.values import Json


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to scan.

    Attributes:
        prefix: Leading fields of the key; only rows that begin with them.
        workspace: Only rows of this workspace; None for the runtime's own needs.
        where: Field name to the values it may have.
        after: Only rows behind this `order` (before it, when reversed): a stable cursor.
        reverse: Newest or largest first.
        limit: Most rows; None for all.
    """

    prefix: Key = ()
    workspace: str | None = None
    where: dict[str, tuple[Json, ...]] = {}
    after: Key | None = None
    reverse: bool = False
    limit: int | None = None


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the store is.

    Attributes:
        epoch: Number of this writer; a later writer has a larger one.
        error: The last error that stopped writing, or None.
        figures: Counters for people: rows, parts, bytes, appends, groups.
    """

    url: str
    epoch: int
    is_writable: bool
    error: str | None = None
    figures: dict[str, float] = {}


class Storage(Protocol):
    """One open store, owned by the runtime."""

    async def append(self, records: Sequence[Record]) -> int:
        """Make the records durable, all or none, and return the store-wide number of the last.

        Raises:
            Fenced: A newer writer has taken the store; the outcome of this append is unknown.
            StorageFull: No space; nothing of this append was kept.
            StorageError: The store cannot write any more; reopen it.
        """
        ...

    async def get(self, table: Table, key: Key) -> Record | None:
        """Return the newest record with this key, or None."""
        ...

    def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        """Yield pages of rows in `order`, the newest record of each key."""
        ...

    async def put_blob(self, sha256: str, data: bytes) -> None:
        """Store bytes under their digest, durable on return; storing the same again does nothing."""
        ...

    async def get_blob(self, sha256: str) -> bytes:
        """Return stored bytes.

        Raises:
            NotFound: No such blob.
            StorageCorrupt: The bytes do not have this digest.
        """
        ...

    async def flush(self) -> None:
        """Return when everything acknowledged so far is in Parquet parts."""
        ...

    def health(self) -> StoreHealth:
        """Return how the store is, without waiting."""
        ...

    async def close(self) -> None:
        """Flush, let go of the files and the lock. Closing twice is fine."""
        ...
