"""What a child process does with the file store. Each function returns seconds, and what it counted."""

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

from benchmarks.storage.workload import BEGIN, Bodies, run_id, steps
from greenroom.runtime.contracts.records import Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage

Measured: TypeAlias = tuple[float, list[int]]

NEVER_FLUSHES: Final = StoreOptions(flush_bytes=1 << 40, flush_age_s=1e9)
"""Everything stays in the journal, so that an open has it to replay."""

POINTS: Final = 200
PAGE: Final = 512
_AT_ONCE: Final = 500
_DUE: Final = Query(between={"wake_at": (None, BEGIN + 60.0)}, where={"is_open": (True,)})
_SUSPENDED: Final = Query(workspace="default", where={"status": ("suspended",)}, limit=PAGE)


async def first_look(root: Path, _: int) -> Measured:
    """Open, find what is due, and read the first page of what is suspended: what a runtime does when it starts."""
    begin = time.perf_counter()
    storage = await ParquetStorage.open(root)
    found = [await _count(storage, query) for query in (_DUE, _SUSPENDED)]
    return time.perf_counter() - begin, found


async def walk(root: Path, _: int) -> Measured:
    """Open and read every head."""
    begin = time.perf_counter()
    storage = await ParquetStorage.open(root)
    found = await _count(storage, Query())
    return time.perf_counter() - begin, [found]


async def append_rows(root: Path, number: int) -> Measured:
    """Append so many rows of journals, and leave them there."""
    return await _append(root, [[row] for row, _ in steps(number, Bodies())])


async def append_steps(root: Path, number: int) -> Measured:
    """Append so many steps, heads and all, and leave them in the journal."""
    return await _append(root, list(steps(number, Bodies())))


async def replay(root: Path, _: int) -> Measured:
    """Open a store whose every record is in the journal."""
    begin = time.perf_counter()
    storage = await ParquetStorage.open(root, NEVER_FLUSHES)
    return time.perf_counter() - begin, [int(storage.health().figures["memory_records"])]


async def points(root: Path, number: int) -> Measured:
    """Read single heads, each for the first time; return the median of their times."""
    storage = await ParquetStorage.open(root)
    chance = random.Random(11)
    waits: list[float] = []
    found = 0
    for _ in range(POINTS):
        key = run_id(chance.randrange(number))
        begin = time.perf_counter()
        found += await storage.get(Table.RUNS, (key,)) is not None
        waits.append(time.perf_counter() - begin)
    return median(waits), [found]


async def _append(root: Path, appends: Sequence[Sequence[Record]]) -> Measured:
    begin = time.perf_counter()
    storage = await ParquetStorage.open(root, NEVER_FLUSHES)
    for start in range(0, len(appends), _AT_ONCE):
        await asyncio.gather(*(storage.append(records) for records in appends[start : start + _AT_ONCE]))
    return time.perf_counter() - begin, [sum(len(records) for records in appends)]


async def _count(storage: ParquetStorage, query: Query) -> int:
    return sum([len(page) async for page in storage.scan(Table.RUNS, query)])
