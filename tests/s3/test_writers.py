"""Several writers on one bucket: one has it, and what the others do changes nothing."""

import asyncio
from pathlib import Path

import pytest

from greenroom.runtime.contracts.errors import Fenced
from greenroom.storage.objects.bucket import Bucket
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head, journal
from tests.s3.proxy import Fault, Proxy
from tests.s3.stores import groups, open_store, runs


@pytest.fixture(params=["bucket", "volume"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where the journal is; a volume may be mounted by two hosts."""
    return tmp_path / "journal" if request.param == "volume" else None


async def test_the_newer_of_two_writers_wins(bucket: Bucket, folder: Path | None) -> None:
    """It has everything that was acknowledged; the older one is fenced for ever."""
    old = await open_store(bucket, folder, is_elsewhere=True)
    await old.append([head("r1")])
    await old.confirm()
    new = await open_store(bucket, folder, is_elsewhere=True)
    for call in (old.confirm(), old.append([head("late")]), old.append([head("later")]), old.flush()):
        with pytest.raises(Fenced):
            await call
    await new.append([head("r2")])
    await asyncio.gather(old.close(), new.close())
    again = await open_store(bucket, folder)
    assert await runs(again) == ["r1", "r2"]
    await again.close()


async def test_of_many_that_open_at_once_one_can_write(proxied: Bucket, folder: Path | None) -> None:
    """All take different epochs, and only the newest is not fenced."""
    opened = await asyncio.gather(
        *(open_store(proxied, folder, is_elsewhere=True) for _ in range(4)), return_exceptions=True
    )
    stores = [store for store in opened if isinstance(store, ParquetStorage)]
    assert all(isinstance(store, ParquetStorage | Fenced) for store in opened)
    answers = await asyncio.gather(*(store.append([head("r")]) for store in stores), return_exceptions=True)
    assert sum(isinstance(answer, int) for answer in answers) == 1
    assert sum(isinstance(answer, Fenced) for answer in answers) == len(stores) - 1
    for store in stores:
        await store.close()


@pytest.mark.parametrize("is_flushed", [False, True])
async def test_a_group_that_arrives_after_a_take_over_is_never_seen(
    proxy: Proxy, proxied: Bucket, is_flushed: bool
) -> None:
    """A writer stalls with an object on its way and wakes when the store is another's: Fenced, and nothing of it shows.

    Also after the new owner has flushed and swept: the name is free again then, and creating it succeeds.
    """
    old = await open_store(proxied)
    await old.append([head("r1"), journal("r1", 1)])
    stalled = proxy.inject(Fault.HOLD, "PUT", "/wal/")
    late = asyncio.create_task(old.append([head("late"), journal("r1", 2)]))
    await asyncio.to_thread(stalled.arrived.wait)
    new = await open_store(proxied)
    await new.append([head("r2")])
    if is_flushed:
        await new.flush()
    stalled.released.set()
    with pytest.raises(Fenced):
        await late
    assert (await runs(new), await groups(new)) == (["r1", "r2"], [1])
    await asyncio.gather(old.close(), new.close())
    for _ in range(2):
        again = await open_store(proxied)
        assert (await runs(again), await groups(again)) == (["r1", "r2"], [1])
        await again.close()


async def test_a_manifest_that_arrives_after_a_take_over_is_refused(
    proxy: Proxy, proxied: Bucket, folder: Path | None
) -> None:
    """Its number is taken by the new owner's; what it listed is in the journal, and shows once."""
    old = await open_store(proxied, folder, is_elsewhere=True)
    await old.append([head("r1"), journal("r1", 1)])
    stalled = proxy.inject(Fault.HOLD, "PUT", "/manifest/")
    flush = asyncio.create_task(old.flush())
    await asyncio.to_thread(stalled.arrived.wait)
    new = await open_store(proxied, folder, is_elsewhere=True)
    stalled.released.set()
    with pytest.raises(Fenced):
        await flush
    await new.append([head("r2")])
    await new.flush()
    assert (await runs(new), await groups(new)) == (["r1", "r2"], [1])
    await asyncio.gather(old.close(), new.close())
    again = await open_store(proxied, folder)
    assert (await runs(again), await groups(again)) == (["r1", "r2"], [1])
    await again.close()


async def test_a_manifest_that_arrives_while_a_new_writer_opens_is_built_upon(
    proxy: Proxy, proxied: Bucket, folder: Path | None
) -> None:
    """The new writer's own is refused then; it reads again, and every record shows once."""
    old = await open_store(proxied, folder, is_elsewhere=True)
    await old.append([head("r1"), journal("r1", 1)])
    stalled = proxy.inject(Fault.HOLD, "PUT", "/manifest/")
    flush = asyncio.create_task(old.flush())
    await asyncio.to_thread(stalled.arrived.wait)
    opening_manifest = proxy.inject(Fault.HOLD, "PUT", "/manifest/")
    opening = asyncio.create_task(open_store(proxied, folder, is_elsewhere=True))
    await asyncio.to_thread(opening_manifest.arrived.wait)
    stalled.released.set()
    with pytest.raises(Fenced):
        await flush
    opening_manifest.released.set()
    new = await opening
    assert (await runs(new), await groups(new)) == (["r1"], [1])
    await asyncio.gather(old.close(), new.close())
