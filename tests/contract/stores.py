"""The stores that the contract suite runs on, and what it does to each."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from greenroom.runtime.contracts.records import Record, Table
from greenroom.runtime.contracts.storage import Query, Storage
from greenroom.storage.memory import MemoryStorage
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from tests.s3.buckets import new_bucket, place_of

SMALL = StoreOptions(segment_bytes=64 * 1024, max_runs=3, reader_grace_s=0.0, flush_age_s=3600.0)
"""Limits at which a few records make segments roll and parts merge."""


class Store(Protocol):
    """A kind of store under test."""

    async def open(self) -> Storage: ...

    async def reopen(self, storage: Storage) -> Storage:
        """Close and open again, where records outlive that."""
        ...


class MemoryStore:
    async def open(self) -> Storage:
        return MemoryStorage()

    async def reopen(self, storage: Storage) -> Storage:
        return storage


class FileStore:
    def __init__(self, root: Path) -> None:
        self.root = root

    async def open(self) -> Storage:
        return await ParquetStorage.open(self.root, SMALL)

    async def reopen(self, storage: Storage) -> Storage:
        await storage.close()
        return await self.open()


class BucketStore:
    """A store in a bucket.

    Args:
        journal: Folder for the journal; None for a journal in the bucket.
    """

    def __init__(self, journal: Path | None = None) -> None:
        self.bucket = new_bucket()
        self.journal = journal

    async def open(self) -> Storage:
        return await ParquetStorage.open_at(place_of(self.bucket, self.journal), SMALL)

    async def reopen(self, storage: Storage) -> Storage:
        await storage.close()
        return await self.open()


STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "file": FileStore,
    "s3": lambda _: BucketStore(),
    "s3 with a local journal": BucketStore,
}
"""Every kind of store, made from a folder that it may use."""


async def rows(storage: Storage, table: Table, query: Query | None = None) -> list[Record]:
    """Return all rows of a scan."""
    return [row for page in await pages(storage, table, query) for row in page]


async def pages(storage: Storage, table: Table, query: Query | None = None) -> list[Sequence[Record]]:
    """Return all pages of a scan."""
    return [page async for page in storage.scan(table, query or Query())]
