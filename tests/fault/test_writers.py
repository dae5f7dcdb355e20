"""Several writers, newer formats, folders that are no store."""

import asyncio
import itertools
import os
import shutil
from pathlib import Path

import pytest

from greenroom.runtime.contracts.errors import ConfigError, Fenced, StorageError
from greenroom.runtime.contracts.records import Table
from greenroom.storage.journal.epoch import Epoch
from greenroom.storage.memory import MemoryStorage
from greenroom.storage.objects import checked_json
from greenroom.storage.objects.local import LocalObjects
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.open import open_storage
from greenroom.storage.parquet.identity import StoreIdentity
from greenroom.storage.parquet.lock import StoreLock
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from greenroom.storage.reader import sql
from tests.contract.records import head, journal
from tests.contract.stores import SMALL, rows


async def test_a_second_writer_on_this_host_is_refused(tmp_path: Path) -> None:
    """The message says which process has the store and what to do; a close lets the next one in."""
    storage = await ParquetStorage.open(tmp_path)
    with pytest.raises(StorageError, match=rf"already open by process {os.getpid()} on .*greenroom down"):
        await ParquetStorage.open(tmp_path)
    await storage.append([head("r1")])
    await storage.close()
    storage = await ParquetStorage.open(tmp_path)
    assert await storage.get(Table.RUNS, ("r1",)) == head("r1")
    await storage.close()


async def test_a_writer_that_was_replaced_is_fenced_for_ever(tmp_path: Path) -> None:
    """Once there is a newer epoch nothing of the older writer is acknowledged: no append, no flush, and it can ask."""
    storage = await ParquetStorage.open(tmp_path)
    await storage.append([head("r1")])
    await storage.confirm()
    Epoch.take(LocalObjects(OsFiles(), tmp_path), now=0.0)
    with pytest.raises(Fenced):
        await storage.confirm()
    for _ in range(2):
        with pytest.raises(Fenced):
            await storage.append([head("r2")])
    with pytest.raises(Fenced):
        await storage.flush()
    assert not storage.health().is_writable
    await storage.close()


async def test_a_writer_whose_folder_was_moved_away_keeps_nothing_more(tmp_path: Path) -> None:
    """Its open files would still take every byte, and nobody would find them again; what was kept moves along."""
    storage = await ParquetStorage.open(tmp_path / "store")
    await storage.append([head("r1")])
    (tmp_path / "store").rename(tmp_path / "moved")
    for _ in range(2):
        with pytest.raises(StorageError, match=r"store/epoch/0+1 is gone: was the store removed, moved or unmounted"):
            await storage.append([head("r2")])
    with pytest.raises(StorageError, match="is gone"):
        await storage.confirm()
    assert not storage.health().is_writable
    await storage.close()
    storage = await ParquetStorage.open(tmp_path / "moved")
    assert await storage.get(Table.RUNS, ("r1",)) == head("r1")
    await storage.close()


class Blind(OsFiles):
    """Files that a look does not find, as where it is not allowed."""

    def sees(self, path: str) -> bool:
        return False


async def test_a_look_that_finds_nothing_is_no_proof(tmp_path: Path) -> None:
    """Whether the epoch is over is then asked with the reason."""
    storage = await ParquetStorage.open(tmp_path, ops=Blind())
    await storage.append([head("r1")])
    Epoch.take(LocalObjects(OsFiles(), tmp_path), now=0.0)
    with pytest.raises(Fenced):
        await storage.append([head("r2")])
    await storage.close()


