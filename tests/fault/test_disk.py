"""Disks that are full, broken or slow to write."""

import asyncio
import errno
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from greenroom.runtime.contracts.errors import StorageCorrupt, StorageError, StorageFull
from greenroom.runtime.contracts.records import Table
from greenroom.storage.journal.journal import Journal
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.place import local_place
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head, journal
from tests.contract.stores import rows
from tests.fault.failing_files import (
    BrokenSync,
    FullDisk,
    FullOnce,
    Interrupted,
    Refusing,
    ShortWrites,
    UnreadableParts,
    no_descriptors,
)
from tests.fault.files import journal_only

OPTIONS = StoreOptions(segment_bytes=4096, flush_age_s=3600.0, reserve_bytes=0)


@pytest.mark.parametrize("half_written", [False, True])
async def test_a_full_disk_refuses_appends_until_there_is_space(tmp_path: Path, half_written: bool) -> None:
    """StorageFull keeps nothing of the append; what was acknowledged stays; the same store then goes on."""
    disk = FullDisk()
    storage = await ParquetStorage.open(tmp_path, OPTIONS, disk)
    kept = [journal("r", 1, body=b"x" * 900)]
    await storage.append(kept)
    disk.half_written, disk.is_full = half_written, not half_written
    for size in (3000, 9000, 20):
        with pytest.raises(StorageFull, match="no space left"):
            await storage.append([journal("refused", 1, body=b"y" * size), head("refused")])
    assert storage.health().is_writable
    disk.is_full = False
    for number in range(2, 12):
        kept.append(journal("r", number, body=b"z" * 900))
        await storage.append([kept[-1]])
    assert await rows(storage, Table.JOURNAL) == kept
    disk.is_full = True  # the close cannot flush, so the next open reads the journal
    await storage.close()
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    assert await rows(storage, Table.JOURNAL) == kept
    assert await rows(storage, Table.RUNS) == []
    await storage.close()


@pytest.mark.parametrize("queue_bytes", [OPTIONS.queue_bytes, 1])
async def test_what_stands_behind_a_refused_append_is_refused_with_it(tmp_path: Path, queue_bytes: int) -> None:
    """It may build on what is missing. It stands in the journal's line, or waits at the gate; the next is kept."""
    disk = FullOnce()
    storage = await ParquetStorage.open(tmp_path, msgspec.structs.replace(OPTIONS, queue_bytes=queue_bytes), disk)
    await storage.append([journal("r", 1)])
    disk.fails_next = True
    first = asyncio.create_task(storage.append([journal("r", 2)]))
    await asyncio.to_thread(disk.has_begun.wait)
    behind = [asyncio.create_task(storage.append([journal("r", number)])) for number in range(3, 6)]
    await asyncio.sleep(0)
    disk.may_fail.set()
    for refused in (first, *behind):
        with pytest.raises(StorageFull, match="no space left"):
            await refused
    await storage.append([journal("r", 2, body=b"again")])
    assert await rows(storage, Table.JOURNAL) == [journal("r", 1), journal("r", 2, body=b"again")]
    await storage.close()


