"""`verify` finds damage in every region of every kind of file, and finds none beside a runtime at work."""

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import Table
from greenroom.runtime.contracts.storage import VerifyReport
from greenroom.storage.journal import frame
from greenroom.storage.journal.log import Log, SegmentName
from greenroom.storage.objects.objects import Objects
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.parquet import manifest as manifests
from greenroom.storage.parquet.manifest import PartInfo
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.part_check import check_part
from greenroom.storage.parquet.place import local_place
from greenroom.storage.parquet.store import ParquetStorage
from greenroom.storage.parquet.verify import Progress, verify
from tests.contract.records import head, journal
from tests.reading.stores import DIGEST, OPTIONS, relist, write, write_journal


def check(root: Path, progress: Progress | None = None) -> VerifyReport:
    return verify(local_place(OsFiles(), root), progress)


def damaged(root: Path) -> list[str]:
    """Return the files that are found damaged, below the root."""
    return [str(Path(damage.file).relative_to(root)) for damage in check(root).damages]


def _parts(root: Path) -> list[Path]:
    return sorted((root / "data").rglob("*.parquet"))


async def test_a_whole_store_has_no_damage(tmp_path: Path) -> None:
    """Every file is counted; the rows of parts are all looked at; how far it is can be told."""
    root = tmp_path / "store"
    await write(root)
    told: list[tuple[int, int]] = []
    report = check(root, lambda done, total: told.append((done, total)))
    assert report.damages == ()
    assert report.rows == sum(pq.read_metadata(part).num_rows for part in _parts(root))
    assert report.files >= len(_parts(root)) + 4
    assert told == sorted(told)
    assert told[-1] == (report.bytes, report.bytes)


@pytest.mark.parametrize("kind", ["data", "manifest", "epoch", "blobs", "STORE.json"])
async def test_a_flipped_bit_anywhere_is_found(tmp_path: Path, kind: str) -> None:
    """Pages, headers, footers, checksums themselves: the report names the file, and an offset in it."""
    root = tmp_path / "store"
    await write(root)
    chance = random.Random(kind)
    files = [root / kind] if (root / kind).is_file() else sorted(path for path in (root / kind).rglob("*"))
    for path in [path for path in files if path.is_file()]:
        data = path.read_bytes()
        for _ in range(3 if kind == "data" else 12):
            offset = chance.randrange(len(data))
            path.write_bytes(_flip(data, offset, chance.randrange(8)))
            found = check(root).damages
            assert {damage.file for damage in found} == {str(path)}, (path, offset)
            assert all(0 <= damage.offset < len(data) for damage in found)
        path.write_bytes(data)
    assert check(root).damages == ()


async def test_a_flipped_bit_in_a_page_is_found_where_it_is(tmp_path: Path) -> None:
    """The damage names the row group and the column, and the offset is where that column's bytes begin."""
    root = tmp_path / "store"
    await write(root)
    objects, info = _listed(root, Table.RUNS)
    data = (root / info.path).read_bytes()
    group = pq.read_metadata(root / info.path).row_group(0)
    for column in (group.column(index) for index in range(group.num_columns)):
        start = column.dictionary_page_offset or column.data_page_offset
        for back in range(1, 6):
            (root / info.path).write_bytes(_flip(data, start + column.total_compressed_size - back, back))
            (damage,) = check_part(objects, Table.RUNS, info, lambda _size: None)
            assert (damage.file, damage.offset) == (str(root / info.path), start)
            assert f"row group 0, column {column.path_in_schema}" in damage.found


async def test_every_byte_of_a_part_counts(tmp_path: Path) -> None:
    """Pages, their headers, filters, indexes, footer: a flipped bit in any of them is damage."""
    root = tmp_path / "store"
    await write(root)
    objects, info = _listed(root, Table.KEYS)
    data = (root / info.path).read_bytes()
    for offset in range(0, len(data), 3):
        (root / info.path).write_bytes(_flip(data, offset, offset % 8))
        assert check_part(objects, Table.KEYS, info, lambda _size: None), offset


async def test_a_flipped_bit_in_the_journal_is_found_but_in_its_last_frame(tmp_path: Path) -> None:
    """A frame that was never acknowledged may stand torn at the end; before it every byte counts."""
    await write_journal(tmp_path / "store", 5)
    root = tmp_path / "store"
    segment = max((root / "wal").iterdir())
    data = segment.read_bytes()
    frames = _frames(data)
    assert check(root).rows == 5
    for offset in range(frames[-1]):
        segment.write_bytes(_flip(data, offset, offset % 8))
        (damage,) = check(root).damages
        begin = max(start for start in frames if start <= offset)
        assert (damage.file, damage.offset) == (str(segment), begin)
    for length in range(frames[-1], frames[-1] + 60):
        segment.write_bytes(data[:length])
        assert check(root).damages == ()


