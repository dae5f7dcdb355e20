"""Damage to objects of a bucket: always an error that names the object, never different data."""

from collections.abc import Callable

import pytest

from greenroom.runtime.contracts.errors import StorageCorrupt, StorageError
from greenroom.runtime.contracts.records import Table
from greenroom.storage.journal.log import SegmentName
from greenroom.storage.objects.bucket import Bucket
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet.verify import verify
from tests.contract.records import head
from tests.s3.buckets import objects_of, place_of
from tests.s3.stores import open_store, runs

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit of its header": lambda data: data[:9] + bytes([data[9] ^ 1]) + data[10:],
    "a bit of its body": lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
    "its end is missing": lambda data: data[:-1],
    "all of it is missing": lambda _: b"",
    "something follows it": lambda data: data + b"\0",
    "it is there twice": lambda data: data * 2,
}


async def _crashed(bucket: Bucket) -> tuple[Objects, list[str]]:
    """Leave a store with three groups in its journal."""
    storage = await open_store(bucket)
    for number in range(3):
        await storage.append([head(f"r{number}")])
    storage._journal.error = StorageError("nothing is flushed from here on, as after a crash")
    await storage.close()
    objects = objects_of(bucket)
    return objects, objects.list("wal")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("which", [0, 2])
async def test_a_damaged_group_is_found_even_the_last(bucket: Bucket, damage: str, which: int) -> None:
    """An object is never half written, so damage to the last has no excuse either: it was acknowledged."""
    objects, keys = await _crashed(bucket)
    objects.put(keys[which], DAMAGES[damage](objects.read(keys[which])))
    with pytest.raises(StorageCorrupt, match=keys[which]):
        await open_store(bucket)
    assert {found.file for found in verify(place_of(bucket)).damages} >= {objects.address(keys[which])}


async def test_a_group_that_is_missing_is_found(bucket: Bucket) -> None:
    """The chain of groups has a hole."""
    objects, keys = await _crashed(bucket)
    objects.delete(keys[1])
    with pytest.raises(StorageCorrupt, match=r"record 2 should follow and record 3 does"):
        await open_store(bucket)


async def test_a_group_whose_name_is_taken_is_not_acknowledged(bucket: Bucket) -> None:
    """Somebody else's object stays as it is, and the store stops."""
    storage = await open_store(bucket)
    key = f"wal/{SegmentName(storage.health().epoch, 1)}"
    objects_of(bucket).put(key, b"theirs")
    with pytest.raises(StorageError, match=r"another writer has made this object"):
        await storage.append([head("r")])
    assert objects_of(bucket).read(key) == b"theirs"
    await storage.close()


@pytest.mark.parametrize("damage", ["a bit of its body", "its end is missing", "something follows it"])
async def test_a_damaged_part_is_found(bucket: Bucket, damage: str) -> None:
    """When the store is opened or when the part is read, and by verify."""
    storage = await open_store(bucket)
    await storage.append([head("r1")])
    await storage.close()
    objects = objects_of(bucket)
    key = objects.list("data/runs")[0]
    objects.put(key, DAMAGES[damage](objects.read(key)))
    with pytest.raises(StorageCorrupt, match=key):  # noqa: PT012 - one or the other
        again = await open_store(bucket)
        try:
            await again.get(Table.RUNS, ("r1",))
        finally:
            await again.close()
    assert [found.file for found in verify(place_of(bucket)).damages] == [objects.address(key)]


async def test_an_undamaged_store_verifies(bucket: Bucket) -> None:
    """Journal and parts, every byte; nothing is changed."""
    storage = await open_store(bucket)
    await storage.append([head("r1")])
    await storage.flush()
    await storage.append([head("r2")])
    report = await storage.verify()
    assert (report.damages, report.rows) == ((), 2)
    assert await runs(storage) == ["r1", "r2"]
    await storage.close()
