"""Merging: few runs, bounded memory, and nothing superseded, deleted or too old stays on the disk."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from greenroom.runtime.contracts.records import Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.parquet import merge
from greenroom.storage.parquet.merge import merged, runs_of
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.part import Part
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import blob, charge, deleted, head, journal, message, span
from tests.contract.stores import SMALL, rows

STILL = StoreOptions(flush_age_s=3600.0, reader_grace_s=0.0, max_runs=1000, reserve_bytes=0)
"""Flushes and merges only when told to."""


def part_rows(storage: ParquetStorage) -> int:
    return int(storage.health().figures["part_rows"])


async def test_superseded_rows_leave_the_disk_by_themselves(tmp_path: Path) -> None:
    """A head that is written over and over is on the disk a handful of times, whatever the number of flushes."""
    storage = await ParquetStorage.open(tmp_path, SMALL)
    most_parts = 0
    for number in range(40):
        await storage.append([head("r1", groups=number)])
        await storage.flush()
        most_parts = max(most_parts, len(list((tmp_path / "data").rglob("*.parquet"))))
    assert part_rows(storage) <= SMALL.max_runs
    assert most_parts <= 2 * (SMALL.max_runs + 1)  # a merge's inputs go once its result is listed
    await storage.close()


async def test_large_runs_are_not_written_again_for_a_few_new_rows(tmp_path: Path) -> None:
    """Merges take the small new runs; the large old one stays until they have grown near its size."""
    storage = await ParquetStorage.open(tmp_path, SMALL)
    await storage.append([journal("r", number, body=number.to_bytes(8, "big") * 40) for number in range(5000)])
    await storage.compact()
    (large,) = (tmp_path / "data" / "journal").rglob("*.parquet")
    for number in range(12):
        await storage.append([journal("s", number)])
        await storage.flush()
        assert large.exists()
    assert len(await rows(storage, Table.JOURNAL)) == 5012
    await storage.close()


async def test_a_merge_holds_a_row_group_of_each_run_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded memory: rows are written as they come, and what is held does not grow with the table."""
    storage = await ParquetStorage.open(tmp_path, STILL)
    for run in range(4):
        await storage.append([journal(f"r{number % 50:02d}", number * 4 + run) for number in range(6000)])
        await storage.flush()
    held: list[int] = []
    take = merge._Cursor.take_up_to

    def watched(cursor: Any, cut: Any) -> Any:
        held.append(cursor._rows.num_rows)
        return take(cursor, cut)

    monkeypatch.setattr(merge._Cursor, "take_up_to", watched)
    report = await storage.compact()
    assert report.parts_after == 1
    assert max(held) <= 512
    assert len(held) > 4 * 6000 / 512
    assert [row.row_key for row in await rows(storage, Table.JOURNAL, Query(prefix=("r07",)))] == sorted(
        ("r07", number * 4 + run) for number in range(7, 6000, 50) for run in range(4)
    )
    await storage.close()


async def test_a_large_merge_is_cut_into_parts_that_do_not_overlap(tmp_path: Path) -> None:
    """Parts of bounded size, one sorted run; lookups and scans are as with one."""
    options = StoreOptions(flush_age_s=3600.0, reader_grace_s=0.0, part_bytes=20_000, reserve_bytes=0)
    storage = await ParquetStorage.open(tmp_path, options)
    written: list[Record] = [head(f"r{number:05d}", at=float(number * 7 % 9973)) for number in range(9000)]
    for start in range(0, 9000, 1500):
        await storage.append(written[start : start + 1500])
        await storage.flush()
    await storage.compact()
    parts = storage._contents.catalog.parts(Table.RUNS)
    assert len(parts) > 3
    assert len(runs_of(parts)) == 1
    assert all(left.info.max_key < right.info.min_key for left, right in pairwise(parts))
    assert await storage.get(Table.RUNS, ("r04321",)) == written[4321]
    newest = sorted(written, key=lambda row: row.order, reverse=True)
    assert await rows(storage, Table.RUNS, Query(reverse=True, limit=60)) == newest[:60]
    assert await rows(storage, Table.RUNS) == newest[::-1]
    await storage.close()


