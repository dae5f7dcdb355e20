"""Bytes that are not what was written: cut off, flipped, gone. An error that names the file, or nothing lost."""

import random
import shutil
from pathlib import Path

import pytest

from greenroom.runtime.contracts.errors import StorageCorrupt
from greenroom.runtime.contracts.records import Record, Table
from greenroom.storage.journal import frame
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import head, journal, message
from tests.contract.stores import rows

OPTIONS = StoreOptions(segment_bytes=8192, flush_age_s=3600.0, max_runs=100)


class NeverFlushed(OsFiles):
    """A disk on which no part can be written, so that closing leaves everything in the journal."""

    def rename(self, source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(source), None, str(target))


async def _journal_only(root: Path, appends: int) -> list[Record]:
    """Leave a store with this many frames in its journal, and return the records."""
    storage = await ParquetStorage.open(root, OPTIONS, NeverFlushed())
    written: list[Record] = [journal("r", number, body=b"%d" % number * 9) for number in range(appends)]
    for record in written:
        await storage.append([record])
    await storage.close()
    return written


async def _flushed(root: Path) -> None:
    """Leave a store with parts of several row groups and nothing in its journal."""
    storage = await ParquetStorage.open(root, OPTIONS)
    await storage.append([head(f"r{number:04d}", at=float(number)) for number in range(2100)])
    await storage.append([journal(f"r{number % 7}", number, body=b"%d" % number) for number in range(1200)])
    await storage.append([message("t", number, content=f"text {number}") for number in range(40)])
    await storage.close()


async def _everything(root: Path) -> dict[Table, list[Record]]:
    storage = await ParquetStorage.open(root, OPTIONS)
    try:
        return {table: await rows(storage, table) for table in Table}
    finally:
        await storage.close()


def _segment(root: Path) -> Path:
    return max((root / "wal").iterdir())


def _frames(data: bytes) -> list[tuple[int, int]]:
    """Return where each frame begins and ends."""
    found = []
    offset = 0
    while (header := frame.read_header(data, offset)) is not None:
        found.append((offset, offset + frame.HEADER_BYTES + header.body_bytes))
        offset = found[-1][1]
    return found


async def test_a_tail_torn_at_any_length_is_cut_and_set_aside(tmp_path: Path) -> None:
    """Whatever part of the last frame reached the disk: the store opens with all frames before it, and goes on."""
    written = await _journal_only(tmp_path / "whole", 4)
    segment = _segment(tmp_path / "whole")
    data = segment.read_bytes()
    start, end = _frames(data)[-1]
    for length in range(end - start):
        root = tmp_path / "torn"
        shutil.copytree(tmp_path / "whole", root)
        torn = data[: start + length]
        ending = b"" if length % 3 == 0 else bytes(50) if length % 3 == 1 else bytes(len(data) - len(torn))
        (root / "wal" / segment.name).write_bytes(torn + ending)
        storage = await ParquetStorage.open(root, OPTIONS)
        assert await rows(storage, Table.JOURNAL) == written[:-1]
        assert await storage.append([written[-1]]) == 4
        assert await rows(storage, Table.JOURNAL) == written
        set_aside = [path for path in (root / "quarantine").glob("*") if not path.name.endswith(".json")]
        assert [path.read_bytes() for path in set_aside] == (
            [data[start : start + length].rstrip(b"\0")] if length else []
        )
        await storage.close()
        shutil.rmtree(root)


async def test_a_flipped_bit_before_the_last_frame_is_an_error(tmp_path: Path) -> None:
    """Acknowledged frames stood behind the damage, so the store does not open; the error names file and offset."""
    await _journal_only(tmp_path / "whole", 5)
    segment = _segment(tmp_path / "whole")
    data = segment.read_bytes()
    frames = _frames(data)
    chance = random.Random(1)
    for offset in range(frames[-1][0]):
        root = tmp_path / "flipped"
        shutil.copytree(tmp_path / "whole", root)
        (root / "wal" / segment.name).write_bytes(_flip(data, offset, chance.randrange(8)))
        with pytest.raises(StorageCorrupt) as caught:
            await ParquetStorage.open(root, OPTIONS)
        assert caught.value.facts["file"].endswith(segment.name)
        begin, end = next(span for span in frames if span[0] <= offset < span[1])
        assert begin <= caught.value.facts["offset"] <= end
        shutil.rmtree(root)


