"""How fast the file store commits: one record groups as the runtime makes them, alone and many at once.

    python -m benchmarks.storage [folder]

Prints medians of several rounds. One append is what one step costs: a journal row and the run's head.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from greenroom.runtime.contracts.records import JournalRow, Record, RunHead
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage

ROUNDS = 5
ROUND_S = 1.0
CONCURRENT = (1, 10, 100, 1000)
RECORDS_PER_APPEND = 2


class Figures(NamedTuple):
    """One round."""

    records_per_s: float
    p50_ms: float
    p99_ms: float
    lag_p99_ms: float


def step(run: int, group: int) -> list[Record]:
    """Return what one step of a run writes."""
    at = time.time()
    run_id = f"0198c1d2-0000-7000-8000-{run:012d}"
    body = b"\x93" + os.urandom(180)
    head = RunHead(
        workspace="default",
        run_id=run_id,
        kind="workflow",
        target="briefing",
        bundle="5f1c0e9a",
        status="running",
        created_at=at,
        updated_at=at,
        root_id=run_id,
        groups=group,
        events=2 * group,
    )
    return [JournalRow(workspace="default", run_id=run_id, group=group, at=at, body=body), head]


async def one_round(storage: ParquetStorage, concurrent: int, number: int) -> Figures:
    """Append from so many runs at once, each after its last append was answered."""
    stop = time.perf_counter() + ROUND_S
    waits: list[float] = []

    async def run(index: int) -> int:
        group = 0
        while (start := time.perf_counter()) < stop:
            group += 1
            await storage.append(step(number * 10_000 + index, group))
            waits.append(time.perf_counter() - start)
        return group

    lags: list[float] = []
    watch = asyncio.create_task(watch_loop(lags))
    start = time.perf_counter()
    groups = sum(await asyncio.gather(*(run(index) for index in range(concurrent))))
    took = time.perf_counter() - start
    watch.cancel()
    return Figures(
        groups * RECORDS_PER_APPEND / took,
        statistics.median(waits) * 1e3,
        percentile(waits, 0.99) * 1e3,
        percentile(lags, 0.99) * 1e3,
    )


async def watch_loop(lags: list[float]) -> None:
    """Note how late the event loop wakes a sleeper."""
    while True:
        start = time.perf_counter()
        await asyncio.sleep(0.001)
        lags.append(max(0.0, time.perf_counter() - start - 0.001))


def bare_sync_ms(folder: Path) -> float:
    """Return the median time of one write and one fdatasync of the size of a step: the floor of a lone append."""
    fd = os.open(folder / "bare", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(fd, 0, 16 << 20)
    os.fsync(fd)
    waits: list[float] = []
    for index in range(500):
        start = time.perf_counter()
        os.pwrite(fd, b"x" * 600, index * 600)
        os.fdatasync(fd)
        waits.append(time.perf_counter() - start)
    os.close(fd)
    return statistics.median(waits) * 1e3


def percentile(values: list[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


async def measure(folder: Path) -> None:
    """Print the table."""
    storage = await ParquetStorage.open(folder / "store", StoreOptions(flush_age_s=1.0))
    rounds: dict[int, list[Figures]] = {concurrent: [] for concurrent in CONCURRENT}
    bare: list[float] = []
    number = 0
    for _ in range(ROUNDS):
        bare.append(bare_sync_ms(folder))
        for concurrent in CONCURRENT:
            number += 1
            rounds[concurrent].append(await one_round(storage, concurrent, number))
    print(f"one write and fdatasync of 600 bytes, bare: {statistics.median(bare):.3f} ms")
    print("concurrent  records/s   p50 ms   p99 ms   loop lag p99 ms")
    for concurrent, figures in rounds.items():
        middle = Figures(*(statistics.median(column) for column in zip(*figures, strict=True)))
        line = f"{middle.records_per_s:10.0f} {middle.p50_ms:8.2f} {middle.p99_ms:8.2f} {middle.lag_p99_ms:17.2f}"
        print(f"{concurrent:10d} {line}")
    counters = storage.health().figures
    start = time.perf_counter()
    await storage.close()
    print(f"close with flush: {time.perf_counter() - start:.2f} s")
    start = time.perf_counter()
    storage = await ParquetStorage.open(folder / "store")
    print(f"open: {(time.perf_counter() - start) * 1e3:.1f} ms")
    print(", ".join(f"{name} {value:.0f}" for name, value in counters.items()))
    await storage.close()


def main() -> None:
    """Measure in the folder given, or in one on the disk of this folder; a memory file system would tell nothing."""
    where = sys.argv[1] if len(sys.argv) > 1 else "."
    with tempfile.TemporaryDirectory(dir=where, prefix="bench-") as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