@pytest.fixture
def no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two writers open one store, as two hosts can."""
    acquire = StoreLock.acquire.__func__  # type: ignore[attr-defined]
    hosts = itertools.count()

    def elsewhere(_: type[StoreLock], root: Path) -> StoreLock:
        folder = root / f"host-{next(hosts)}"
        folder.mkdir()
        lock: StoreLock = acquire(StoreLock, folder)
        return lock

    monkeypatch.setattr(StoreLock, "acquire", classmethod(elsewhere))


@pytest.mark.usefixtures("no_lock")
async def test_what_a_stalled_writer_does_after_a_take_over_is_never_seen(tmp_path: Path) -> None:
    """A writer of another host wakes up late: its appends, flushes and merges change nothing for the new owner."""
    old = await ParquetStorage.open(tmp_path, SMALL)
    await old.append([head("r1"), journal("r1", 1)])
    new = await ParquetStorage.open(tmp_path, SMALL)
    assert await rows(new, Table.RUNS) == [head("r1")]
    with pytest.raises(Fenced):
        await old.append([head("late")])
    await new.append([head("r2")])
    await old.close()
    for number in range(6):
        await new.append([head(f"n{number}")])
        await new.flush()
    await new.close()
    again = await ParquetStorage.open(tmp_path, SMALL)
    assert {row.row_key[0] for row in await rows(again, Table.RUNS)} == {"r1", "r2", *(f"n{n}" for n in range(6))}
    await again.close()


@pytest.mark.usefixtures("no_lock")
async def test_a_stalled_writers_flush_is_refused(tmp_path: Path) -> None:
    """Its manifest has a number that is taken; the new owner's parts and journal stay."""
    old = await ParquetStorage.open(tmp_path, SMALL)
    await old.append([head("r1")])
    new = await ParquetStorage.open(tmp_path, SMALL)
    await new.append([head("r2")])
    with pytest.raises(Fenced):
        await old.flush()
    await new.flush()
    assert await rows(new, Table.RUNS) == [head("r1"), head("r2")]
    await asyncio.gather(old.close(), new.close())


@pytest.mark.usefixtures("no_lock")
async def test_of_many_that_open_at_once_one_can_write(tmp_path: Path) -> None:
    """All take different epochs, and only the newest is not fenced."""
    opened = await asyncio.gather(*(ParquetStorage.open(tmp_path, SMALL) for _ in range(4)), return_exceptions=True)
    stores = [store for store in opened if isinstance(store, ParquetStorage)]
    assert all(isinstance(store, ParquetStorage | Fenced) for store in opened)
    answers = await asyncio.gather(*(store.append([head("r")]) for store in stores), return_exceptions=True)
    assert sum(isinstance(answer, int) for answer in answers) == 1
    assert sum(isinstance(answer, Fenced) for answer in answers) == len(stores) - 1
    for store in stores:
        await store.close()


async def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """The message says which format the store has and which this code reads."""
    newer = StoreIdentity(format=2, store_id="x", created_at=0.0)
    (tmp_path / "STORE.json").write_bytes(checked_json.encode(newer))
    with pytest.raises(StorageError, match=r"format 2, .* reads format 1"):
        await ParquetStorage.open(tmp_path)


async def test_urls_name_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute, relative and plain forms open the same store; an unknown scheme is told what there is."""
    monkeypatch.chdir(tmp_path)
    for url in (f"file://{tmp_path}/my%20store", "file://my store", "my store", str(tmp_path / "my store")):
        storage = await open_storage(url)
        assert storage.health().url == f"file://{tmp_path}/my store"
        await storage.close()
    assert isinstance(await open_storage("memory://"), MemoryStorage)
    for url in ("gs://bucket/store", "postgresql://host/db", "redis://", "file://", "", "memory://x"):
        with pytest.raises(ConfigError, match=r"memory://, file:///absolute/path"):
            await open_storage(url)


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The message names the folder; no trace of the system's error alone."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match=r"cannot open the store: .*/file.*Not a directory"):
        await open_storage(str(tmp_path / "file" / "store"))

    class ReadOnly(OsFiles):
        def make_dir(self, path: Path) -> bool:
            raise OSError(30, "Read-only file system", str(path))

    with pytest.raises(StorageError, match=r"not writable .*choose another storage"):
        await ParquetStorage.open(tmp_path / "store", StoreOptions(), ReadOnly())


async def test_sql_reads_while_the_runtime_writes(tmp_path: Path) -> None:
    """Views show the newest row of each key that was flushed, typed; a store that moves on stays readable."""
    storage = await ParquetStorage.open(tmp_path / "it's", SMALL)
    assert sql(tmp_path / "it's", "SELECT count(*) FROM runs").fetchall() == [(0,)]
    for number in range(12):
        await storage.append([head("r1", at=1.5, groups=number), journal("r1", number)])
        await storage.flush()
        found = sql(tmp_path / "it's", "SELECT run_id, groups, epoch(created_at), is_open FROM runs").fetchall()
        assert found == [("r1", number, 1.5, True)]
    assert sql(tmp_path / "it's", 'SELECT count(*), max("group") FROM journal').fetchall() == [(12, 11)]
    await storage.close()
    with pytest.raises(StorageError, match="no store at"):
        sql(tmp_path / "nothing", "SELECT 1")
    shutil.rmtree(tmp_path / "it's")
