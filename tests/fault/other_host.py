"""A writer as on another host, where no lock keeps it from a store that is open here.

python -m tests.fault.other_host <folder> <name>: appends and flushes until it is fenced, and tells on its output which
appends were acknowledged.
"""

import asyncio
import contextlib
import itertools
import os
import sys
from pathlib import Path
from typing import Final

from greenroom.runtime.contracts.errors import Fenced
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.place import Place, local_place
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head, journal

OPTIONS: Final = StoreOptions(
    segment_bytes=16 * 1024,
    flush_bytes=8_000,
    flush_age_s=3600.0,
    max_runs=3,
    reader_grace_s=0.0,
    kept_manifests=2,
    reserve_bytes=0,
)


def unlocked(root: Path) -> Place:
    """Return the place of a store in a folder that several hosts reach."""
    return local_place(OsFiles(), root)._replace(locked=None)


async def write(root: Path, name: str) -> None:
    """Append until fenced."""
    try:
        storage = await ParquetStorage.open_at(unlocked(root), OPTIONS)
    except Fenced:
        os.write(1, b"fenced\n")
        return
    os.write(1, b"opened\n")
    try:
        for number in itertools.count():
            run = f"{name}-{number}"
            await storage.append([head(run), journal(run, 1, body=bytes(300)), journal(run, 2)])
            os.write(1, f"{run}\n".encode())
    except Fenced:
        os.write(1, b"fenced\n")
    with contextlib.suppress(Fenced):
        await storage.flush()
        os.write(1, b"flushed\n")
    await storage.close()


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), sys.argv[2]))