async def test_merged_rows_are_sorted_and_the_newest(tmp_path: Path) -> None:
    """Of three runs with common keys each key comes once, with its newest row, in the order of keys."""
    storage = await ParquetStorage.open(tmp_path, STILL)
    for version, step in ((1, 1), (2, 2), (3, 3)):
        await storage.append([head(f"r{number:03d}", groups=version) for number in range(0, 300, step)])
        await storage.flush()
    found = list(merged(Table.RUNS, runs_of(storage._contents.catalog.parts(Table.RUNS))))
    ids = [run_id for piece in found for run_id in piece.column("run_id").to_pylist()]
    versions = [number for piece in found for number in piece.column("groups").to_pylist()]
    assert ids == [f"r{number:03d}" for number in range(300)]
    assert versions == [3 if number % 3 == 0 else 2 if number % 2 == 0 else 1 for number in range(300)]
    await storage.close()


async def test_deleted_rows_leave_the_disk_by_themselves(tmp_path: Path) -> None:
    """The hourly pass writes parts again without them and drops the deletions; parts of others stay as they are."""
    options = StoreOptions(flush_age_s=3600.0, reader_grace_s=0.0, erase_after_s=0.0, reserve_bytes=0)
    storage = await ParquetStorage.open(tmp_path, options)
    await storage.append([head("r1"), journal("r1", 1, body=b"secret" * 9), message("t", 1), blob("f" * 64, "r1")])
    await storage.flush()
    (untouched,) = (tmp_path / "data" / "messages").rglob("*.parquet")
    await storage.append([deleted("run", "r1")])
    await storage.flush()
    assert part_rows(storage) == 1
    assert storage.health().figures["deletions"] == 0
    assert untouched.exists()
    assert await rows(storage, Table.MESSAGES) == [message("t", 1)]
    await storage.close()


async def test_many_deletions_are_carried_out_before_their_time(tmp_path: Path) -> None:
    """Deletions in memory are bounded: past the limit the parts are written again at the next flush."""
    options = StoreOptions(flush_age_s=3600.0, reader_grace_s=0.0, max_deletions=5, reserve_bytes=0)
    storage = await ParquetStorage.open(tmp_path, options)
    await storage.append([head(f"r{number}") for number in range(20)])
    await storage.flush()
    for number in range(5):
        await storage.append([deleted("run", f"r{number}")])
    await storage.flush()
    assert storage.health().figures["deletions"] == 5
    await storage.append([deleted("run", "r5")])
    await storage.flush()
    assert storage.health().figures["deletions"] == 0
    assert part_rows(storage) == 14
    await storage.close()


async def test_rows_past_their_age_leave_the_disk(tmp_path: Path) -> None:
    """Spans, messages and ledger rows each by their own age; tables without one keep everything."""
    ages = {Table.SPANS: 3600.0, Table.LEDGER: 7200.0}
    options = StoreOptions(flush_age_s=3600.0, reader_grace_s=0.0, retention_s=ages, reserve_bytes=0)
    storage = await ParquetStorage.open(tmp_path, options)
    now = 1_900_000_000.0
    storage._maintenance._now = lambda: now
    old, young = now - 5400, now - 60
    await storage.append([span("r1", "a", at=old), span("r2", "a", at=young), message("t", 1)])
    await storage.append([charge("old", at=old), charge("older", at=now - 9000)])
    report = await storage.compact()
    assert await rows(storage, Table.SPANS) == [span("r2", "a", at=young)]
    assert await rows(storage, Table.LEDGER) == [charge("old", at=old)]
    assert await rows(storage, Table.MESSAGES) == [message("t", 1)]
    assert report.rows_before - report.rows_after == 2
    await storage.close()


async def test_a_part_that_is_wholly_too_old_is_dropped_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Age alone says that nothing in it is kept: the hourly pass lists it no more and reads none of it."""
    options = StoreOptions(
        flush_age_s=3600.0, reader_grace_s=0.0, retention_s={Table.SPANS: 60.0}, erase_after_s=0.0, reserve_bytes=0
    )
    storage = await ParquetStorage.open(tmp_path, options)
    monkeypatch.setattr(Part, "read", lambda *_: pytest.fail("read"))
    await storage.append([span("r1", "a", at=5.0)])
    await storage.flush()
    assert part_rows(storage) == 0
    await storage.close()