async def test_what_is_appended_before_a_refusal_is_told_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal has refused an append, and the loop has not come to it yet when the next is put in line."""
    disk, told = FullOnce(), threading.Event()
    storage = await ParquetStorage.open(tmp_path, OPTIONS, disk)
    await storage.append([journal("r", 1)])
    disk.fails_next = True
    first = asyncio.create_task(storage.append([journal("r", 2)]))
    await asyncio.to_thread(disk.has_begun.wait)
    on_loop = Journal._on_loop

    def note(self: Journal, *calls: Callable[[], None]) -> None:
        on_loop(self, *calls)
        told.set()

    monkeypatch.setattr(Journal, "_on_loop", note)
    second = asyncio.create_task(storage.append([journal("r", 3)]))
    disk.may_fail.set()
    told.wait()  # the loop stands still
    for refused in (first, second):
        with pytest.raises(StorageFull, match="no space left"):
            await refused
    assert await rows(storage, Table.JOURNAL) == [journal("r", 1)]
    await storage.close()


async def test_a_flush_without_space_loses_nothing_and_succeeds_later(tmp_path: Path) -> None:
    """The records stay in the journal and in memory, and are flushed once there is space."""
    disk = FullDisk()
    storage = await ParquetStorage.open(tmp_path, OPTIONS, disk)
    await storage.append([head("r1"), journal("r1", 1)])
    disk.is_full = True
    with pytest.raises(StorageFull):
        await storage.flush()
    assert storage.health().error is not None
    assert await rows(storage, Table.RUNS) == [head("r1")]
    disk.is_full = False
    await storage.append([head("r2")])
    await storage.flush()
    assert storage.health().error is None
    assert storage.health().figures["memory_records"] == 0
    assert await rows(storage, Table.RUNS) == [head("r1"), head("r2")]
    await storage.close()


async def test_a_blob_without_space_is_refused(tmp_path: Path) -> None:
    """StorageFull, and no half blob under the name."""
    disk = FullDisk()
    storage = await ParquetStorage.open(tmp_path, OPTIONS, disk)
    disk.is_full = True
    name = "9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0"
    with pytest.raises(StorageFull):
        await storage.put_blob(name, b"aaa")
    disk.is_full = False
    await storage.put_blob(name, b"aaa")
    assert await storage.get_blob(name) == b"aaa"
    await storage.close()


async def test_a_failed_sync_stops_the_store_for_good(tmp_path: Path) -> None:
    """The system says all is well at the second try; the store does not believe it. Acknowledged records are kept."""
    disk = BrokenSync()
    storage = await ParquetStorage.open(tmp_path, OPTIONS, disk)
    await storage.append([head("r1")])
    disk.fails_next = True
    waiting = [asyncio.ensure_future(storage.append([head(f"lost{number}")])) for number in range(3)]
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, StorageError) for answer in answers)
    with pytest.raises(StorageError, match="cannot sync"):
        await storage.append([head("r2")])
    with pytest.raises(StorageError, match="cannot sync"):
        await storage.flush()
    health = storage.health()
    assert not health.is_writable
    assert health.error is not None
    assert await storage.get(Table.RUNS, ("r1",)) == head("r1")
    await storage.close()
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    assert await storage.get(Table.RUNS, ("r1",)) == head("r1")
    await storage.close()


async def test_short_writes_are_completed(tmp_path: Path) -> None:
    """A system that writes a few bytes at a time still gets whole files."""
    storage = await ParquetStorage.open(tmp_path, OPTIONS, ShortWrites())
    written = [journal("r", number, body=bytes([number]) * 500) for number in range(1, 9)]
    for record in written:
        await storage.append([record])
    await storage.flush()
    await storage.close()
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    assert await rows(storage, Table.JOURNAL) == written
    await storage.close()


async def test_interrupted_writes_are_tried_again(tmp_path: Path) -> None:
    """EINTR is no failure: journal, parts and manifests are whole."""
    system = Interrupted()
    storage = await ParquetStorage.open(tmp_path, OPTIONS, system)
    written = [journal("r", number, body=bytes([number]) * 500) for number in range(1, 9)]
    for record in written:
        await storage.append([record])
    await storage.flush()
    await storage.close()
    assert system.interruptions > 20
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    assert await rows(storage, Table.JOURNAL) == written
    await storage.close()


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
@pytest.mark.parametrize("kind", ["make_dir", "open", "pwritev"])
async def test_a_store_that_may_not_be_written_is_told(tmp_path: Path, code: int, kind: str) -> None:
    """Whatever is refused at open: the message names the place and what to do, and the lock is free again."""
    with pytest.raises(StorageError, match=rf"{tmp_path}.* is not writable .*choose another storage"):
        await ParquetStorage.open(tmp_path / "store", OPTIONS, Refusing(kind, code=code))
    storage = await ParquetStorage.open(tmp_path / "store", OPTIONS)
    await storage.close()


@pytest.mark.parametrize("code", [errno.EROFS, errno.EIO])
async def test_a_disk_that_becomes_read_only_or_breaks_keeps_what_was_acknowledged(tmp_path: Path, code: int) -> None:
    """Appends are refused, and stay refused when the disk says that all is well again; reads go on."""
    system = Refusing("open", "pwritev", "make_dir")
    storage = await ParquetStorage.open(tmp_path, OPTIONS, system)
    await storage.append([head("r1")])
    for system.code in (code, code, 0):
        with pytest.raises(
            StorageError, match=r"cannot write the journal: .*(Read-only file system|Input/output error)"
        ):
            await storage.append([head("r2")])
    assert not storage.health().is_writable
    assert await rows(storage, Table.RUNS) == [head("r1")]
    await storage.close()
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    assert await rows(storage, Table.RUNS) == [head("r1")]
    await storage.close()


async def test_a_journal_that_cannot_be_read_is_not_taken_for_damaged(tmp_path: Path) -> None:
    """EIO at recovery is an error that names the disk; when it reads again, everything is there."""
    await journal_only(tmp_path, 3)
    system = Refusing("read", code=errno.EIO)
    with pytest.raises(StorageError, match=r"cannot open the store: .*Input/output error") as caught:
        await ParquetStorage.open(tmp_path, OPTIONS, system)
    assert not isinstance(caught.value, StorageCorrupt)
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    assert len(await rows(storage, Table.JOURNAL)) == 3
    await storage.close()


async def test_a_part_that_cannot_be_read_is_not_taken_for_damaged(tmp_path: Path) -> None:
    """EIO in the middle of a part: an error that names the file, and the next read tries again."""
    objects = UnreadableParts(OsFiles(), tmp_path)
    storage = await ParquetStorage.open_at(local_place(OsFiles(), tmp_path)._replace(objects=objects), OPTIONS)
    await storage.append([head("r1")])
    await storage.flush()
    for objects.fails_at in (0, 5, 400):
        with pytest.raises(StorageError, match=r"cannot read a part: .*\.parquet: .*Input/output error") as caught:
            await rows(storage, Table.RUNS)
        assert not isinstance(caught.value, StorageCorrupt)
    objects.fails_at = None
    assert await rows(storage, Table.RUNS) == [head("r1")]
    assert await storage.get(Table.RUNS, ("r1",)) == head("r1")
    await storage.close()


async def test_a_process_without_descriptors_reads_and_writes_once_it_has_some(tmp_path: Path) -> None:
    """EMFILE at the open of a part and of a segment, from the system itself: an error, nothing lost, and no damage."""
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    await storage.append([head("r1"), journal("r1", 1)])
    await storage.flush()
    with no_descriptors():
        with pytest.raises(StorageError, match="Too many open files") as read:
            await storage.get(Table.RUNS, ("r1",))
        with pytest.raises(StorageError, match="Too many open files"):
            await storage.append([head("refused")])
    assert not isinstance(read.value, StorageCorrupt)
    assert await storage.get(Table.RUNS, ("r1",)) == head("r1")
    await storage.append([head("r2")])
    await storage.close()
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    assert await rows(storage, Table.RUNS) == [head("r1"), head("r2")]
    await storage.close()


async def test_a_journal_whose_folder_is_gone_refuses_appends(tmp_path: Path) -> None:
    """Somebody removed it under an open store: an error that names it, and what is in parts can be read."""
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    await storage.append([head("r1")])
    await storage.flush()
    shutil.rmtree(tmp_path / "wal")
    (tmp_path / "wal").write_text("in the way")
    with pytest.raises(StorageError, match=rf"{tmp_path}/wal"):
        await storage.append([head("r2")])
    assert await rows(storage, Table.RUNS) == [head("r1")]
    await storage.close()


async def test_appends_wait_while_too_much_is_on_its_way(tmp_path: Path) -> None:
    """With a bound of a few bytes all appends still get through, one after the other and in their order."""
    storage = await ParquetStorage.open(tmp_path, StoreOptions(queue_bytes=100, flush_age_s=3600.0))
    tasks = [asyncio.create_task(storage.append([journal("r", number, body=b"x" * 200)])) for number in range(60)]
    await asyncio.sleep(0)
    tasks[10].cancel()
    tasks[0].cancel()
    most = 0.0
    while not all(task.done() for task in tasks):
        most = max(most, storage.health().figures["queued_bytes"])
        await asyncio.sleep(0)
    seqs = [task.result() for task in tasks if not task.cancelled()]
    assert len(seqs) == 58
    assert seqs == sorted(seqs)
    assert most < 1000
    await storage.close()