async def test_what_a_fenced_writer_added_does_not_count(tmp_path: Path) -> None:
    """Behind what a recovery has sealed no byte counts, and the chain goes on in the next writer's segment."""
    root = tmp_path / "store"
    await write_journal(root, 5)
    segment = max((root / "wal").iterdir())
    whole = segment.read_bytes()
    frames = _frames(whole)
    segment.write_bytes(whole[: frames[3]])
    await write_journal(root, 2)
    segment.write_bytes(whole)
    report = check(root)
    assert (report.damages, report.rows) == ((), 5)
    segment.write_bytes(_flip(_flip(whole, frames[2] + frame.HEADER_BYTES + 1, 1), frames[3], 1))
    assert [(damage.file, damage.offset) for damage in check(root).damages] == [(str(segment), frames[2])]


async def test_every_damage_is_told_not_only_the_first(tmp_path: Path) -> None:
    """The look goes on behind damage, in other files and in the same segment."""
    root = tmp_path / "store"
    await write_journal(root, 60)
    segments = sorted((root / "wal").iterdir())
    assert len(segments) >= 1
    data = segments[0].read_bytes()
    frames = _frames(data)
    hit = [frames[3], frames[9], frames[20]]
    for offset in hit:
        data = _flip(data, offset + frame.HEADER_BYTES + 1, 1)
    segments[0].write_bytes(data)
    (root / "STORE.json").unlink()
    found = check(root).damages
    assert [damage.offset for damage in found if damage.file == str(segments[0])] == hit
    assert damaged(root).count("STORE.json") == 1


@pytest.mark.parametrize(
    "choose",
    [
        lambda root: root / "STORE.json",
        lambda root: _parts(root)[3],
        lambda root: max((root / "manifest").iterdir()),
        lambda root: root / "blobs" / DIGEST[:2] / DIGEST,
    ],
    ids=["identity", "part", "newest manifest", "blob"],
)
async def test_a_missing_or_short_file_is_found(tmp_path: Path, choose: Callable[[Path], Path]) -> None:
    """What a manifest, an epoch or a row names is there, whole."""
    root = tmp_path / "store"
    await write(root)
    path = choose(root)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert damaged(root) == [str(path.relative_to(root))]
    if path.parent.name != "manifest":  # an older one is then the newest, and what it says is true
        path.unlink()
        assert damaged(root) == [str(path.relative_to(root))]


async def test_a_missing_epoch_or_segment_is_found(tmp_path: Path) -> None:
    """Epochs are never removed, and a hole in the journal breaks its chain."""
    root = tmp_path / "store"
    await write_journal(root, 200)
    await (await ParquetStorage.open(root, OPTIONS)).close()
    (root / "epoch" / f"{1:012d}").unlink()
    assert damaged(root) == [f"epoch/{1:012d}"]
    other = tmp_path / "other"
    await write_journal(other, 400)
    segments = sorted((other / "wal").iterdir())
    assert len(segments) > 2
    segments[1].unlink()
    (damage,) = check(other).damages
    assert (damage.file, damage.offset) == (str(segments[2]), 0)
    assert "should follow" in damage.found


async def test_rows_that_are_not_what_the_manifest_says_are_found(tmp_path: Path) -> None:
    """Checksums can all be right and rows still out of order, or others than those that are listed."""
    root = tmp_path / "store"
    storage = await ParquetStorage.open(root, OPTIONS)
    await storage.append([journal(f"r{number}", 9 - number) for number in range(9)])
    await storage.close()
    (part,) = _parts(root)
    good = pq.read_table(part)
    expected = {
        "key ('r0', 9) stands behind key ('r1', 8)": good.take([1, 0, *range(2, 9)]),
        "key ('r0', 9) stands behind key ('r0', 9)": pa.concat_tables([good.slice(0, 1), good]),
        "its rows: 5 in the file, 9 in the manifest": good[:5],
        "its last key: ('r7', 2) in the file, ('r8', 1) in the manifest": good[:8],
        "its smallest number: 3 in the file, 1 in the manifest": good[2:],
    }
    for found, rows in expected.items():
        pq.write_table(rows, part, write_page_checksum=True)
        relist(root, Table.JOURNAL, part.read_bytes())
        assert found in [damage.found.removeprefix("row group 0: ") for damage in check(root).damages]


