"""The stores that the contract suite runs on, and what it does to each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from greenroom.runtime.contracts.records import Record, Table
from greenroom.runtime.contracts.storage import Query, Storage
from greenroom.storage.memory import MemoryStorage
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage

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


async def rows(storage: Storage, table: Table, query: Query | None = None) -> list[Record]:
    """Return all rows of a scan."""
    return [row for page in await pages(storage, table, query) for row in page]


async def pages(storage: Storage, table: Table, query: Query | None = None) -> list[Sequence[Record]]:
    """Return all pages of a scan."""
    return [page async for page in storage.scan(table, query or Query())]
