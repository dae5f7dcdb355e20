"""Looking after the store on request: merging, purging, verifying. Each may take minutes and keeps nobody waiting."""

import asyncio

import msgspec

from greenroom.runtime.contracts.storage import Storage
from greenroom.runtime.contracts.values import Json


class Upkeep:
    """Has the store merged, purged and verified, one at a time; a second request waits for the first."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._turn = asyncio.Lock()

    async def compact(self) -> dict[str, Json]:
        """Merge every table, and return what that did: `CompactReport`."""
        async with self._turn:
            report: dict[str, Json] = msgspec.to_builtins(await self._storage.compact())
            return report

    async def purge(self) -> dict[str, Json]:
        """Take every byte of what was deleted off the disk, and return the proof: `PurgeReceipt`."""
        async with self._turn:
            receipt: dict[str, Json] = msgspec.to_builtins(await self._storage.purge())
            return receipt

    async def verify(self) -> dict[str, Json]:
        """Read every byte, and return what was found: `VerifyReport`."""
        async with self._turn:
            report: dict[str, Json] = msgspec.to_builtins(await self._storage.verify())
            return report