def test_where_no_store_is_there_is_none(tmp_path: Path) -> None:
    """An empty folder is not a whole store."""
    with pytest.raises(StorageError, match="there is no store"):
        check(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_files_that_nobody_lists_are_no_damage(tmp_path: Path) -> None:
    """What a crash left behind, and what was set aside, says nothing about the store."""
    root = tmp_path / "store"
    await write(root)
    (root / "data" / "runs" / "L0" / "e1-s0000000009-00000000.parquet").write_bytes(b"half")
    (root / "quarantine").mkdir(exist_ok=True)
    (root / "quarantine" / "torn").write_bytes(b"torn")
    assert check(root).damages == ()


async def test_a_runtime_at_work_is_never_found_damaged(tmp_path: Path) -> None:
    """Appends, rolls, flushes and merges go on, and replaced files go at once, while every byte is read."""
    root = tmp_path / "store"
    storage = await ParquetStorage.open(
        root, StoreOptions(segment_bytes=16_384, flush_age_s=3600.0, max_runs=2, reader_grace_s=0.0)
    )
    finished = asyncio.Event()

    async def write_on() -> None:
        for number in range(300):
            await storage.append([journal("r", number, body=b"x" * 400), head(f"r{number % 7}", status=str(number))])
            if number % 5 == 0:
                await storage.flush()
        finished.set()

    writing = asyncio.create_task(write_on())
    reports = []
    while not finished.is_set():
        reports.append(await asyncio.to_thread(check, root))
    await writing
    await storage.close()
    assert [report.damages for report in reports] == [()] * len(reports)
    assert check(root).rows >= 300


class Glimpses:
    """A journal of which each look but the last shows something that was only just so."""

    def __init__(self, log: Log, glimpses: list[Callable[[bytes], bytes]]) -> None:
        self.address, self.may_be_torn = log.address, log.may_be_torn
        self.address_of, self.names = log.address_of, log.names
        self.create, self.delete, self.may_be_torn = log.create, log.delete, log.may_be_torn
        self._log = log
        self._glimpses = glimpses

    def read(self, name: SegmentName) -> bytes:
        data = self._log.read(name)
        return self._glimpses[0](data)

    def look_again(self) -> list[SegmentName]:
        """Return the names; each call but the first begins another look."""
        if len(self._glimpses) > 1:
            self._glimpses.pop(0)
        return self._log.names()


@pytest.mark.parametrize("hits", [[2], [2, 3], [1, 2, 3]], ids=str)
async def test_a_frame_in_the_making_is_no_damage(tmp_path: Path, hits: list[int]) -> None:
    """What is seen half written once, and is whole at the next look, was being written."""
    root = tmp_path / "store"
    await write_journal(root, 6)
    place = local_place(OsFiles(), root)

    def torn(hit: int) -> Callable[[bytes], bytes]:
        return lambda data: _flip(data, _frames(data)[hit] + frame.HEADER_BYTES + 1, 0)

    glimpses = Glimpses(place.log, [bytes, *(torn(hit) for hit in hits), bytes])
    glimpses.names = glimpses.look_again
    assert verify(place._replace(log=glimpses)).damages == ()
    lasting = Glimpses(place.log, [torn(2)])
    (damage,) = verify(place._replace(log=lasting)).damages
    assert damage.offset == _frames(max((root / "wal").iterdir()).read_bytes())[2]


async def test_damage_is_found_beside_a_runtime_at_work(tmp_path: Path) -> None:
    """The lock is the writer's, and `verify` takes none."""
    root = tmp_path / "store"
    await write(root)
    storage = await ParquetStorage.open(root, OPTIONS)
    part = _parts(root)[0]
    part.write_bytes(_flip(part.read_bytes(), 40, 2))
    assert damaged(root) == [str(part.relative_to(root))]
    await storage.append([head("new")])
    assert damaged(root) == [str(part.relative_to(root))]
    part.write_bytes(_flip(part.read_bytes(), 40, 2))
    await storage.close()


async def test_verify_changes_nothing(tmp_path: Path) -> None:
    """Every file is the same afterwards, torn bytes at the end of the journal too."""
    root = tmp_path / "store"
    await write_journal(root, 5)
    segment = max((root / "wal").iterdir())
    data = segment.read_bytes()
    segment.write_bytes(data[: _frames(data)[-1] + 30])
    shutil.copytree(root, tmp_path / "before")
    check(root)
    for path in root.rglob("*"):
        before = tmp_path / "before" / path.relative_to(root)
        assert path.is_dir() or path.read_bytes() == before.read_bytes()
    assert len(list(root.rglob("*"))) == len(list((tmp_path / "before").rglob("*")))


def _listed(root: Path, table: Table) -> tuple[Objects, PartInfo]:
    """Return the files of the store, and the oldest part of a table."""
    objects = local_place(OsFiles(), root).objects
    manifest = manifests.read_newest(objects)
    assert manifest is not None
    return objects, manifest.parts(table)[0]


def _frames(data: bytes) -> list[int]:
    """Return where each frame begins."""
    found, offset = [], 0
    while (header := frame.read_header(data, offset)) is not None:
        found.append(offset)
        offset += frame.HEADER_BYTES + header.body_bytes
    return found


def _flip(data: bytes, offset: int, bit: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ (1 << bit)]) + data[offset + 1 :]
