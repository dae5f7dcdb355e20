"""The file store, through its public port."""

from pathlib import Path
from typing import Self

from benchmarks.storage.workload import Run
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage


class Greenroom:
    """See `Contender`."""

    name = "greenroom"

    def __init__(self, storage: ParquetStorage) -> None:
        self.storage = storage

    @classmethod
    async def open(cls, root: Path, options: StoreOptions | None = None) -> Self:
        """Return the store in this folder."""
        return cls(await ParquetStorage.open(root, options))

    async def step(self, run: Run) -> None:
        """See `Contender`."""
        await self.storage.append(run.step())

    async def settle(self) -> None:
        """See `Contender`."""
        await self.storage.flush()

    async def compact(self) -> None:
        """Merge every part, so that what was superseded leaves the disk."""
        await self.storage.flush()
        await self.storage.compact()

    async def close(self) -> None:
        """See `Contender`."""
        await self.storage.close()
