"""A writer that appends until it is killed, with limits at which it flushes and merges all the time."""

import asyncio
import itertools
import os
from pathlib import Path
from typing import Final

from greenroom.storage.objects.ops import FileOps, OsFiles
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head, journal
from tests.fault.work import Say

WRITERS: Final = 8
OPTIONS: Final = StoreOptions(
    segment_bytes=256 * 1024, flush_bytes=40_000, flush_age_s=0.05, max_runs=3, reader_grace_s=0.0, reserve_bytes=65_536
)


async def write(root: Path, _: FileOps, say: Say) -> None:
    """Append for ever: each append holds two journal rows and the head of a run that no other process has."""
    storage = await ParquetStorage.open(root, OPTIONS, OsFiles())
    say("opened")
    numbers = itertools.count()

    async def append() -> None:
        for number in numbers:
            run = f"{os.getpid()}-{number}"
            await storage.append([journal(run, 1, body=b"x" * 50), journal(run, 2), head(run, at=float(number))])
            say(f"append {run}")

    await asyncio.gather(*(append() for _ in range(WRITERS)))