async def test_a_missing_segment_or_frame_is_an_error(tmp_path: Path) -> None:
    """The chain of frames shows a hole even where every remaining frame is whole."""
    await _journal_only(tmp_path / "whole", 200)
    segments = sorted((tmp_path / "whole" / "wal").iterdir())
    assert len(segments) > 2
    for segment in segments[:-1]:
        root = tmp_path / "hole"
        shutil.copytree(tmp_path / "whole", root)
        (root / "wal" / segment.name).unlink()
        with pytest.raises(StorageCorrupt, match=r"should follow|missing"):
            await ParquetStorage.open(root, OPTIONS)
        shutil.copy(segment, root / "wal" / segment.name)
        data = segment.read_bytes()
        last = _frames(data)[-1]
        (root / "wal" / segment.name).write_bytes(data[: last[0]] + bytes(len(data) - last[0]))
        with pytest.raises(StorageCorrupt, match="should follow"):
            await ParquetStorage.open(root, OPTIONS)
        shutil.rmtree(root)


async def test_a_flipped_bit_in_the_manifest_or_identity_is_an_error(tmp_path: Path) -> None:
    """An older manifest is never taken in place of a damaged one."""
    root = tmp_path / "store"
    await _flushed(root)
    chance = random.Random(2)
    for path in (max((root / "manifest").iterdir()), root / "STORE.json"):
        data = path.read_bytes()
        for _ in range(60):
            offset = chance.randrange(len(data))
            path.write_bytes(_flip(data, offset, chance.randrange(8)))
            with pytest.raises(StorageCorrupt, match="damaged") as caught:
                await ParquetStorage.open(root, OPTIONS)
            assert caught.value.facts["file"] == str(path)
        path.write_bytes(data)
    await _everything(root)


async def test_a_flipped_bit_in_a_part_is_an_error_or_changes_nothing(tmp_path: Path) -> None:
    """Pages, page headers, dictionary, index and footer: reads never return other data than was written."""
    root = tmp_path / "store"
    await _flushed(root)
    expected = await _everything(root)
    parts = sorted((root / "data").rglob("*.parquet"))
    assert len(parts) == 3
    chance = random.Random(3)
    found = 0
    for path in parts:
        data = path.read_bytes()
        for _ in range(40):
            offset = chance.randrange(len(data))
            path.write_bytes(_flip(data, offset, chance.randrange(8)))
            try:
                assert await _everything(root) == expected
            except StorageCorrupt as error:
                assert error.facts["file"] == str(path)  # noqa: PT017 - the other outcome is right too
                found += 1
        path.write_bytes(data)
    assert found > 100


async def test_a_part_that_is_gone_or_short_is_an_error_at_open(tmp_path: Path) -> None:
    """The manifest says how long each part is."""
    root = tmp_path / "store"
    await _flushed(root)
    part = next((root / "data").rglob("*.parquet"))
    data = part.read_bytes()
    part.write_bytes(data[:-1])
    with pytest.raises(StorageCorrupt, match="bytes"):
        await ParquetStorage.open(root, OPTIONS)
    part.unlink()
    with pytest.raises(StorageCorrupt, match=part.name):
        await ParquetStorage.open(root, OPTIONS)


async def test_a_store_without_its_manifests_is_an_error(tmp_path: Path) -> None:
    """Parts that no manifest lists are not taken for an empty store."""
    root = tmp_path / "store"
    await _flushed(root)
    shutil.rmtree(root / "manifest")
    with pytest.raises(StorageCorrupt, match="no manifest"):
        await ParquetStorage.open(root, OPTIONS)


async def test_a_damaged_blob_is_an_error(tmp_path: Path) -> None:
    """A blob's name is its digest, which is checked at every read."""
    name = "9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0"
    storage = await ParquetStorage.open(tmp_path, OPTIONS)
    await storage.put_blob(name, b"aaa")
    (tmp_path / "blobs" / "98" / name).write_bytes(b"aab")
    with pytest.raises(StorageCorrupt, match=name):
        await storage.get_blob(name)
    await storage.close()


def _flip(data: bytes, offset: int, bit: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ (1 << bit)]) + data[offset + 1 :]
