"""The store as one life of a runtime reaches it, and the moments at which that life may end.

The store itself outlives every life. Behind a life's end nothing is kept and nothing is answered; a zombie, which does
not know that it was replaced, is refused as every backend refuses a stale epoch.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec

from greenroom.runtime.contracts.errors import Fenced, StorageError, StorageFull
from greenroom.runtime.contracts.records import JournalRow, Key, Record, Table
from greenroom.runtime.contracts.storage import CompactReport, PurgeReceipt, Query, Storage, StoreHealth, VerifyReport
from greenroom.testing.faults import Blow, Faults

NO_SPACE: Final = "there is no space left on the disk"

Watch = Callable[[Sequence[Record]], None]
"""Sees what was kept."""


class Commits:
    """Counts commits, over all lives.

    Attributes:
        count: Appends that held rows of a journal, also those that were lost.
        pulse: Raised by everything that happens: while it moves, something is going on.
        changed: Set at every commit that was kept.
        on_kept: Sees what is kept.
    """

    def __init__(self, faults: Faults, on_kept: Watch | None = None) -> None:
        self.faults = faults
        self.on_kept: Watch = on_kept or (lambda _: None)
        self.count = 0
        self.pulse = 0
        self.changed = asyncio.Event()


class StoreLife:
    """One life's way to the store.

    Args:
        storage: The store.
        epoch: Of this life.
        commits: Counts, and asks whether to go on.
        on_blow: Called when something shall happen now.

    Attributes:
        is_over: The runtime has died.
        is_zombie: It does not know that it was replaced.
        is_broken: The store answers this life no more; it has to be opened again.
    """

    def __init__(self, storage: Storage, epoch: int, commits: Commits, on_blow: Callable[[Blow], None]) -> None:
        self._storage = storage
        self._commits = commits
        self._on_blow = on_blow
        self.epoch = epoch
        self._turn = asyncio.Lock()
        self._failures = 0
        self.is_over = False
        self.is_zombie = False
        self.is_broken = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def append(self, records: Sequence[Record]) -> int:
        """Keep the records, unless this life ends here. In the order of the calls, as every backend does."""
        failures = self._failures
        async with self._turn:
            if failures != self._failures:
                raise StorageFull(NO_SPACE)  # it was called before the other was told
            return await self._append(records)

    async def _append(self, records: Sequence[Record]) -> int:
        await self._reach()
        blow: Blow | None = None
        is_commit = any(isinstance(record, JournalRow) for record in records)
        if is_commit:
            self._commits.count += 1
            blow = self._commits.faults.at_commit(self._commits.count)
        if blow is not None and blow.loses_the_commit:
            self._on_blow(blow)
            await self._check()
            if blow.is_full:
                self._failures += 1
                raise StorageFull(NO_SPACE)
        seq = await self._storage.append(records)
        self._commits.on_kept(records)
        if is_commit:
            self._commits.changed.set()
        if blow is not None:
            self._on_blow(blow)
        elif delay_s := self._commits.faults.delay_s():
            await asyncio.sleep(delay_s)
        await self._answer()
        return seq

    async def get(self, table: Table, key: Key) -> Record | None:
        """Return a record."""
        await self._read()
        return await self._storage.get(table, key)

    async def confirm(self) -> None:
        """Tell whether another life has taken the store. Takes no time, so that seeds keep their schedules."""
        await self._check()
        await self._storage.confirm()

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        """Yield pages of rows."""
        await self._read()
        async for page in self._storage.scan(table, query):
            yield page

    async def put_blob(self, sha256: str, data: bytes) -> None:
        """Keep bytes."""
        await self._reach()
        await self._storage.put_blob(sha256, data)
        await self._answer()

    async def get_blob(self, sha256: str) -> bytes:
        """Return bytes."""
        await self._read()
        return await self._storage.get_blob(sha256)

    async def flush(self) -> None:
        """Flush the store."""
        await self._reach()
        await self._storage.flush()

    async def compact(self) -> CompactReport:
        """Compact the store."""
        await self._reach()
        return await self._storage.compact()

    async def purge(self) -> PurgeReceipt:
        """Purge the store."""
        await self._reach()
        return await self._storage.purge()

    async def verify(self) -> VerifyReport:
        """Verify the store."""
        await self._reach()
        return await self._storage.verify()

    def health(self) -> StoreHealth:
        """Return how the store is, with this life's epoch."""
        return msgspec.structs.replace(self._storage.health(), epoch=self.epoch)

    async def close(self) -> None:
        """Let go of the store, which lives on."""

    def end(self, *, is_zombie: bool = False) -> None:
        """End this life: it reaches nothing any more."""
        self.is_over = True
        self.is_zombie = is_zombie

    async def _reach(self) -> None:
        """Take the time a store takes; others go on meanwhile."""
        self._commits.pulse += 1
        await asyncio.sleep(self._commits.faults.delay_s())
        await self._check()

    async def _read(self) -> None:
        await self._reach()
        blow = self._commits.faults.at_read()
        if blow is not None and blow.fails_store:
            raise StorageError("the disk could not be read")
        if blow is not None:
            self._on_blow(blow)
            await self._answer()

    async def _answer(self) -> None:
        self._commits.pulse += 1
        await self._check()

    async def _check(self) -> None:
        """Return if the store can be reached."""
        if self.is_zombie:
            raise Fenced("another runtime has taken this store over", {"epoch": self.epoch})
        if self.is_over:
            await asyncio.get_running_loop().create_future()  # never
        if self.is_broken:
            raise StorageError("the disk does not answer")
