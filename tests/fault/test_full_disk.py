"""Disks that are full for a while: in the journal, in a flush, a merge, a purge."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.runtime.contracts.errors import StorageFull
from greenroom.runtime.contracts.records import Record, Table
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.reserve import NAME as RESERVE
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import deleted, head, journal
from tests.contract.stores import rows
from tests.fault.failing_files import FullDisk, SmallDisk
from tests.fault.work import files_of

OPTIONS = StoreOptions(
    segment_bytes=4096, flush_age_s=3600.0, max_runs=100, reserve_bytes=0, reader_grace_s=0.0, kept_manifests=1
)


async def _append_until_full(storage: ParquetStorage) -> list[Record]:
    kept: list[Record] = []
    try:
        while True:
            row = journal("r", len(kept) + 1, body=b"x" * 900)
            await storage.append([row])
            kept.append(row)
    except StorageFull:
        return kept


async def test_a_full_disk_is_flushed_in_the_space_that_was_reserved(tmp_path: Path) -> None:
    """The journal has taken all the rest; the flush makes room, appends go on, and the space is reserved again."""
    disk = SmallDisk(tmp_path, 100_000)
    options = replace(OPTIONS, reserve_bytes=40_000)
    storage = await ParquetStorage.open(tmp_path, options, disk)
    kept = await _append_until_full(storage)
    assert len(kept) > 20
    await storage.flush()
    more = await _append_until_full(storage)
    assert len(more) > 20
    assert (tmp_path / RESERVE).stat().st_size == 40_000
    assert disk.used <= disk.capacity
    assert len(await rows(storage, Table.JOURNAL)) == max(len(kept), len(more))
    await storage.close()
    storage = await ParquetStorage.open(tmp_path, options)
    assert len(await rows(storage, Table.JOURNAL)) == max(len(kept), len(more))
    await storage.close()


async def test_a_full_disk_without_a_reserve_waits_for_space(tmp_path: Path) -> None:
    """Neither appends nor flushes succeed, nothing is lost, and when there is space all goes on by itself."""
    disk = SmallDisk(tmp_path, 60_000)
    storage = await ParquetStorage.open(tmp_path, OPTIONS, disk)
    kept = await _append_until_full(storage)
    disk.capacity = disk.used
    with pytest.raises(StorageFull):
        await storage.flush()
    assert await rows(storage, Table.JOURNAL) == kept
    disk.capacity = 1_000_000
    kept.append(journal("r", len(kept) + 1))
    await storage.append(kept[-1:])
    await storage.flush()
    assert storage.health().error is None
    assert await rows(storage, Table.JOURNAL) == kept
    await storage.close()


@pytest.mark.parametrize("name", ["flush", "compact", "purge"])
async def test_a_piece_of_upkeep_without_space_succeeds_later(tmp_path: Path, name: str) -> None:
    """StorageFull, nothing changes and nothing is left lying about; the next try does all of it."""
    disk = FullDisk()
    storage = await ParquetStorage.open(tmp_path, OPTIONS, disk)
    for number in range(3):
        await storage.append([head(f"r{number}"), journal(f"r{number}", 1)])
        await storage.flush()
    await storage.append([deleted("run", "r1")])
    call: Callable[[], Awaitable[object]] = getattr(storage, name)
    disk.is_full = True
    before = files_of(tmp_path / "data")
    for _ in range(3):
        with pytest.raises(StorageFull, match="no space left"):
            await call()
        assert await rows(storage, Table.RUNS) == [head("r0"), head("r2")]
        assert files_of(tmp_path / "data") == before
    disk.is_full = False
    await call()
    assert storage.health().error is None
    assert await rows(storage, Table.RUNS) == [head("r0"), head("r2")]
    await storage.close()
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    assert await rows(storage, Table.RUNS) == [head("r0"), head("r2")]
    await storage.close()
