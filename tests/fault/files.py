"""A store's files as the tests damage them."""

import random
from pathlib import Path
from typing import Final

from greenroom.runtime.contracts.records import Record
from greenroom.storage.journal import frame
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import journal

CALM: Final = StoreOptions(segment_bytes=8192, flush_age_s=3600.0, max_runs=100, reserve_bytes=0)
"""Nothing is flushed or merged by itself."""


class NeverFlushed(OsFiles):
    """A disk on which no part can be written, so that closing leaves everything in the journal."""

    def rename(self, source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(source), None, str(target))


async def journal_only(root: Path, appends: int, first: int = 0, bytes_each: int = 9) -> list[Record]:
    """Leave a store with this many frames in its journal, and return the records."""
    storage = await ParquetStorage.open(root, CALM, NeverFlushed())
    chance = random.Random(first)
    written: list[Record] = [
        journal("r", number, body=chance.randbytes(bytes_each)) for number in range(first, first + appends)
    ]
    for record in written:
        await storage.append([record])
    await storage.close()
    return written


def last_segment(root: Path) -> Path:
    """Return the segment that was written last."""
    return max((root / "wal").glob("*.wal"))


def frames_of(data: bytes) -> list[tuple[int, int]]:
    """Return where each frame begins and ends."""
    found: list[tuple[int, int]] = []
    offset = 0
    while (header := frame.read_header(data, offset)) is not None:
        found.append((offset, offset + frame.HEADER_BYTES + header.body_bytes))
        offset = found[-1][1]
    return found


def flip(data: bytes, offset: int, bit: int) -> bytes:
    """Return the bytes with one bit turned over."""
    return data[:offset] + bytes([data[offset] ^ (1 << bit)]) + data[offset + 1 :]
