"""What a store does beside appends and reads: flush, merge, erase, compact, purge, one after the other.

Decides on the event loop when and what; the work itself blocks and is done in one thread.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from greenroom.runtime.contracts.errors import Fenced, StorageCorrupt, StorageError, StorageFull
from greenroom.runtime.contracts.records import Table
from greenroom.runtime.contracts.storage import CompactReport, PurgeReceipt
from greenroom.storage.journal.journal import Boundary, Journal
from greenroom.storage.objects.failure import is_passing, storage_error
from greenroom.storage.parquet.blobs import key_of
from greenroom.storage.parquet.contents import Contents
from greenroom.storage.parquet.erasure import Erasing
from greenroom.storage.parquet.journals import release
from greenroom.storage.parquet.opening import OpenStore
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.referrers import unreferenced

T = TypeVar("T")

_PIN_WAIT_S: Final = 0.02


class Maintenance:
    """Keeps memory bounded and the files few.

    Args:
        flushed: Called on the loop whenever memory has become free, or a flush has failed.
    """

    def __init__(
        self,
        opened: OpenStore,
        options: StoreOptions,
        contents: Contents,
        journal: Journal,
        flushed: Callable[[], None],
    ) -> None:
        self.flushes = self.merges = 0
        self.flush_error: StorageError | None = None
        self.damage: StorageError | None = None
        self._place = opened.place
        self._epoch = opened.epoch
        self._upkeep = opened.upkeep
        self._sweeper = opened.sweeper
        self._options = options
        self._contents = contents
        self._journal = journal
        self._flushed = flushed
        self._loop = asyncio.get_running_loop()
        self._worker = ThreadPoolExecutor(1, "greenroom-upkeep")
        self._turn = asyncio.Lock()
        self._flushing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._erased_at = self._loop.time()
        self._is_closing = False
        self._now = time.time

    # ---------------------------------------------------------------------------------------------------------- flush

    def plan(self) -> None:
        """See to it that what is in memory is flushed in time."""
        active = self._contents.active
        is_large = active.bytes >= self._options.flush_bytes
        if (self._timer is not None and not is_large) or self._is_closing or self._journal.error is not None:
            return
        if not active.records and self._contents.frozen is None:
            return
        if is_large and not self._flushing and self.flush_error is None:
            self.start_flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._options.flush_age_s, self._on_timer)

    def is_behind(self) -> bool:
        """Return whether memory is full of what could not be flushed yet."""
        return self._contents.frozen is not None and self._contents.active.bytes >= 2 * self._options.flush_bytes

    def start_flush(self) -> asyncio.Task[None]:
        """Begin to bring what is in memory into parts, and to merge these where it is worth it."""
        task = self._loop.create_task(self._flush())
        self._flushing.add(task)
        task.add_done_callback(self._on_flushed)
        return task

    async def close(self) -> None:
        """Flush for the last time, if the journal is whole, and plan no more. What cannot be flushed stays there."""
        self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._journal.error is None:
            await asyncio.wait({self.start_flush()})

    async def stop(self) -> None:
        """Let another journal follow this one if nothing is left in it, and let the thread end."""
        manifest = self._contents.catalog.manifest
        if self._journal.error is None and manifest.floor_seq == self._contents.seq:
            with contextlib.suppress(StorageError):  # this journal stays the one that must be used
                await self._work(partial(release, self._place, manifest, now=time.time()))
        await asyncio.to_thread(self._worker.shutdown)

    def _on_timer(self) -> None:
        self._timer = None
        if not self._flushing:
            self.start_flush()

    def _on_flushed(self, task: asyncio.Task[None]) -> None:
        self._flushing.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            self.flush_error = None
        else:
            self.flush_error = error if isinstance(error, StorageError) else StorageError(f"flush failed: {error!r}")
        self._flushed()
        self.plan()

    async def _flush(self) -> None:
        async with self._turn:
            await self._flush_now()
            await self._tidy()

    async def _flush_now(self) -> None:
        """Bring what is in memory into parts. Callers have the turn."""
        await self._write_frozen()  # an earlier flush may have found no space
        await self._journal.roll(self._freeze)
        await self._write_frozen()

    def _freeze(self, boundary: Boundary) -> None:
        if self._contents.freeze(boundary) and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _write_frozen(self) -> None:
        contents = self._contents
        if contents.frozen is None:
            return
        memtable, boundary = contents.frozen
        deletions = contents.deletions.between(0, boundary.seq)
        manifest = await self._work(partial(self._upkeep.flush, contents.catalog, memtable, boundary, deletions))
        contents.adopt(manifest)
        contents.frozen = None
        self.flushes += 1
        self._flushed()
        await self._sweep()

    # ---------------------------------------------------------------------------------------------------------- parts

    async def _tidy(self) -> None:
        """Merge where there are many runs. Damage ends merging, and the store goes on serving what is whole."""
        if self.damage is not None:
            return
        try:
            await self._merge()
            if self._is_erasing_due():
                await self._erase()
        except StorageCorrupt as error:
            self.damage = error

    async def _merge(self) -> None:
        for table in Table:
            catalog = self._contents.catalog
            erasing = self._erasing(self._contents.seq, catalog.manifest.erased_seq)
            manifest = await self._work(partial(self._upkeep.merge, catalog, table, erasing))
            if manifest is not None:
                self._contents.adopt(manifest)
                self.merges += 1
                await self._sweep()

    def _is_erasing_due(self) -> bool:
        count = len(self._contents.deletions)
        is_late = self._loop.time() - self._erased_at >= self._options.erase_after_s
        return count > self._options.max_deletions or (is_late and (count > 0 or bool(self._options.retention_s)))

    async def _erase(self) -> dict[str, int]:
        """Carry out every deletion that is in parts; return the blobs that went, and their sizes."""
        floor = self._contents.catalog.manifest.floor_seq
        erasing = self._erasing(floor, floor)
        blobs = await self._remove_blobs(erasing)
        self._contents.adopt(await self._work(partial(self._upkeep.erase, self._contents.catalog, erasing)))
        self._settle(floor)
        await self._sweep()
        return blobs

    async def compact(self) -> CompactReport:
        """Merge every table into one sorted run."""
        async with self._turn:
            await self._flush_now()
            before = [part.info for part in self._contents.catalog.all_parts()]
            floor = self._contents.catalog.manifest.floor_seq
            erasing = self._erasing(floor, floor)
            await self._remove_blobs(erasing)
            self._contents.adopt(await self._work(partial(self._upkeep.compact, self._contents.catalog, erasing)))
            self.merges += 1
            self._settle(floor)
            await self._sweep()
            after = [part.info for part in self._contents.catalog.all_parts()]
        return CompactReport(
            parts_before=len(before),
            parts_after=len(after),
            rows_before=sum(info.rows for info in before),
            rows_after=sum(info.rows for info in after),
            bytes_before=sum(info.bytes for info in before),
            bytes_after=sum(info.bytes for info in after),
        )

    async def purge(self) -> PurgeReceipt:
        """Carry out every deletion, and remove every file that the newest manifest does not need."""
        async with self._turn:
            await self._flush_now()
            deletions, rows = len(self._contents.deletions), self._data_rows()
            gone = await self._erase()
            while self._contents.pinned_paths():  # noqa: ASYNC110 - a scan that has begun reads on
                await asyncio.sleep(_PIN_WAIT_S)
            self._contents.close_retired()
            gone |= await self._work(partial(self._sweeper.purge, self._contents.catalog.manifest))
            rows -= self._data_rows()
        return PurgeReceipt(
            at=self._now(), deletions=deletions, rows=rows, files=tuple(sorted(gone)), bytes=sum(gone.values())
        )

    async def _remove_blobs(self, erasing: Erasing) -> dict[str, int]:
        """Remove blobs that only deleted rows name, before these rows go: if cut short, they are found again."""
        fresh = {str(row.record.row_key[0]) for row in self._contents.active.tables[Table.BLOBS].rows()}
        blobs = await self._work(partial(unreferenced, self._contents.catalog, erasing, fresh))
        return await self._work(partial(self._sweeper.remove, [key_of(sha256) for sha256 in sorted(blobs)]))

    def _erasing(self, up_to: int, settled: int) -> Erasing:
        """Return what upkeep leaves out: see `Erasing`."""
        now = self._now()
        oldest = {table: now - age_s for table, age_s in self._options.retention_s.items()}
        deletions = self._contents.deletions.between(self._contents.catalog.manifest.erased_seq, up_to)
        return Erasing(deletions, up_to, settled, oldest)

    def _settle(self, up_to: int) -> None:
        self._contents.settle(up_to)
        self._erased_at = self._loop.time()

    def _data_rows(self) -> int:
        parts = self._contents.catalog.all_parts()
        return sum(part.info.rows for part in parts if part.table is not Table.DELETIONS)

    async def _sweep(self) -> None:
        in_use = self._contents.pinned_paths()
        await self._work(partial(self._sweeper.sweep, self._contents.catalog.manifest, in_use))
        if self._place.reserve is not None:
            await self._work(partial(self._place.reserve.hold, self._options.reserve_bytes))
        self._contents.close_retired()

    # --------------------------------------------------------------------------------------------------------- thread

    async def _work(self, call: Callable[[], T]) -> T:
        """Run a piece of upkeep; when the disk is full, once more in the space that is kept for that."""
        try:
            return await self._try(call)
        except StorageFull:
            reserve = self._place.reserve
            if reserve is None or not await self._loop.run_in_executor(self._worker, reserve.release):
                raise
        return await self._try(call)

    async def _try(self, call: Callable[[], T]) -> T:
        try:
            return await self._loop.run_in_executor(self._worker, partial(self._epoch.guard, call))
        except Fenced as error:
            self._journal.error = error
            raise
        except OSError as error:
            failure = storage_error(error, "cannot flush", self._place.objects.url.removeprefix("file://"))
            if not is_passing(error):
                self._journal.error = failure  # a broken disk: the journal has everything, reopening reads it
            raise failure from error
