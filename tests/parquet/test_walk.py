"""Lists read what they show and little more, however large the table is."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from greenroom.runtime.contracts.records import Record, RunHead, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.parquet import walk
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.part import Part
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head, journal, key
from tests.contract.stores import rows

OPTIONS = StoreOptions(flush_age_s=3600.0, max_runs=100, reserve_bytes=0)
RUNS = 40_000
GROUPS = RUNS // 2048


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return the number of row groups read so far, by table."""
    counted: Counter[str] = Counter()
    read = Part.read

    def counting(part: Part, groups: Any = None, columns: Any = None) -> Any:
        counted[part.table] += part.groups if groups is None else len(groups)
        return read(part, groups, columns)

    monkeypatch.setattr(Part, "read", counting)
    return counted


def run(number: int, **changes: Any) -> RunHead:
    """Return a run whose id and time grow with its number, as ids of the runtime do."""
    return replace(head(f"r{number:06d}", at=float(number), status="success"), is_open=False, **changes)


async def filled(root: Path, written: list[Record]) -> ParquetStorage:
    """Return a store with these rows in one sorted run, opened anew, with nothing in its caches."""
    storage = await ParquetStorage.open(root, OPTIONS)
    for start in range(0, len(written), 10_000):
        await storage.append(written[start : start + 10_000])
    await storage.flush()
    await storage.close()
    return await ParquetStorage.open(root, OPTIONS)


async def test_the_newest_fifty_read_a_few_row_groups(tmp_path: Path, reads: Counter[str]) -> None:
    """Of twenty row groups the last one or two are read, by pages of a cursor too."""
    written: list[Record] = [run(number) for number in range(RUNS)]
    storage = await filled(tmp_path, written)
    page = await rows(storage, Table.RUNS, Query(reverse=True, limit=50))
    assert page == written[:-51:-1]
    assert reads["runs"] <= 3
    reads.clear()
    page = await rows(storage, Table.RUNS, Query(reverse=True, limit=50, after=(20_000.0, "r020000")))
    assert page == written[19_999:19_949:-1]
    assert reads["runs"] <= 6
    await storage.close()


async def test_rare_values_are_found_without_reading_what_lacks_them(tmp_path: Path, reads: Counter[str]) -> None:
    """Three failed runs among forty thousand, one run of a user, one that is open, two that are due."""
    written: list[Record] = [run(number) for number in range(RUNS)]
    for number in (500, 15_000, 39_000):
        written[number] = run(number, status="failed")
    written[15_001] = run(15_001, resource_id="user-7")
    written[25_000] = replace(run(25_000, status="waiting"), is_open=True, wake_at=50.0)
    written[35_000] = replace(run(35_000, status="waiting"), is_open=True, wake_at=500.0)
    storage = await filled(tmp_path, written)

    async def cost(query: Query) -> tuple[list[Record], int]:
        reads.clear()
        return await rows(storage, Table.RUNS, query), reads["runs"]

    failed, groups = await cost(Query(where={"status": ("failed",)}, reverse=True, limit=50))
    assert failed == [written[39_000], written[15_000], written[500]]
    assert groups <= 6
    mine, groups = await cost(Query(where={"resource_id": ("user-7",)}))
    assert (mine, groups <= 3) == ([written[15_001]], True)
    moving, groups = await cost(Query(where={"is_open": (True,), "status": ("running", "pending")}))
    assert (moving, groups <= 1) == ([], True)
    due, groups = await cost(Query(where={"is_open": (True,)}, between={"wake_at": (None, 60.0)}))
    assert (due, groups <= 3) == ([written[25_000]], True)
    await storage.close()


async def test_one_runs_journal_reads_its_own_row_groups(tmp_path: Path, reads: Counter[str]) -> None:
    """Whatever else the table holds, in a part that has it and in one that has not."""
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    for start in (0, 1):
        await storage.append([journal(f"r{number // 20:04d}", number % 20) for number in range(start, 20_000, 2)])
        await storage.append([journal(f"only{start}", 1)])
        await storage.flush()
    reads.clear()
    found = await rows(storage, Table.JOURNAL, Query(prefix=("r0500",)))
    assert [row.row_key[1] for row in found] == list(range(20))
    assert reads["journal"] <= 8
    reads.clear()
    assert len(await rows(storage, Table.JOURNAL, Query(prefix=("only1",)))) == 1
    assert reads["journal"] <= 2
    await storage.close()


async def test_a_key_that_is_not_there_reads_nothing(tmp_path: Path, reads: Counter[str]) -> None:
    """Bloom filters answer for every run of parts: a new idempotency key costs no row group, but for a rare mistake."""
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    for part in range(3):
        await storage.append([key(f"k{number * 3 + part:06d}", "r") for number in range(5000)])
        await storage.flush()
    reads.clear()
    for number in range(300):
        assert await storage.get(Table.KEYS, ("w", f"k{number:06d}x")) is None
    assert reads["keys"] < 40
    assert await storage.get(Table.KEYS, ("w", "k007777")) == key("k007777", "r")
    await storage.close()


@pytest.mark.parametrize("is_reverse", [False, True])
async def test_a_list_is_whole_when_more_rows_wait_than_memory_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_reverse: bool
) -> None:
    """Ids that do not grow with time: every row group may hold the next row, and the walk goes in rounds."""
    monkeypatch.setattr(walk, "MAX_PENDING_ROWS", 700)
    written: list[Record] = [
        replace(run(number), created_at=float(number * 7919 % 6007 // 3)) for number in range(6000)
    ]
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    for start in range(0, 6000, 2000):
        await storage.append(written[start : start + 2000])
        await storage.flush()
    changed = [replace(row, groups=1) for row in written[1000:5000:7] if isinstance(row, RunHead)]
    await storage.append(changed)
    await storage.flush()
    latest = {row.row_key: row for row in [*written, *changed]}
    expected = sorted(latest.values(), key=lambda row: row.order, reverse=is_reverse)
    assert await rows(storage, Table.RUNS, Query(reverse=is_reverse)) == expected
    assert await rows(storage, Table.RUNS, Query(reverse=is_reverse, limit=2000)) == expected[:2000]
    await storage.close()


async def test_rows_that_newer_parts_replaced_are_left_out_page_by_page(tmp_path: Path) -> None:
    """Forty thousand old heads said running; the newer parts say success, and the list of running runs is short."""
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    await storage.append([replace(run(number), status="running") for number in range(4000)])
    await storage.flush()
    for start in range(0, 3990, 1330):
        await storage.append([run(number) for number in range(start, start + 1330)])
        await storage.flush()
    found = await rows(storage, Table.RUNS, Query(where={"status": ("running",)}, limit=50))
    assert [row.row_key[0] for row in found] == [f"r{number:06d}" for number in range(3990, 4000)]
    await storage.close()
