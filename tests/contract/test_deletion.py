"""What every store does with deletions: hidden at once, gone from the disk after a purge, nobody else touched."""

import asyncio
import hashlib

import pytest
from msgspec.structs import replace

from greenroom.runtime.contracts.errors import NotFound
from greenroom.runtime.contracts.records import Record, Table
from greenroom.runtime.contracts.storage import Query, Storage
from tests.contract.records import blob, charge, deleted, head, journal, key, message, span, thread
from tests.contract.stores import Store, rows


def everything_of(run: str, workspace: str) -> list[Record]:
    """Return one row in each table that a run or its workspace has."""
    return [
        head(run, workspace=workspace),
        replace(head(f"{run}-child", workspace=workspace), root_id=run, parent_id=run),
        journal(run, 1, workspace=workspace),
        journal(run, 2, workspace=workspace),
        key(f"key of {run}", run, workspace=workspace),
        span(run, "a/b", workspace=workspace),
        blob(hashlib.sha256(run.encode()).hexdigest(), run, workspace=workspace),
        charge(f"charge of {run}", run_id=run, workspace=workspace),
    ]


async def contents(storage: Storage) -> dict[Table, list[Record]]:
    """Return every row, but for the deletions themselves."""
    return {table: await rows(storage, table) for table in Table if table is not Table.DELETIONS}


@pytest.mark.parametrize("is_flushed", [False, True])
async def test_a_deleted_run_is_gone_from_every_table_at_once(storage: Storage, is_flushed: bool) -> None:
    """Head, children, journal, key, spans, references and charges; the run beside it keeps all of its own."""
    await storage.append(everything_of("r1", "w"))
    await storage.append(everything_of("r2", "w"))
    if is_flushed:
        await storage.flush()
    await storage.append([deleted("run", "r1")])
    assert await storage.get(Table.RUNS, ("r1",)) is None
    assert await storage.get(Table.RUNS, ("r1-child",)) is None
    assert await storage.get(Table.KEYS, ("w", "key of r1")) is None
    assert await rows(storage, Table.JOURNAL, Query(prefix=("r1",))) == []
    found = [record for records in (await contents(storage)).values() for record in records]
    assert len(found) == len(everything_of("r2", "w"))
    assert all(record in found for record in everything_of("r2", "w"))


@pytest.mark.parametrize("is_flushed", [False, True])
async def test_a_deleted_workspace_takes_nothing_of_another_with_it(storage: Storage, is_flushed: bool) -> None:
    """The same thread and key names in two workspaces: only one workspace's rows go."""
    for workspace in ("w", "v"):
        await storage.append([thread("t", workspace=workspace), message("t", 1, workspace=workspace)])
        await storage.append(everything_of(f"r of {workspace}", workspace))
    if is_flushed:
        await storage.flush()
    before = await contents(storage)
    await storage.append([deleted("workspace", workspace="v")])
    after = await contents(storage)
    assert all(record.workspace == "w" for records in after.values() for record in records)
    assert after == {
        table: [record for record in records if record.workspace == "w"] for table, records in before.items()
    }


@pytest.mark.parametrize("is_flushed", [False, True])
async def test_a_deleted_thread_is_gone_with_its_messages(storage: Storage, is_flushed: bool) -> None:
    """Other threads stay, also one of the same name elsewhere."""
    await storage.append([thread("t"), message("t", 1), message("t", 2), thread("u"), message("u", 1)])
    await storage.append([thread("t", workspace="v"), message("t", 1, workspace="v")])
    if is_flushed:
        await storage.flush()
    await storage.append([deleted("thread", "t")])
    assert await storage.get(Table.THREADS, ("w", "t")) is None
    assert await rows(storage, Table.MESSAGES) == [message("t", 1, workspace="v"), message("u", 1)]


