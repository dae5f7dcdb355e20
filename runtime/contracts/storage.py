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
        between: Time or number to its bounds: rows with low < value <= high; an open end is None.
        after: Only rows behind this `order` (before it, when reversed): a stable cursor.
        reverse: Newest or largest first.
        limit: Most rows; None for all.
    """

    prefix: Key = ()
    workspace: str | None = None
    where: dict[str, tuple[Json, ...]] = {}
    between: dict[str, tuple[float | None, float | None]] = {}
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


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that are not what was written.

    Attributes:
        file: Path or address of the file.
        offset: Where in it, as near as is known.
        found: What is wrong.
    """

    file: str
    offset: int
    found: str


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at every byte of a store found.

    Attributes:
        files: Number of files that were read. `bytes` and `rows` likewise; rows of parts and records of the journal.
        damages: None when every byte is what was written.
    """

    files: int
    bytes: int
    rows: int
    damages: tuple[Damage, ...] = ()


class CompactReport(msgspec.Struct, frozen=True, kw_only=True):
    """What merging every part of a store did: rows that were superseded, deleted or too old are gone."""

    parts_before: int
    parts_after: int
    rows_before: int
    rows_after: int
    bytes_before: int
    bytes_after: int


class PurgeReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """Proof that what was deleted is off the disk.

    Attributes:
        deletions: How many deletions were carried out.
        rows: How many rows were removed.
        files: What was removed: parts, segments of the journal, manifests, set-aside bytes, blobs.
        bytes: Their size together.
    """

    at: float
    deletions: int
    rows: int
    files: tuple[str, ...] = ()
    bytes: int = 0


class Storage(Protocol):
    """One open store, owned by the runtime.

    Appending a `Deletion` deletes: from its acknowledgement on no read sees an older row of that workspace, run or
    thread.
    """

    async def append(self, records: Sequence[Record]) -> int:
        """Make the records durable, all or none, and return the store-wide number of the last.

        Appends are kept in the order of the calls. Where one fails, none is kept that was called after it and before
        its failure was told.

        Raises:
            Fenced: A newer writer has taken the store; the outcome of this append is unknown.
            StorageFull: No space; nothing of this append was kept.
            StorageError: The store cannot write any more; reopen it.
        """
        ...

    async def confirm(self) -> None:
        """Return when the store is known to be this writer's still.

        Raises:
            Fenced: A newer writer has taken it: what this one knows may be old.
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

    async def compact(self) -> CompactReport:
        """Merge every table into one sorted run of parts; what is superseded, deleted or too old leaves the disk."""
        ...

    async def purge(self) -> PurgeReceipt:
        """Return when no byte of what was deleted is left: parts, journal, manifests, blobs."""
        ...

    async def verify(self) -> VerifyReport:
        """Read every byte and say what is damaged. Changes nothing."""
        ...

    def health(self) -> StoreHealth:
        """Return how the store is, without waiting."""
        ...

    async def close(self) -> None:
        """Flush, let go of the files and the lock. Closing twice is fine."""
        ...
