"""Files that were cut off, or are gone. An error that names the file, or nothing lost."""

import random
import shutil
from pathlib import Path

import pytest

from greenroom.runtime.contracts.errors import StorageCorrupt
from greenroom.runtime.contracts.records import Table
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head, journal, message
from tests.contract.stores import rows
from tests.fault.files import CALM, frames_of, journal_only, last_segment
from tests.fault.page_cache import SECTOR


async def _flushed(root: Path) -> None:
    """Leave a store with three parts and nothing in its journal."""
    storage = await ParquetStorage.open(root, CALM)
    await storage.append([head("r1"), journal("r1", 1), message("t", 1)])
    await storage.close()


async def test_a_tail_torn_at_any_length_is_cut_and_set_aside(memory: Path) -> None:
    """Whatever part of the last frame reached the disk: the store opens with all frames before it, and goes on."""
    written = await journal_only(memory / "whole", 4)
    segment = last_segment(memory / "whole")
    data = segment.read_bytes()
    start, end = frames_of(data)[-1]
    for length in range(end - start):
        root = memory / "torn"
        shutil.copytree(memory / "whole", root)
        torn = data[: start + length]
        ending = b"" if length % 3 == 0 else bytes(50) if length % 3 == 1 else bytes(len(data) - len(torn))
        (root / "wal" / segment.name).write_bytes(torn + ending)
        storage = await ParquetStorage.open(root, CALM)
        assert await rows(storage, Table.JOURNAL) == written[:-1]
        assert await storage.append([written[-1]]) == 4
        assert await rows(storage, Table.JOURNAL) == written
        set_aside = [path for path in (root / "quarantine").glob("*") if not path.name.endswith(".json")]
        assert [path.read_bytes() for path in set_aside] == (
            [data[start : start + length].rstrip(b"\0")] if length else []
        )
        await storage.close()
        shutil.rmtree(root)


@pytest.mark.parametrize("seed", range(4))
async def test_a_last_frame_without_some_of_its_sectors_is_cut(memory: Path, seed: int) -> None:
    """Zeros from each sector boundary on, up to each, and in the place of any of them: never half an append."""
    written = await journal_only(memory / "whole", 3, bytes_each=2600)
    segment = last_segment(memory / "whole")
    data = segment.read_bytes()
    start, end = frames_of(data)[-1]
    boundaries = list(range((start // SECTOR + 1) * SECTOR, end, SECTOR))
    chance = random.Random(seed)
    torn = [
        *(data[:boundary] + bytes(len(data) - boundary) for boundary in boundaries),
        *(data[:start] + bytes(boundary - start) + data[boundary:] for boundary in boundaries),
        _with_holes(data, [boundary for boundary in boundaries if chance.random() < 0.5] or boundaries[-1:], end),
    ]
    for number, left in enumerate(torn):
        root = memory / str(number)
        shutil.copytree(memory / "whole", root)
        (root / "wal" / segment.name).write_bytes(left)
        storage = await ParquetStorage.open(root, CALM)
        assert await rows(storage, Table.JOURNAL) == written[:-1]
        await storage.append([written[-1]])
        await storage.close()
        storage = await ParquetStorage.open(root, CALM)
        assert await rows(storage, Table.JOURNAL) == written
        await storage.close()


async def test_garbage_behind_the_last_frame_is_set_aside(memory: Path) -> None:
    """Random bytes, the beginning of a frame, a whole frame of another epoch: all acknowledged frames are kept."""
    written = await journal_only(memory / "whole", 3)
    segment = last_segment(memory / "whole")
    data = segment.read_bytes()
    spans = frames_of(data)
    end = spans[-1][1]
    chance = random.Random(7)
    other = await _frame_of_another_epoch(memory / "other")
    for garbage in (chance.randbytes(1), chance.randbytes(700), b"AWL1", data[: spans[0][1] - 1], other):
        root = memory / "store"
        shutil.copytree(memory / "whole", root)
        (root / "wal" / segment.name).write_bytes(data[:end] + garbage + bytes(3000))
        storage = await ParquetStorage.open(root, CALM)
        assert await rows(storage, Table.JOURNAL) == written
        assert storage.health().figures["torn_bytes"] > 0
        assert await storage.append([written[0]]) == 4
        await storage.close()
        shutil.rmtree(root)


async def test_a_missing_segment_or_frame_is_an_error(memory: Path) -> None:
    """The chain of frames shows a hole even where every remaining frame is whole."""
    await journal_only(memory / "whole", 200)
    segments = sorted((memory / "whole" / "wal").glob("*.wal"))
    assert len(segments) > 2
    for segment in segments[:-1]:
        root = memory / "hole"
        shutil.copytree(memory / "whole", root)
        (root / "wal" / segment.name).unlink()
        with pytest.raises(StorageCorrupt, match=r"should follow|missing"):
            await ParquetStorage.open(root, CALM)
        shutil.copy(segment, root / "wal" / segment.name)
        data = segment.read_bytes()
        last = frames_of(data)[-1]
        (root / "wal" / segment.name).write_bytes(data[: last[0]] + bytes(len(data) - last[0]))
        with pytest.raises(StorageCorrupt, match="should follow"):
            await ParquetStorage.open(root, CALM)
        shutil.rmtree(root)


async def test_a_part_that_is_gone_or_short_is_an_error_at_open(tmp_path: Path) -> None:
    """The manifest says how long each part is."""
    await _flushed(tmp_path)
    part = next((tmp_path / "data").rglob("*.parquet"))
    data = part.read_bytes()
    part.write_bytes(data[:-1])
    with pytest.raises(StorageCorrupt, match="bytes"):
        await ParquetStorage.open(tmp_path, CALM)
    part.unlink()
    with pytest.raises(StorageCorrupt, match=part.name):
        await ParquetStorage.open(tmp_path, CALM)


async def test_a_store_without_its_manifests_is_an_error(tmp_path: Path) -> None:
    """Parts that no manifest lists are not taken for an empty store."""
    await _flushed(tmp_path)
    shutil.rmtree(tmp_path / "manifest")
    with pytest.raises(StorageCorrupt, match="no manifest"):
        await ParquetStorage.open(tmp_path, CALM)


def _with_holes(data: bytes, sectors: list[int], end: int) -> bytes:
    left = bytearray(data)
    for start in sectors:
        stop = min(end, start + SECTOR)
        left[start:stop] = bytes(stop - start)
    return bytes(left)


async def _frame_of_another_epoch(root: Path) -> bytes:
    for first in (0, 50):
        await journal_only(root, 1, first=first)
    segment = last_segment(root)
    assert not segment.name.startswith(f"{1:012d}")
    data = segment.read_bytes()
    return data[: frames_of(data)[0][1]]
