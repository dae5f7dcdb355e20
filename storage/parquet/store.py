"""The Parquet store: journal, memory and parts put together behind the storage port.

All state changes on the event loop. Three kinds of thread do what blocks: the journal's, one for upkeep, two for reads.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import Key, Record, Table
from greenroom.runtime.contracts.storage import CompactReport, PurgeReceipt, Query, StoreHealth, VerifyReport
from greenroom.storage import codec
from greenroom.storage.journal.gate import Gate
from greenroom.storage.journal.journal import Journal
from greenroom.storage.objects.failure import again
from greenroom.storage.objects.ops import FileOps, OsFiles
from greenroom.storage.parquet.blobs import StoredBlobs
from greenroom.storage.parquet.catalog import pinned
from greenroom.storage.parquet.contents import Contents
from greenroom.storage.parquet.maintenance import Maintenance
from greenroom.storage.parquet.opening import OpenStore, open_place
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.place import Place, local_place
from greenroom.storage.parquet.scan import Scan
from greenroom.storage.parquet.verify import verify
from greenroom.storage.rows import check_query

T = TypeVar("T")

MAX_APPEND_BYTES: Final = 64 * 1024 * 1024
"""Most bytes of one append; larger values belong into blobs."""


class ParquetStorage:
    """A store in a folder or a bucket. Use it on the loop it was opened on."""

    def __init__(self, options: StoreOptions, opened: OpenStore) -> None:
        self._options = options
        self._opened = opened
        self._torn_bytes = opened.recovery.torn_bytes
        self._appends = self._records = self._queued = 0
        self._failure: StorageError | None = None
        self._is_planning = False
        self._gate = Gate(self._has_room)
        self._blobs = StoredBlobs(opened.place.objects)
        self._readers = ThreadPoolExecutor(2, "greenroom-read")
        self._loop = asyncio.get_running_loop()
        self._closing: asyncio.Task[None] | None = None
        self._journal = Journal(
            log=opened.place.log,
            epoch=opened.epoch,
            end=opened.recovery.end,
            segment_bytes=options.segment_bytes,
            loop=self._loop,
            applied=self._apply,
        )
        self._contents = Contents(opened, options.cache_bytes)
        self._maintenance = Maintenance(opened, options, self._contents, self._journal, self._gate.advance)
        self._maintenance.plan()

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
        failure = self._failure
        await self._gate.wait()
        try:
            if self._failure is not None and self._failure is not failure:
                raise again(self._failure)
            done, size = self._submit(records)
        except StorageError as error:
            self._note(failure, error)
            raise
        finally:
            self._gate.advance()
        if done is None:
            return self._contents.seq
        try:
            seq = await done
        except StorageError as error:
            self._note(failure, error)
            raise
        finally:
            self._queued -= size
            self._gate.advance()
        self._appends += 1
        return seq

    async def confirm(self) -> None:
        """Return when the store is known to be this writer's still.

        Raises:
            Fenced: A newer writer has taken it.
        """
        self._check_open()
        await asyncio.to_thread(self._opened.epoch.check)

    async def get(self, table: Table, key: Key) -> Record | None:
        """Return the newest record with this key, or None.

        Raises:
            StorageCorrupt: A file is damaged.
        """
        self._check_open()
        see = self._contents.deletions.see(table)
        for rows in reversed(self._contents.memory(table)):
            if rows.has(key):
                return rows.get(key, see)
        parts = self._contents.catalog.parts_with(table, key)
        if not parts:
            return None
        with pinned(parts):
            row = await self._read(lambda: next((found for part in reversed(parts) if (found := part.find(key))), None))
        return see(row.record, row.seq) if row else None

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        """Yield pages of rows in `order`, the newest record of each key, as they are at the first page.

        Raises:
            StorageCorrupt: A file is damaged.
        """
        self._check_open()
        check_query(table, query)
        parts = self._contents.catalog.parts_with(table, query.prefix)
        scan = Scan(table, query, self._contents.memory(table), parts, self._contents.deletions.copy())
        if not parts:
            for page in scan.rest():
                yield page
            return
        with pinned(parts):
            while not scan.is_ended and (page := await self._read(scan.next_page)):
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
        await asyncio.shield(self._maintenance.start_flush())

    async def compact(self) -> CompactReport:
        """Merge every table into one sorted run of parts; what is superseded, deleted or too old leaves the disk.

        Raises:
            StorageCorrupt: A part is damaged; nothing was changed.
            StorageFull: No space for the merged parts beside the old ones.
        """
        self._check_open()
        return await asyncio.shield(self._loop.create_task(self._maintenance.compact()))

    async def purge(self) -> PurgeReceipt:
        """Return when no byte of what was deleted is left: parts, journal, manifests, blobs.

        Raises:
            StorageCorrupt: A part is damaged.
            StorageFull: No space to write a part again without the rows that go.
        """
        self._check_open()
        return await asyncio.shield(self._loop.create_task(self._maintenance.purge()))

    async def verify(self) -> VerifyReport:
        """Read every byte and say what is damaged. Changes nothing."""
        self._check_open()
        return await asyncio.to_thread(verify, self._opened.place)

    def health(self) -> StoreHealth:
        """Return how the store is, without waiting."""
        maintenance = self._maintenance
        error = self._journal.error or maintenance.flush_error or maintenance.damage
        figures: dict[str, float] = {
            "appends": self._appends,
            "records": self._records,
            "groups": self._journal.groups,
            **self._contents.figures(),
            "queued_bytes": self._queued,
            "flushes": maintenance.flushes,
            "merges": maintenance.merges,
            "torn_bytes": self._torn_bytes,
        }
        return StoreHealth(
            url=self._opened.place.objects.url,
            epoch=self._opened.epoch.number,
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
        """Make durable appends visible."""
        self._contents.put(records, first_seq, size)
        self._records += len(records)
        if not self._is_planning:
            self._is_planning = True
            self._loop.call_soon(self._plan)  # behind those who are answered now

    def _plan(self) -> None:
        self._is_planning = False
        self._maintenance.plan()

    def _has_room(self) -> bool:
        if self._closing is not None or self._journal.error is not None:
            return True  # nobody waits for what will not come
        if self._queued >= self._options.queue_bytes:
            return False
        return not self._maintenance.is_behind() or self._maintenance.flush_error is not None

    def _check_open(self) -> None:
        if self._closing is not None:
            raise StorageError("the store is closed; open it again")

    def _check_writable(self) -> None:
        self._check_open()
        error = self._journal.error or (self._maintenance.flush_error if self._maintenance.is_behind() else None)
        if error is not None:
            raise again(error)

    def _note(self, known: StorageError | None, error: StorageError) -> None:
        """Let those fail too who wait for their turn behind an append that failed: they may build on it."""
        if self._failure is known:  # else it is one of those
            self._failure = again(error)

    async def _read(self, call: Callable[[], T]) -> T:
        self._check_open()
        return await self._loop.run_in_executor(self._readers, partial(self._opened.epoch.guard, call))

    async def _close(self) -> None:
        self._gate.advance()
        try:
            await self._maintenance.close()
            await self._journal.stop()
            await self._maintenance.stop()
            await asyncio.to_thread(self._readers.shutdown)
            self._contents.close()
        finally:
            if self._opened.lock is not None:
                self._opened.lock.release()
