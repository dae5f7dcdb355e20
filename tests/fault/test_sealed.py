"""Segments that an earlier recovery has sealed: their last frame counts as much as their first."""

import shutil
from pathlib import Path

import pytest

from greenroom.runtime.contracts.errors import StorageCorrupt
from greenroom.runtime.contracts.records import Table
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.stores import rows
from tests.fault.files import CALM, frames_of, journal_only, last_segment


async def _sealed(folder: Path) -> tuple[Path, Path, list[object]]:
    """Leave a store that was recovered once and killed again before it flushed; return it, its segment and its rows."""
    written = await journal_only(folder / "whole", 4)
    storage = await ParquetStorage.open(folder / "whole", CALM)
    shutil.copytree(folder / "whole", folder / "sealed")
    await storage.close()
    return folder / "sealed", folder / "sealed" / "wal" / last_segment(folder / "sealed").name, list(written)


async def test_damage_to_the_last_frame_of_a_sealed_segment_is_refused(memory: Path) -> None:
    """What a recovery has read was promised: its last frame is no torn tail the next time."""
    root, segment, _ = await _sealed(memory)
    data = bytearray(segment.read_bytes())
    start, end = frames_of(bytes(data))[-1]
    data[end - 1] ^= 1
    segment.write_bytes(data)
    with pytest.raises(StorageCorrupt, match="damaged") as refused:
        await ParquetStorage.open(root, CALM)
    assert refused.value.facts["offset"] == start


async def test_what_stands_behind_a_seal_is_never_read(memory: Path) -> None:
    """A writer that lost the store may still add a frame: nobody sees it, and nobody takes it for damage."""
    root, segment, written = await _sealed(memory)
    data = bytearray(segment.read_bytes())
    start, end = frames_of(bytes(data))[-1]
    data[end : end + end - start] = data[start:end]
    segment.write_bytes(data)
    storage = await ParquetStorage.open(root, CALM)
    assert await rows(storage, Table.JOURNAL) == written
    await storage.close()