async def test_what_is_written_after_a_deletion_is_new(store: Store) -> None:
    """The same names may be used again, in the same append behind the deletion too, before and after a reopen."""
    storage = await store.open()
    await storage.append([head("r1", groups=1), journal("r1", 1), journal("r1", 2)])
    await storage.flush()
    await storage.append([head("r1", groups=2), deleted("run", "r1"), head("r1", groups=3)])
    for change in (storage.flush, storage.compact, None):
        assert await rows(storage, Table.RUNS) == [head("r1", groups=3)]
        assert await storage.get(Table.RUNS, ("r1",)) == head("r1", groups=3)
        assert await rows(storage, Table.JOURNAL) == []
        if change is not None:
            await change()
        else:
            storage = await store.reopen(storage)
    assert await rows(storage, Table.RUNS) == [head("r1", groups=3)]
    await storage.close()


async def test_a_deletion_outlives_a_reopen(store: Store) -> None:
    """Whether the deletion is in the journal or in a part when the store is closed."""
    storage = await store.open()
    await storage.append([*everything_of("r1", "w"), *everything_of("r2", "w"), *everything_of("r3", "w")])
    await storage.flush()
    await storage.append([deleted("run", "r1")])
    await storage.flush()
    await storage.append([deleted("run", "r2")])
    for _ in range(2):
        storage = await store.reopen(storage)
        found = [record for records in (await contents(storage)).values() for record in records]
        assert len(found) == len(everything_of("r3", "w"))
    await storage.close()


async def test_a_purge_removes_blobs_that_only_deleted_runs_referred_to(storage: Storage) -> None:
    """A blob that another run refers to stays; the receipt counts deletions and rows."""
    mine, shared = b"mine" * 100, b"shared" * 100
    names = [hashlib.sha256(data).hexdigest() for data in (mine, shared)]
    await asyncio.gather(storage.put_blob(names[0], mine), storage.put_blob(names[1], shared))
    await storage.append([head("r1"), blob(names[0], "r1"), blob(names[1], "r1"), head("r2"), blob(names[1], "r2")])
    await storage.append([deleted("run", "r1")])
    receipt = await storage.purge()
    assert receipt.deletions == 1
    assert any(names[0] in file for file in receipt.files)
    assert receipt.bytes >= len(mine)
    assert await storage.get_blob(names[1]) == shared
    with pytest.raises(NotFound):
        await storage.get_blob(names[0])
    assert await rows(storage, Table.BLOBS) == [blob(names[1], "r2")]
    again = await storage.purge()
    assert (again.deletions, again.rows) == (0, 0)


async def test_compacting_changes_nothing_that_reads_show(storage: Storage) -> None:
    """Superseded and deleted rows leave; every read is as before."""
    for number in range(12):
        await storage.append([head(f"r{number % 4}", groups=number), journal(f"r{number % 4}", number)])
        if number % 3 == 0:
            await storage.flush()
    await storage.append([deleted("run", "r3")])
    before = await contents(storage)
    report = await storage.compact()
    assert report.parts_after <= report.parts_before or report.parts_before == 0
    assert await contents(storage) == before
    assert (await storage.verify()).damages == ()


@pytest.mark.parametrize("is_flushed", [False, True])
async def test_between_takes_times_above_the_low_and_up_to_the_high_bound(storage: Storage, is_flushed: bool) -> None:
    """What is due in a window: open ends, rows without a time never."""
    heads = [replace(head(f"r{number}", at=float(number)), wake_at=number / 2) for number in range(1, 9)]
    await storage.append([*heads, head("none", at=99.0)])
    if is_flushed:
        await storage.flush()
        heads[3] = replace(heads[3], wake_at=None)
        await storage.append([heads[3]])

    async def due(low: float | None, high: float | None) -> list[Record]:
        return await rows(storage, Table.RUNS, Query(between={"wake_at": (low, high)}))

    asleep = [head for head in heads if head.wake_at is not None]
    assert await due(None, None) == asleep
    assert await due(1.0, 3.5) == [head for head in asleep if 1.0 < (head.wake_at or 0) <= 3.5]
    assert await due(None, 1.0) == heads[:2]
    assert await due(4.0, None) == []
