"""A process that forks one that does a fixed piece of work and dies at its n-th file operation.

Reads lines `<n> <folder>`, n = 0 for no death; answers each with the appends that were acknowledged and the number of
operations (0 after a death). It imports everything once and starts no thread of its own, so a fork is cheap and safe.
"""

import asyncio
import os
import sys
from pathlib import Path

from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head, journal
from tests.fault.failing_files import DyingFiles

OPTIONS = StoreOptions(segment_bytes=4096, max_parts=1, reader_grace_s=0.0, flush_age_s=3600.0, kept_manifests=2)
APPENDS = 7


async def work(root: Path, files: DyingFiles, said: int) -> None:
    """Append, roll, flush and merge."""
    storage = await ParquetStorage.open(root, OPTIONS, files)
    for number in range(APPENDS):
        run = f"{os.getpid()}-{number}"
        await storage.append([head(run), head("r", groups=number), journal(run, 1, body=b"x" * 600), journal(run, 2)])
        os.write(said, f"{run}\n".encode())
        if number % 3 == 2:
            await storage.flush()
    await storage.close()
    os.write(said, f"={files.calls}\n".encode())


def serve() -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        at, _, folder = line.rstrip("\n").partition(" ")
        heard, said = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(heard)
            asyncio.run(work(Path(folder), DyingFiles(int(at)), said))
            os._exit(0)
        os.close(said)
        with os.fdopen(heard) as pipe:
            words = pipe.read().split()
        os.waitpid(child, 0)
        calls = next((word[1:] for word in words if word.startswith("=")), "0")
        print(calls, *(word for word in words if not word.startswith("=")), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    serve()
