"""Stores behind the proxy, and what is in them."""

from pathlib import Path

from greenroom.runtime.contracts.records import JournalRow, RunHead, Table
from greenroom.runtime.contracts.storage import Storage
from greenroom.storage.objects.bucket import Bucket
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.stores import SMALL, rows
from tests.s3.buckets import IMPATIENT, place_of


async def open_store(bucket: Bucket, journal: Path | None = None, *, is_elsewhere: bool = False) -> ParquetStorage:
    """Open a store there.

    Args:
        is_elsewhere: As a process of another host would, which no lock of this one keeps out.
    """
    place = place_of(bucket, journal, IMPATIENT)
    return await ParquetStorage.open_at(place._replace(locked=None) if is_elsewhere else place, SMALL)


async def runs(storage: Storage) -> list[str]:
    """Return the ids of the runs in the store."""
    return [row.run_id for row in await rows(storage, Table.RUNS) if isinstance(row, RunHead)]


async def groups(storage: Storage) -> list[int]:
    """Return the journal rows' groups, in order: each once, or something was doubled."""
    return [row.group for row in await rows(storage, Table.JOURNAL) if isinstance(row, JournalRow)]
