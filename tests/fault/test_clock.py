"""A clock that goes back, or was wrong."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.runtime.contracts.records import JournalRow, Table
from greenroom.storage.objects import local
from greenroom.storage.parquet import opening
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head, journal, span
from tests.contract.stores import rows

OPTIONS = StoreOptions(
    flush_age_s=3600.0, max_runs=100, reader_grace_s=600.0, retention_s={Table.SPANS: 100.0}, reserve_bytes=0
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the time that stores see when they are opened. A store that is open has its own: `_at`."""

    class Clock:
        now = 0.0

        def time(self) -> float:
            return self.now

    shown = Clock()
    monkeypatch.setattr(opening, "time", shown)
    monkeypatch.setattr(local, "time", shown)
    return lambda now: setattr(shown, "now", now)


def _at(storage: ParquetStorage, now: float) -> None:
    for part in (storage._maintenance, storage._opened.upkeep, storage._opened.sweeper):
        part._now = lambda: now


async def test_records_keep_numbers_and_order_while_the_clock_goes_back(
    tmp_path: Path, clock: Callable[[float], None]
) -> None:
    """Numbers, epochs and versions of manifests go up whatever the time is; the later written wins."""
    seen: list[tuple[float, ...]] = []
    for number, now in enumerate((1e9, 5e8, 0.0, 2e9, 1e9)):
        clock(now)
        storage = await ParquetStorage.open(tmp_path, OPTIONS)
        _at(storage, now - 1e8)
        seq = await storage.append([head("r", groups=number), journal("r", number)])
        await storage.flush()
        health = storage.health()
        seen.append((seq, health.epoch, health.figures["manifest"]))
        assert await storage.get(Table.RUNS, ("r",)) == head("r", groups=number)
        await storage.close()
    for column in zip(*seen, strict=True):
        assert all(before < after for before, after in itertools.pairwise(column))
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    found = await rows(storage, Table.JOURNAL)
    assert [row.group for row in found if isinstance(row, JournalRow)] == list(range(5))
    await storage.close()


async def test_a_clock_that_goes_back_ages_nothing_early(tmp_path: Path) -> None:
    """Rows leave when they are old by the time it is, and not because it was later once."""
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    await storage.append([span("old", "", at=1000.0), span("young", "", at=1050.0)])
    _at(storage, 1090.0)
    await storage.compact()
    assert len(await rows(storage, Table.SPANS)) == 2
    _at(storage, 10.0)
    await storage.compact()
    assert len(await rows(storage, Table.SPANS)) == 2
    _at(storage, 1120.0)
    await storage.compact()
    assert await rows(storage, Table.SPANS) == [span("young", "", at=1050.0)]
    _at(storage, 10.0)
    await storage.append([span("new", "", at=5.0)])
    await storage.compact()
    assert {row.row_key[0] for row in await rows(storage, Table.SPANS)} == {"young", "new"}
    await storage.close()


async def test_a_clock_that_goes_back_keeps_replaced_parts_for_their_grace(tmp_path: Path) -> None:
    """Readers of other processes have at least their time; a clock that runs forward again ends it."""
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    _at(storage, 5000.0)
    for number in range(2):
        await storage.append([head(f"r{number}")])
        await storage.flush()
    replaced = set((tmp_path / "data").rglob("*.parquet"))
    await storage.compact()
    for now, is_kept in ((5001.0, True), (100.0, True), (5599.0, True), (5601.0, False)):
        _at(storage, now)
        await storage.append([head("again")])
        await storage.flush()
        assert all(path.exists() is is_kept for path in replaced), now
    await storage.close()


async def test_files_from_the_future_are_left_alone(tmp_path: Path, clock: Callable[[float], None]) -> None:
    """Another process may be about to finish them, by a clock that is ahead; once it is later by far they go."""
    clock(1e9)
    storage = await ParquetStorage.open(tmp_path, replace(OPTIONS, retention_s={}))
    await storage.append([head("r")])
    await storage.close()
    unfinished = tmp_path / "data" / "x.tmp"
    unfinished.write_bytes(b"x")
    os.utime(unfinished, (2e9, 2e9))
    for now, is_kept in ((1e9, True), (5e8, True), (2e9 + 3599, True), (2e9 + 3601, False)):
        clock(now)
        storage = await ParquetStorage.open(tmp_path, OPTIONS)
        assert unfinished.exists() is is_kept
        await storage.close()
