"""Stores as the tests read them: several sorted runs, superseded rows, deletions that were not carried out yet."""

import hashlib
from pathlib import Path

import google_crc32c
from msgspec.structs import replace

from greenroom.runtime.contracts.records import BlobRow, Deletion, LedgerRow, Record, SpanRow, Table
from greenroom.storage.objects import checked_json
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.parquet.manifest import Manifest, TableParts
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head, journal, key, message, thread
from tests.contract.stores import rows

OPTIONS = StoreOptions(segment_bytes=8192, flush_age_s=3600.0, max_runs=100, reader_grace_s=0.0, reserve_bytes=0)


class NeverFlushed(OsFiles):
    """A disk on which no part can be written, so that closing leaves everything in the journal."""

    def rename(self, source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(source), None, str(target))


BLOB = b"a large value"
DIGEST = hashlib.sha256(BLOB).hexdigest()


def ledger(entry: str, *, workspace: str = "w", run_id: str | None = None) -> LedgerRow:
    return LedgerRow(workspace=workspace, entry_id=entry, at=5.0, kind="charge", amount_micros=-7, run_id=run_id)


def span(run_id: str, path: str, *, workspace: str = "w") -> SpanRow:
    return SpanRow(
        workspace=workspace,
        run_id=run_id,
        path=path,
        trace_id="t",
        kind="step",
        name=path,
        status="success",
        started_at=1.0,
        ended_at=2.5,
    )


APPENDS: list[list[Record]] = [
    [head(f"r{number:04d}", at=float(number)) for number in range(300)],
    [head(f"o{number:04d}", at=float(number), workspace="other") for number in range(20)],
    [journal(f"r{number % 50:04d}", number, body=b"%d" % number) for number in range(200)],
    [
        thread("t1"),
        thread("t2"),
        *(message(f"t{number % 2 + 1}", number, content={"n": number}) for number in range(9)),
    ],
    [key("k1", "r0001"), key("k2", "r0002"), ledger("e1", run_id="r0001"), ledger("e2", run_id="r0002")],
    [span("r0001", "outline"), span("r0002", "outline")],
    [head(f"r{number:04d}", at=float(number), status="success") for number in range(100, 200)],
    [BlobRow(workspace="w", sha256=DIGEST, run_id="r0003", at=3.0)],
    [head(f"r{number:04d}", at=float(number), status="failed") for number in range(150, 250)],
    [
        Deletion(scope="run", workspace="w", id="r0001", at=9.0),
        Deletion(scope="thread", workspace="w", id="t1", at=9.0),
    ],
    [Deletion(scope="workspace", workspace="other", at=9.0), head("o0001", workspace="other", status="success")],
]
"""What is appended, and flushed after each: what was there before is superseded or deleted by what follows."""


async def write(root: Path) -> dict[Table, list[Record]]:
    """Leave a store of many parts, and return what the runtime itself would read from it."""
    storage = await ParquetStorage.open(root, OPTIONS)
    await storage.put_blob(DIGEST, BLOB)
    for records in APPENDS:
        await storage.append(records)
        await storage.flush()
    found = {table: await rows(storage, table) for table in Table}
    await storage.close()
    return found


async def write_journal(root: Path, appends: int) -> None:
    """Leave a store with this many frames in its journal and nothing in parts."""
    storage = await ParquetStorage.open(root, OPTIONS, NeverFlushed())
    for number in range(appends):
        await storage.append([journal("r", number, body=b"%d" % number * 9)])
    await storage.close()


def relist(root: Path, table: Table, data: bytes) -> None:
    """Make the newest manifest describe the table's one part as it is now, but for what it says of its rows."""
    path = max((root / "manifest").iterdir())
    manifest = checked_json.decode(path.read_bytes(), Manifest, path)
    (info,) = manifest.parts(table)
    crc: int = google_crc32c.value(data)
    changed = replace(info, bytes=len(data), crc32c=crc, tail_bytes=0, tail_crc32c=0)
    tables = {**manifest.tables, table: TableParts(parts=(changed,))}
    path.write_bytes(checked_json.encode(replace(manifest, tables=tables)))
