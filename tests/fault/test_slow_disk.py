"""A disk that takes 200 ms for a sync."""

import asyncio
from pathlib import Path

from greenroom.runtime.contracts.records import Table
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import journal
from tests.contract.stores import rows
from tests.fault.failing_files import SlowSync

QUEUE_BYTES = 60_000
OPTIONS = StoreOptions(queue_bytes=QUEUE_BYTES, flush_age_s=3600.0, reserve_bytes=0)


async def test_a_slow_disk_holds_appends_back_and_not_the_event_loop(tmp_path: Path) -> None:
    """Memory for what is on its way is bounded, all are answered in order, and others get their turns meanwhile."""
    disk = SlowSync()
    storage = await ParquetStorage.open(tmp_path, OPTIONS, disk)
    turns = 0
    disk.clock = lambda: turns
    tasks = [asyncio.create_task(storage.append([journal("r", n, body=bytes(1000))])) for n in range(1, 301)]
    most = 0.0
    while not all(task.done() for task in tasks):
        most = max(most, storage.health().figures["queued_bytes"])
        turns += 1
        await asyncio.sleep(0.001)
    assert [task.result() for task in tasks] == list(range(1, 301))
    assert QUEUE_BYTES / 2 < most < QUEUE_BYTES + 2000
    groups = storage.health().figures["groups"]
    assert 300 * 1000 / QUEUE_BYTES <= groups < 30
    # A loop that waited for the disk would have no turn during a sync; with one every millisecond there are many.
    assert len(disk.spans) == groups
    assert min(after - before for before, after in disk.spans) > 10
    assert len(await rows(storage, Table.JOURNAL)) == 300
    await storage.close()
