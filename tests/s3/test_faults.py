"""Stores in a bucket that does not do as it should: nothing acknowledged is lost, nothing is there twice."""

import asyncio
from hashlib import sha256
from pathlib import Path

import pytest

from greenroom.runtime.contracts.errors import Fenced, StorageError
from greenroom.storage.objects.bucket import Bucket
from tests.contract.records import head, journal
from tests.s3.proxy import Fault, Proxy
from tests.s3.stores import groups, open_store, runs

CREATED = ["/STORE.json", "/epoch/", "/manifest/", "/wal/"]
REPLACED = ["/data/journal/", "/data/runs/", "/blobs/"]


@pytest.fixture(params=["bucket", "volume"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where the journal is."""
    return tmp_path / "journal" if request.param == "volume" else None


@pytest.mark.parametrize(
    "fault",
    [
        Fault.LOSE_REPLY,
        Fault.HANG,
        Fault.ANSWER_500,
        Fault.ANSWER_503,
        Fault.ANSWER_409,
        Fault.ANSWER_412,
    ],
)
async def test_a_fault_of_each_kind_of_write_is_survived(
    proxy: Proxy, proxied: Bucket, folder: Path | None, fault: Fault
) -> None:
    """Every append is answered, and each record is there once, whichever reply was lost or refused."""
    paths = CREATED if fault in (Fault.ANSWER_409, Fault.ANSWER_412) else CREATED + REPLACED
    rules = {path: proxy.inject(fault, "PUT", path) for path in paths}
    storage = await open_store(proxied, folder)
    blob = b"image" * 1000
    await storage.put_blob(sha256(blob).hexdigest(), blob)
    for number in range(6):
        assert await storage.append([head("r"), journal("r", number)]) == 2 * number + 2
        if number in (2, 3):
            await storage.flush()
    assert {path for path, rule in rules.items() if not rule.hits} == (set() if folder is None else {"/wal/"})
    await storage.close()
    again = await open_store(proxied, folder)
    assert await runs(again) == ["r"]
    assert await groups(again) == list(range(6))
    assert await again.get_blob(sha256(blob).hexdigest()) == blob
    assert await again.append([head("last")]) == 13
    await again.close()


@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.HANG, Fault.ANSWER_500])
async def test_a_fault_of_each_kind_of_read_is_survived(proxy: Proxy, proxied: Bucket, fault: Fault) -> None:
    """Opening and reading go on."""
    storage = await open_store(proxied)
    await storage.append([head("r1")])
    await storage.flush()
    await storage.append([head("r2")])
    rules = [proxy.inject(fault, "GET", path) for path in ("/data/", "/manifest/", "prefix=.*wal", "/wal/")]
    rules += [proxy.inject(fault, "HEAD", path) for path in ("/epoch/", "/data/")]
    again = await open_store(proxied)
    assert await runs(again) == ["r1", "r2"]
    assert [rule.hits for rule in rules] == [1] * len(rules)
    await again.close()
    await storage.close()


@pytest.mark.parametrize("fault", [Fault.ANSWER_503, Fault.LOSE_REPLY, Fault.ANSWER_403])
async def test_an_append_that_was_not_acknowledged_is_there_once_or_not_at_all(
    proxy: Proxy, proxied: Bucket, fault: Fault
) -> None:
    """The store stops, says why, and opened again it has every acknowledged record and no half group."""
    storage = await open_store(proxied)
    await storage.append([head("r"), journal("r", 1)])
    proxy.inject(fault, "PUT", "/wal/", times=3)
    with pytest.raises(StorageError, match=r"the journal.*/wal/"):
        await storage.append([head("late"), journal("r", 2)])
    with pytest.raises(StorageError, match="the journal"):
        await storage.append([head("later")])
    assert not storage.health().is_writable
    await storage.close()
    again = await open_store(proxied)
    assert (await runs(again), await groups(again)) == (
        (["late", "r"], [1, 2]) if fault is Fault.LOSE_REPLY else (["r"], [1])
    )
    await again.close()


async def test_a_group_is_not_acknowledged_while_the_epoch_cannot_be_looked_at(proxy: Proxy, proxied: Bucket) -> None:
    """Durable is not enough: a newer writer may be there."""
    storage = await open_store(proxied)
    proxy.inject(Fault.ANSWER_503, "HEAD", "/epoch/", times=3)
    with pytest.raises(StorageError, match="journal"):
        await storage.append([head("r")])
    await storage.close()


async def test_a_flush_that_failed_leaves_everything_in_the_journal(
    proxy: Proxy, proxied: Bucket, folder: Path | None
) -> None:
    """No manifest, and parts that count for nothing: the next open reads the journal."""
    storage = await open_store(proxied, folder)
    await storage.append([head("r"), journal("r", 1)])
    proxy.inject(Fault.ANSWER_503, "PUT", "/manifest/", times=3)
    with pytest.raises(StorageError):
        await storage.flush()
    await storage.close()
    again = await open_store(proxied, folder)
    assert (await runs(again), await groups(again)) == (["r"], [1])
    await again.close()


async def test_a_manifest_whose_reply_never_came_keeps_its_parts(
    proxy: Proxy, proxied: Bucket, folder: Path | None
) -> None:
    """It may stand, and then the parts it lists are the only place its records are in."""
    storage = await open_store(proxied, folder)
    await storage.append([head("r"), journal("r", 1)])
    proxy.inject(Fault.LOSE_REPLY, "PUT", "/manifest/", times=3)
    with pytest.raises(StorageError):
        await storage.flush()
    await storage.close()
    again = await open_store(proxied, folder)
    assert (await runs(again), await groups(again)) == (["r"], [1])
    await again.close()


async def test_a_slow_listing_of_the_journal_misses_nothing(proxy: Proxy, proxied: Bucket) -> None:
    """The epoch is taken before the journal is listed: what the old writer adds meanwhile is not acknowledged."""
    old = await open_store(proxied)
    await old.append([head("r1")])
    listing = proxy.inject(Fault.HOLD, "GET", "prefix=.*wal")
    opening = asyncio.create_task(open_store(proxied))
    await asyncio.to_thread(listing.arrived.wait)
    with pytest.raises(Fenced):
        await old.append([head("late")])
    listing.released.set()
    new = await opening
    assert set(await runs(new)) - {"late"} == {"r1"}
    await asyncio.gather(old.close(), new.close())


async def test_a_slow_listing_of_the_epochs_misses_nothing(proxy: Proxy, proxied: Bucket) -> None:
    """Until it has its epoch a new writer fences nobody, and it reads the journal after that."""
    old = await open_store(proxied)
    listing = proxy.inject(Fault.HOLD, "GET", "prefix=.*epoch")
    opening = asyncio.create_task(open_store(proxied))
    await asyncio.to_thread(listing.arrived.wait)
    await old.append([head("r1")])
    listing.released.set()
    new = await opening
    assert await runs(new) == ["r1"]
    await asyncio.gather(old.close(), new.close())


async def test_opening_a_store_asks_for_no_part_by_itself(proxy: Proxy, proxied: Bucket) -> None:
    """The sizes of all parts come with one listing, however many there are."""
    for number in range(3):
        storage = await open_store(proxied)
        await storage.append([head(f"r{number}"), journal("r", number)])
        await storage.close()
    before = len(proxy.requests)
    storage = await open_store(proxied)
    assert not [path for method, path in proxy.requests[before:] if method != "DELETE" and "/data/" in path]
    await storage.close()
