"""The file store: journal, memory and parts put together behind the storage port.

All state changes on the event loop. Three kinds of thread do what blocks: the journal's, one for upkeep, two for reads.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from greenroom.runtime.contracts.errors import Fenced, StorageCorrupt, StorageError, StorageFull
from greenroom.runtime.contracts.records import Key, Record, Table
from greenroom.runtime.contracts.storage import CompactReport, PurgeReceipt, Query, StoreHealth, VerifyReport
from greenroom.storage import codec
from greenroom.storage.journal.gate import Gate
from greenroom.storage.journal.journal import Boundary, Journal
from greenroom.storage.objects.failure import is_passing, storage_error
from greenroom.storage.objects.ops import FileOps, OsFiles
from greenroom.storage.parquet.blobs import StoredBlobs
from greenroom.storage.parquet.blobs import key_of as blob_key
from greenroom.storage.parquet.cache import Cache
from greenroom.storage.parquet.catalog import Catalog, pinned
from greenroom.storage.parquet.erasure import Erasing
from greenroom.storage.parquet.manifest import Manifest
from greenroom.storage.parquet.memtable import Memtable
from greenroom.storage.parquet.opening import OpenStore, open_place
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.part import Part
from greenroom.storage.parquet.place import Place, local_place
from greenroom.storage.parquet.referrers import unreferenced
from greenroom.storage.parquet.scan import Scan
from greenroom.storage.parquet.verify import verify
from greenroom.storage.rows import check_query

T = TypeVar("T")

_PIN_WAIT_S: Final = 0.02

MAX_APPEND_BYTES: Final = 64 * 1024 * 1024
"""Most bytes of one append; larger values belong into blobs."""


class ParquetStorage:
    """A store in a folder or a bucket. Use it on the loop it was opened on."""

    def __init__(self, options: StoreOptions, opened: OpenStore) -> None:
        self._objects = opened.place.objects
        self._options = options
        self._lock = opened.lock
        self._epoch = opened.epoch
        self._place = opened.place
        self._upkeep = opened.upkeep
        self._sweeper = opened.sweeper
        self._cache = Cache(options.cache_bytes)
        self._catalog = Catalog(self._objects, opened.manifest, self._cache)
        self._deletions = opened.deletions
        self._retired: list[Part] = []
        self._active = Memtable()
        self._frozen: tuple[Memtable, Boundary] | None = None
        self._seq = opened.recovery.end.seq
        self._torn_bytes = opened.recovery.torn_bytes
        self._appends = self._records = self._flushes = self._merges = self._queued = 0
        self._gate = Gate(self._has_room)
        self._blobs = StoredBlobs(self._objects)
        self._readers = ThreadPoolExecutor(2, "greenroom-read")
        self._worker = ThreadPoolExecutor(1, "greenroom-upkeep")
        self._loop = asyncio.get_running_loop()
        self._upkeep_turn = asyncio.Lock()
        self._flushing: set[asyncio.Task[None]] = set()
        self._erased_at = self._loop.time()
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flush_error: StorageError | None = None
        self._damage: StorageError | None = None
        self._closing: asyncio.Task[None] | None = None
        self._journal = Journal(
            log=opened.place.log,
            epoch=opened.epoch,
            end=opened.recovery.end,
            segment_bytes=options.segment_bytes,
            loop=self._loop,
            applied=self._apply,
        )
        for frame in opened.recovery.frames:
            self._active.put(frame.records, frame.first_seq, frame.size)
            self._deletions.add_all(frame.records, frame.first_seq)
        self._plan_flush()

    @classmethod
    async def open(cls, root: Path, options: StoreOptions | None = None, ops: FileOps | None = None) -> Self:
        """Take the store in this folder, made now if there is none; earlier writers are fenced.

        Raises:
            StorageCorrupt: Something in it is damaged; nothing was changed.
            StorageError: It is open elsewhere, of a newer format, or the folder cannot be written.
        """
        return await cls.open_at(local_place(ops or OsFiles(), root), options)

    @classmethod
    async def open_at(cls, place: Place, options: StoreOptions | None = None) -> Self:
        """Take the store at this place. Raises as `open` does."""
        options = options or StoreOptions()
        return cls(options, await asyncio.to_thread(open_place, place, options))

    # ------------------------------------------------------------------------------------------------------- the port

    async def append(self, records: Sequence[Record]) -> int:
        """Make the records durable, all or none, and return the store-wide number of the last.

        Raises:
            Fenced: A newer writer has taken the store; the outcome of this append is unknown.
            StorageFull: No space; nothing of this append was kept.
            StorageError: The store cannot write any more, or a record has a value that cannot be stored.
        """
        await self._gate.wait()
        try:
            done, size = self._submit(records)
        finally:
            self._gate.advance()
        if done is None:
            return self._seq
        try:
            return await done
        finally:
            self._queued -= size
            self._gate.advance()

    async def get(self, table: Table, key: Key) -> Record | None:
        """Return the newest record with this key, or None.

        Raises:
            StorageCorrupt: A file is damaged.
        """
        self._check_open()
        see = self._deletions.see(table)
        for memtable in reversed(self._memtables()):
            if memtable.tables[table].has(key):
                return memtable.tables[table].get(key, see)
        parts = self._catalog.parts_with(table, key)
        if not parts:
            return None
        with pinned(parts):
            row = await self._read(lambda: next((found for part in reversed(parts) if (found := part.find(key))), None))
        return see(*row) if row else None

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        """Yield pages of rows in `order`, the newest record of each key, as they are at the first page.

        Raises:
            StorageCorrupt: A file is damaged.
        """
        self._check_open()
        check_query(table, query)
        parts = self._catalog.parts_with(table, query.prefix)
        memory = [memtable.tables[table] for memtable in self._memtables()]
        scan = Scan(table, query, memory, parts, self._deletions.copy())
        if not parts:
            for page in scan.rest():
                yield page
            return
        with pinned(parts):
            while page := await self._read(scan.next_page):
                yield page

    async def put_blob(self, sha256: str, data: bytes) -> None:
        """Store bytes under their digest, durable on return; storing the same again does nothing.

        Raises:
            StorageFull: No space; nothing was kept.
            StorageError: The name is not the digest, or the disk failed.
        """
        self._check_writable()
        await asyncio.to_thread(self._blobs.put, sha256, data)

    async def get_blob(self, sha256: str) -> bytes:
        """Return stored bytes.

        Raises:
            NotFound: No such blob.
            StorageCorrupt: The bytes do not have this digest.
        """
        self._check_open()
        return await asyncio.to_thread(self._blobs.get, sha256)

    async def flush(self) -> None:
        """Return when everything acknowledged so far is in Parquet parts.

        Raises:
            StorageFull: No space; everything stays in the journal.
            StorageError: The store cannot write any more.
        """
        self._check_open()
        await asyncio.shield(self._start_flush())

    async def compact(self) -> CompactReport:
        """Merge every table into one sorted run of parts; what is superseded, deleted or too old leaves the disk.

        Raises:
            StorageCorrupt: A part is damaged; nothing was changed.
            StorageFull: No space for the merged parts beside the old ones.
        """
        self._check_open()
        return await asyncio.shield(self._loop.create_task(self._compact()))

    async def purge(self) -> PurgeReceipt:
        """Return when no byte of what was deleted is left: parts, journal, manifests, blobs.

        Raises:
            StorageCorrupt: A part is damaged.
            StorageFull: No space to write a part again without the rows that go.
        """
        self._check_open()
        return await asyncio.shield(self._loop.create_task(self._purge()))

    async def verify(self) -> VerifyReport:
        """Read every byte and say what is damaged. Changes nothing."""
        self._check_open()
        return await asyncio.to_thread(verify, self._place)

    def health(self) -> StoreHealth:
        """Return how the store is, without waiting."""
        parts = list(self._catalog.all_parts())
        error = self._journal.error or self._flush_error or self._damage
        figures: dict[str, float] = {
            "appends": self._appends,
            "records": self._records,
            "groups": self._journal.groups,
            "seq": self._seq,
            "parts": len(parts),
            "part_rows": sum(part.info.rows for part in parts),
            "part_bytes": sum(part.info.bytes for part in parts),
            "memory_records": sum(memtable.records for memtable in self._memtables()),
            "memory_bytes": sum(memtable.bytes for memtable in self._memtables()),
            "queued_bytes": self._queued,
            "flushes": self._flushes,
            "merges": self._merges,
            "torn_bytes": self._torn_bytes,
            "manifest": self._catalog.manifest.version,
        }
        return StoreHealth(
            url=self._objects.url,
            epoch=self._epoch.number,
            is_writable=self._closing is None and self._journal.error is None,
            error=error.message if error else None,
            figures=figures,
        )

    async def close(self) -> None:
        """Flush, let go of the files and the lock. Closing twice is fine.

        What cannot be flushed stays in the journal, and the next open finds it there.
        """
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    # --------------------------------------------------------------------------------------------------------- upkeep

    async def _compact(self) -> CompactReport:
        async with self._upkeep_turn:
            await self._flush_now()
            before = [part.info for part in self._catalog.all_parts()]
            floor = self._catalog.manifest.floor_seq
            erasing = self._erasing(floor, floor)
            await self._remove_blobs(erasing)
            self._adopt(await self._work(partial(self._upkeep.compact, self._catalog, erasing)))
            self._merges += 1
            self._deletions_carried_out(floor)
            await self._sweep()
            after = [part.info for part in self._catalog.all_parts()]
        return CompactReport(
            parts_before=len(before),
            parts_after=len(after),
            rows_before=sum(info.rows for info in before),
            rows_after=sum(info.rows for info in after),
            bytes_before=sum(info.bytes for info in before),
            bytes_after=sum(info.bytes for info in after),
        )

    async def _purge(self) -> PurgeReceipt:
        async with self._upkeep_turn:
            await self._flush_now()
            floor = self._catalog.manifest.floor_seq
            erasing = self._erasing(floor, floor)
            rows = self._data_rows()
            gone = await self._remove_blobs(erasing)
            self._adopt(await self._work(partial(self._upkeep.erase, self._catalog, erasing)))
            self._deletions_carried_out(floor)
            while any(part.pins for part in self._retired):  # noqa: ASYNC110 - a scan that has begun reads on
                await asyncio.sleep(_PIN_WAIT_S)
            self._close_retired()
            gone |= await self._work(partial(self._sweeper.purge, self._catalog.manifest))
            rows -= self._data_rows()
        return PurgeReceipt(
            at=time.time(),
            deletions=len(erasing.deletions),
            rows=rows,
            files=tuple(sorted(gone)),
            bytes=sum(gone.values()),
        )

    async def _remove_blobs(self, erasing: Erasing) -> dict[str, int]:
        """Remove blobs that only deleted rows name. To be done before these rows go: if cut short, they are found again."""
        fresh = {str(row.record.row_key[0]) for row in self._active.tables[Table.BLOBS].rows()}
        blobs = await self._work(partial(unreferenced, self._catalog, erasing, fresh))
        return await self._work(partial(self._sweeper.remove, [blob_key(sha256) for sha256 in sorted(blobs)]))

    def _data_rows(self) -> int:
        return sum(part.info.rows for part in self._catalog.all_parts() if part.table is not Table.DELETIONS)

    # -------------------------------------------------------------------------------------------------------- appends

    def _submit(self, records: Sequence[Record]) -> tuple[asyncio.Future[int] | None, int]:
        """Put the records in line, and return the answer to come and their bytes."""
        self._check_writable()
        encoded = codec.encode(records)
        size = len(encoded.payload)
        if size > MAX_APPEND_BYTES:
            raise StorageError(
                f"an append of {size} bytes is over the limit of {MAX_APPEND_BYTES}; store large values as blobs"
            )
        if not encoded.records:
            return None, 0
        self._queued += size
        return self._journal.submit(encoded.payload, encoded.records), size

    def _apply(self, records: list[Record], first_seq: int, size: int) -> None:
        """Make a durable append visible."""
        self._active.put(records, first_seq, size)
        self._deletions.add_all(records, first_seq)
        self._seq = first_seq + len(records) - 1
        self._appends += 1
        self._records += len(records)
        if self._flush_timer is None or self._active.bytes >= self._options.flush_bytes:
            self._plan_flush()

    def _memtables(self) -> list[Memtable]:
        """Return what is in memory, oldest records first."""
        return [self._frozen[0], self._active] if self._frozen else [self._active]

    def _has_room(self) -> bool:
        if self._closing is not None or self._journal.error is not None:
            return True  # nobody waits for what will not come
        if self._queued >= self._options.queue_bytes:
            return False
        return not self._is_memory_full() or self._flush_error is not None

    def _is_memory_full(self) -> bool:
        return self._frozen is not None and self._active.bytes >= 2 * self._options.flush_bytes

    def _check_open(self) -> None:
        if self._closing is not None:
            raise StorageError("the store is closed; open it again")

    def _check_writable(self) -> None:
        self._check_open()
        error = self._journal.error or (self._flush_error if self._is_memory_full() else None)
        if error is not None:
            raise type(error)(error.message, error.facts)

    async def _read(self, call: Callable[[], T]) -> T:
        self._check_open()
        return await self._loop.run_in_executor(self._readers, call)

    # ---------------------------------------------------------------------------------------------------------- flush

    def _plan_flush(self) -> None:
        """See to it that what is in memory is flushed in time."""
        if self._closing is not None or self._journal.error is not None:
            return
        if not self._active.records and self._frozen is None:
            return
        is_large = self._active.bytes >= self._options.flush_bytes
        if is_large and not self._flushing and self._flush_error is None:
            self._start_flush()
        elif self._flush_timer is None:
            self._flush_timer = self._loop.call_later(self._options.flush_age_s, self._on_flush_timer)

    def _on_flush_timer(self) -> None:
        self._flush_timer = None
        if not self._flushing:
            self._start_flush()

    def _start_flush(self) -> asyncio.Task[None]:
        task = self._loop.create_task(self._flush())
        self._flushing.add(task)
        task.add_done_callback(self._on_flushed)
        return task

    def _on_flushed(self, task: asyncio.Task[None]) -> None:
        self._flushing.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._flush_error = None
        else:
            self._flush_error = error if isinstance(error, StorageError) else StorageError(f"flush failed: {error!r}")
        self._gate.advance()
        self._plan_flush()

    async def _flush(self) -> None:
        async with self._upkeep_turn:
            await self._flush_now()
            await self._merge_parts()

    async def _flush_now(self) -> None:
        """Bring what is in memory into parts. Callers have the turn."""
        if self._frozen is not None:  # an earlier flush found no space
            await self._write_frozen()
        await self._journal.roll(self._freeze)
        await self._write_frozen()

    def _freeze(self, boundary: Boundary) -> None:
        """Let a fresh memtable take over; the old one holds exactly what stands before the boundary."""
        if self._active.records:
            self._frozen = (self._active, boundary)
            self._active = Memtable()
            if self._flush_timer is not None:
                self._flush_timer.cancel()
                self._flush_timer = None

    async def _write_frozen(self) -> None:
        if self._frozen is None:
            return
        memtable, boundary = self._frozen
        deletions = self._deletions.between(0, boundary.seq)
        self._adopt(await self._work(partial(self._upkeep.flush, self._catalog, memtable, boundary, deletions)))
        self._frozen = None
        self._flushes += 1
        self._gate.advance()
        await self._sweep()

    async def _merge_parts(self) -> None:
        """Merge where there are many parts. Damage ends merging, and the store goes on serving what is whole."""
        if self._damage is None:
            try:
                await self._merge()
                if self._is_erasing_due():
                    await self._erase()
            except StorageCorrupt as error:
                self._damage = error

    async def _merge(self) -> None:
        for table in Table:
            erasing = self._erasing(self._seq, self._catalog.manifest.erased_seq)
            manifest = await self._work(partial(self._upkeep.merge, self._catalog, table, erasing))
            if manifest is not None:
                self._adopt(manifest)
                self._merges += 1
                await self._sweep()

    def _is_erasing_due(self) -> bool:
        has_work = len(self._deletions) > 0 or bool(self._options.retention_s)
        is_late = self._loop.time() - self._erased_at >= self._options.erase_after_s
        return len(self._deletions) > self._options.max_deletions or (has_work and is_late)

    async def _erase(self) -> None:
        floor = self._catalog.manifest.floor_seq
        erasing = self._erasing(floor, floor)
        await self._remove_blobs(erasing)
        self._adopt(await self._work(partial(self._upkeep.erase, self._catalog, erasing)))
        self._deletions_carried_out(floor)
        await self._sweep()

    def _erasing(self, up_to: int, settled: int) -> Erasing:
        """Return what upkeep leaves out: see `Erasing`."""
        now = time.time()
        oldest = {table: now - age_s for table, age_s in self._options.retention_s.items()}
        deletions = self._deletions.between(self._catalog.manifest.erased_seq, up_to)
        return Erasing(deletions, up_to, settled, oldest)

    def _deletions_carried_out(self, up_to: int) -> None:
        self._deletions = self._deletions.between(up_to, self._seq)
        self._erased_at = self._loop.time()

    async def _sweep(self) -> None:
        in_use = {part.info.path for part in self._retired if part.pins}
        await self._work(partial(self._sweeper.sweep, self._catalog.manifest, in_use))
        if self._place.reserve is not None:
            await self._loop.run_in_executor(self._worker, self._place.reserve.hold, self._options.reserve_bytes)
        self._close_retired()

    def _close_retired(self) -> None:
        for part in [part for part in self._retired if not part.pins]:
            part.close()
            self._retired.remove(part)

    def _adopt(self, manifest: Manifest) -> None:
        before = self._catalog
        self._catalog = Catalog(self._objects, manifest, self._cache, before)
        listed = set(self._catalog.all_parts())
        self._retired += [part for part in before.all_parts() if part not in listed]

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
            return await self._loop.run_in_executor(self._worker, call)
        except Fenced as error:
            self._journal.error = error
            raise
        except OSError as error:
            failure = storage_error(error, "cannot flush", self._objects.url.removeprefix("file://"))
            if not is_passing(error):
                self._journal.error = failure  # a broken disk: the journal has everything, reopening reads it
            raise failure from error

    async def _close(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        self._gate.advance()
        try:
            if self._journal.error is None:
                with contextlib.suppress(StorageError):
                    await asyncio.shield(self._start_flush())
            await self._journal.stop()
            for pool in (self._worker, self._readers):
                await asyncio.to_thread(pool.shutdown)
            for part in (*self._catalog.all_parts(), *self._retired):
                part.close()
        finally:
            if self._lock is not None:
                self._lock.release()
