"""A process that appends as fast as it can and tells on its output which appends were acknowledged.

python -m tests.fault.writer <folder> <first number>
"""

import asyncio
import os
import sys
from pathlib import Path

from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head, journal

WRITERS = 8
OPTIONS = StoreOptions(segment_bytes=256 * 1024, flush_bytes=40_000, flush_age_s=0.05, max_runs=3, reader_grace_s=0.0)
"""Limits at which it flushes and merges all the time."""


async def write(root: Path, first: int) -> None:
    """Append until killed: append n holds two journal rows and the head of run n."""
    storage = await ParquetStorage.open(root, OPTIONS)
    os.write(1, b"open\n")
    numbers = iter(range(first, first + 10_000_000))

    async def append() -> None:
        for number in numbers:
            run = f"r{number:08d}"
            await storage.append([journal(run, 1, body=b"x" * 50), journal(run, 2), head(run, at=float(number))])
            os.write(1, b"%d\n" % number)

    await asyncio.gather(*(append() for _ in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
