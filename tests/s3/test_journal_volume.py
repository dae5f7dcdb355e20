"""A journal on a local volume, parts in the bucket: which journal may follow which."""

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from greenroom.runtime.contracts.errors import Fenced, StorageCorrupt, StorageError
from greenroom.storage.journal.epoch import Epoch
from greenroom.storage.objects.bucket import Bucket
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head
from tests.contract.stores import SMALL
from tests.s3.buckets import objects_of, place_of
from tests.s3.proxy import Fault, Proxy
from tests.s3.stores import open_store, runs


async def test_an_append_asks_nothing_of_the_bucket(proxy: Proxy, proxied: Bucket, tmp_path: Path) -> None:
    """Neither bytes nor epoch: its speed is the volume's."""
    storage = await open_store(proxied, tmp_path / "j")
    before = len(proxy.requests)
    for number in range(20):
        await storage.append([head(f"r{number}")])
    assert len(proxy.requests) == before
    await storage.close()


async def test_another_journal_may_follow_a_clean_end(bucket: Bucket, tmp_path: Path) -> None:
    """Closed with everything in parts, the store opens with any journal: a new one, an old one, the bucket's own."""
    expected: list[str] = []
    for number, folder in enumerate((tmp_path / "a", tmp_path / "b", None, tmp_path / "a", tmp_path / "b")):
        storage = await open_store(bucket, folder)
        assert await runs(storage) == expected
        expected.append(f"r{number}")
        await storage.append([head(f"r{number}")])
        await storage.close()
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name.endswith(".wal")]


async def test_no_other_journal_may_follow_while_one_has_the_newest_records(bucket: Bucket, tmp_path: Path) -> None:
    """The refusal says which journal, whose it was and what to do, and it disturbs nobody."""
    storage = await open_store(bucket, tmp_path / "a")
    await storage.append([head("r1")])
    for other in (tmp_path / "b", None):
        with pytest.raises(StorageError, match=r"newest records of s3://.* are in journal [0-9a-f]{32}.*/a.*open the"):
            await open_store(bucket, other)
    await storage.append([head("r2")])
    await storage.flush()
    successor = await open_store(bucket, tmp_path / "a", is_elsewhere=True)
    assert await runs(successor) == ["r1", "r2"]
    await successor.close()
    await storage.close()
    again = await open_store(bucket, tmp_path / "b")
    assert await runs(again) == ["r1", "r2"]
    await again.close()


async def test_a_lost_journal_is_given_up_by_name_only(bucket: Bucket, tmp_path: Path) -> None:
    """Its folder empty is another journal, and is refused; named as lost, the store goes on with what is in parts."""
    crashed = await open_store(bucket, tmp_path / "a")
    await crashed.append([head("r1")])
    await crashed.flush()
    await crashed.append([head("r2")])
    crashed._journal.error = StorageError("nothing is flushed from here on, as after a crash")
    await crashed.close()
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(StorageError, match="newest records") as caught:
        await open_store(bucket, tmp_path / "a")
    lost = re.search(r"lost_journal=([0-9a-f]{32})", str(caught.value))
    assert lost is not None
    place = place_of(bucket, tmp_path / "a")
    with pytest.raises(StorageError, match="newest records"):
        await ParquetStorage.open_at(place._replace(lost_journal="0" * 32), SMALL)
    storage = await ParquetStorage.open_at(place._replace(lost_journal=lost[1]), SMALL)
    assert await runs(storage) == ["r1"]
    await storage.append([head("r3")])
    await storage.close()


async def test_a_journal_in_the_bucket_is_not_left_behind(bucket: Bucket, tmp_path: Path) -> None:
    """Records that are in the bucket's own journal only would be lost: the volume has to wait for a clean end."""
    storage = await open_store(bucket)
    await storage.append([head("r1")])
    with pytest.raises(StorageError, match=r"in the bucket, under .*/wal; open the store once without journal="):
        await open_store(bucket, tmp_path / "a")
    await storage.append([head("r2")])
    await storage.close()
    moved = await open_store(bucket, tmp_path / "a")
    assert await runs(moved) == ["r1", "r2"]
    await moved.close()


