"""Makes the golden store of today's format; run by hand when the format gets a new number, never over an old one.

python -m tests.golden.stores tests/golden/store-format-1
"""

import asyncio
import hashlib
import json
import socket
import sys
from pathlib import Path

import msgspec
from msgspec.structs import replace

from greenroom.runtime.contracts.records import BundleRow, Record, Table
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import blob, charge, deleted, head, journal, key, message, span, thread
from tests.contract.stores import rows

OPTIONS = StoreOptions(
    segment_bytes=4096, flush_age_s=3600.0, max_runs=2, reader_grace_s=0.0, kept_manifests=2, reserve_bytes=0
)
BLOB = b"a value of its own"


class NoMoreParts(OsFiles):
    """A disk on which, once told, nothing is renamed, so that what was appended stays in the journal."""

    is_full = False

    def rename(self, source: Path, target: Path) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device", str(source))
        super().rename(source, target)


def records(round_number: int) -> list[Record]:
    """Return a row of every table."""
    run = f"r{round_number}"
    return [
        replace(head(run, at=1_795_000_000.25 + round_number), wake_at=1_800_000_000.5, key=f"k{round_number}"),
        head("again", at=5.0, groups=round_number),
        journal(run, 1, body=bytes(range(64))),
        journal(run, 2, body=b"\x90"),
        key(f"k{round_number}", run),
        BundleRow(bundle=f"b{round_number}", plan=b"\x80", created_at=1.0, target="m:app", search_path=("a", "b")),
        thread(f"t{round_number}"),
        message(f"t{round_number}", 1, content=[{"type": "text", "text": "naïve – 端末"}, None, 1.5]),
        charge(f"c{round_number}", run_id=run),
        span(run, "research[3]/outline"),
        blob(hashlib.sha256(BLOB).hexdigest(), run),
    ]


async def everything(storage: ParquetStorage) -> dict[str, list[object]]:
    """Return every row that reads show, as JSON."""
    return {
        table.value: [json.loads(msgspec.json.encode(row)) for row in await rows(storage, table)] for table in Table
    }


async def make(folder: Path) -> None:
    """Write a store with merged and fresh parts, a deletion, a blob, and frames that are only in the journal."""
    socket.gethostname = lambda: "golden"  # the store says who had it
    files = NoMoreParts()
    storage = await ParquetStorage.open(folder, OPTIONS, files)
    await storage.put_blob(hashlib.sha256(BLOB).hexdigest(), BLOB)
    for number in range(5):
        await storage.append(records(number))
        await storage.flush()
    await storage.append([deleted("run", "r1")])
    await storage.flush()
    files.is_full = True
    await storage.append(records(5))
    await storage.append([deleted("thread", "t2")])
    shown = await everything(storage)
    await storage.close()
    folder.with_suffix(".json").write_text(json.dumps(shown, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