async def test_a_journal_belongs_to_one_store(bucket: Bucket, tmp_path: Path) -> None:
    """Numbers and epochs of two stores must not meet in one folder."""
    storage = await open_store(bucket, tmp_path / "a")
    await storage.close()
    other = Bucket(name=bucket.name, prefix=f"{bucket.prefix}-other", endpoint=bucket.endpoint, allow_http=True)
    with pytest.raises(StorageError, match=r"JOURNAL.json belongs to store .*give each store a journal folder"):
        await open_store(other, tmp_path / "a")


async def test_a_damaged_journal_identity_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    """Which journal it is cannot be guessed."""
    storage = await open_store(bucket, tmp_path / "a")
    await storage.close()
    data = bytearray((tmp_path / "a" / "JOURNAL.json").read_bytes())
    data[20] ^= 1
    (tmp_path / "a" / "JOURNAL.json").write_bytes(data)
    with pytest.raises(StorageCorrupt, match=r"JOURNAL.json is damaged"):
        await open_store(bucket, tmp_path / "a")


async def test_the_lock_is_in_the_journals_folder(bucket: Bucket, tmp_path: Path) -> None:
    """A second runtime on this host is told at once, and fences nobody."""
    storage = await open_store(bucket, tmp_path / "a")
    with pytest.raises(StorageError, match=r"/a is already open by process"):
        await open_store(bucket, tmp_path / "a")
    await storage.append([head("r1")])
    await storage.close()


async def test_a_take_over_shows_near_although_epochs_were_taken_elsewhere(bucket: Bucket, tmp_path: Path) -> None:
    """The journal's folder has every number up to the newest, so a stalled writer finds the one behind its own."""
    old = await open_store(bucket, tmp_path / "a", is_elsewhere=True)
    await old.append([head("r1")])
    for _ in range(3):
        Epoch.take(objects_of(bucket), now=0.0)
    new = await open_store(bucket, tmp_path / "a", is_elsewhere=True)
    with pytest.raises(Fenced):
        await old.append([head("late")])
    assert await runs(new) == ["r1"]
    await asyncio.gather(old.close(), new.close())


async def test_a_writer_without_the_bucket_loses_nothing(bucket: Bucket, tmp_path: Path) -> None:
    """A newer epoch in the bucket stops the next flush; what was acknowledged until then is in the journal."""
    old = await open_store(bucket, tmp_path / "a")
    objects: Objects = objects_of(bucket)
    Epoch.take(objects, now=0.0)
    await old.append([head("r1")])
    with pytest.raises(Fenced):
        await old.flush()
    with pytest.raises(Fenced):
        await old.append([head("r2")])
    await old.close()
    again = await open_store(bucket, tmp_path / "a")
    assert await runs(again) == ["r1"]
    await again.close()


async def test_a_failed_last_flush_keeps_the_journal_the_one_to_use(bucket: Bucket, tmp_path: Path) -> None:
    """A store that could not put everything into parts when it closed does not let another journal follow."""
    storage = await open_store(bucket, tmp_path / "a")
    await storage.append([head("r1")])
    storage._journal.error = StorageError("nothing is flushed from here on")
    await storage.close()
    with pytest.raises(StorageError, match="newest records"):
        await open_store(bucket, tmp_path / "b")
    again = await open_store(bucket, tmp_path / "a")
    assert await runs(again) == ["r1"]
    await again.close()


async def test_a_journal_that_is_taken_up_while_another_opens_is_not_passed_over(
    proxy: Proxy, proxied: Bucket, tmp_path: Path
) -> None:
    """All was clean when the newcomer looked first. It looks again once it has its epoch, and then it is refused."""
    storage = await open_store(proxied, tmp_path / "a")
    await storage.close()
    taking = proxy.inject(Fault.HOLD, "PUT", "/epoch/")
    newcomer = asyncio.create_task(open_store(proxied, tmp_path / "b"))
    await asyncio.to_thread(taking.arrived.wait)
    storage = await open_store(proxied, tmp_path / "a")
    await storage.append([head("r1")])
    taking.released.set()
    with pytest.raises(StorageError, match="newest records"):
        await newcomer
    await storage.close()
    again = await open_store(proxied, tmp_path / "a")
    assert await runs(again) == ["r1"]
    await again.close()
