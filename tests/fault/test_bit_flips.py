"""One flipped bit, anywhere: an error that names file and offset, or data as it was written; never other data."""

import hashlib
import random
import shutil
from pathlib import Path

import pytest

from greenroom.runtime.contracts.errors import StorageCorrupt
from greenroom.runtime.contracts.records import Record, Table
from greenroom.storage.objects.local import LocalObjects
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.parquet import manifest as manifests
from greenroom.storage.parquet.cache import Cache
from greenroom.storage.parquet.columns import to_rows
from greenroom.storage.parquet.identity import NAME as IDENTITY
from greenroom.storage.parquet.identity import load_identity
from greenroom.storage.parquet.part import Part
from greenroom.storage.parquet.place import local_place
from greenroom.storage.parquet.store import ParquetStorage
from greenroom.storage.parquet.verify import verify
from tests.contract.records import blob, charge, head, journal, key, message, span, thread
from tests.contract.stores import rows
from tests.fault.files import CALM, flip, frames_of, journal_only, last_segment

BLOB = b"some bytes"
SHA256 = hashlib.sha256(BLOB).hexdigest()

ROWS: list[Record] = [
    *(head(f"r{number}", at=float(number), status="running" if number % 2 else "failed") for number in range(9)),
    *(journal(f"r{number % 3}", number, body=b"%d" % number * 9) for number in range(12)),
    *(message("t", number, content={"text": "x" * number}) for number in range(1, 7)),
    *(key(f"k{number}", f"r{number}") for number in range(5)),
    *(thread(f"t{number}", at=float(number)) for number in range(5)),
    charge("entry", run_id="r1"),
    span("r1", ""),
    blob(SHA256, "r1"),
]


async def _store(root: Path) -> LocalObjects:
    """Leave a store with a part of each of these tables, a blob, and frames in its journal."""
    storage = await ParquetStorage.open(root, CALM)
    await storage.put_blob(SHA256, BLOB)
    await storage.append(ROWS)
    await storage.flush()
    await storage.close()
    return LocalObjects(OsFiles(), root)


def _look(objects: LocalObjects, table: Table, info: manifests.PartInfo) -> list[Record | None]:
    """Return every row of a part, as a scan reads it and as lookups by key find it, and what it says is not there."""
    part = Part(objects, table, info, Cache(1 << 20))
    try:
        scanned = [row.record for row in to_rows(table, part.read())]
        wanted = [row for row in ROWS if isinstance(row, type(scanned[0]))]
        found = [part.find(row.row_key) for row in wanted]
        return [*scanned, *(row.record if row else None for row in found)]
    finally:
        part.close()


async def test_a_bit_flipped_at_any_byte_of_a_part_is_an_error_or_changes_nothing(memory: Path, is_long: bool) -> None:
    """Magic, page headers, dictionaries, pages, filters, page index, footer: by scans and by lookups."""
    objects = await _store(memory)
    manifest = manifests.read_newest(objects)
    assert manifest is not None
    for table in Table if is_long else (Table.JOURNAL,):
        for info in manifest.parts(table):
            path = memory / info.path
            data = path.read_bytes()
            expected = _look(objects, table, info)
            assert None not in expected
            noticed = 0
            for offset in range(len(data)):
                for bit in range(8) if is_long else (offset % 8,):
                    path.write_bytes(flip(data, offset, bit))
                    try:
                        assert _look(objects, table, info) == expected, (table, offset, bit)
                    except StorageCorrupt as error:
                        assert error.facts["file"] == str(path)  # noqa: PT017 - the other outcome is right too
                        noticed += 1
            path.write_bytes(data)
            assert noticed > len(data) * 0.9


async def test_a_bit_flipped_in_any_part_of_an_open_store_is_an_error_or_changes_nothing(tmp_path: Path) -> None:
    """Through the whole store: what scans return is what was written, or the error names the part."""
    await _store(tmp_path)
    expected = await _everything(tmp_path)
    chance = random.Random(3)
    noticed = 0
    for path in sorted((tmp_path / "data").rglob("*.parquet")):
        data = path.read_bytes()
        for _ in range(12):
            path.write_bytes(flip(data, chance.randrange(len(data)), chance.randrange(8)))
            try:
                assert await _everything(tmp_path) == expected
            except StorageCorrupt as error:
                assert error.facts["file"] == str(path)  # noqa: PT017 - the other outcome is right too
                noticed += 1
        path.write_bytes(data)
    assert noticed > 50


async def test_a_flipped_bit_before_the_last_frame_is_an_error(memory: Path) -> None:
    """Acknowledged frames stood behind the damage, so the store does not open; the error names file and offset."""
    await journal_only(memory / "whole", 5)
    segment = last_segment(memory / "whole")
    data = segment.read_bytes()
    frames = frames_of(data)
    chance = random.Random(1)
    for offset in range(frames[-1][0]):
        root = memory / "flipped"
        shutil.copytree(memory / "whole", root)
        (root / "wal" / segment.name).write_bytes(flip(data, offset, chance.randrange(8)))
        with pytest.raises(StorageCorrupt) as caught:
            await ParquetStorage.open(root, CALM)
        assert caught.value.facts["file"].endswith(segment.name)
        begin, end = next(span for span in frames if span[0] <= offset < span[1])
        assert begin <= caught.value.facts["offset"] <= end
        shutil.rmtree(root)


async def test_a_flipped_bit_in_the_last_frame_never_changes_data(memory: Path) -> None:
    """It looks like an append that was never acknowledged: set aside, and everything before it is there."""
    written = await journal_only(memory / "whole", 4)
    segment = last_segment(memory / "whole")
    data = segment.read_bytes()
    start, end = frames_of(data)[-1]
    for offset in range(start, end):
        root = memory / "flipped"
        shutil.copytree(memory / "whole", root)
        (root / "wal" / segment.name).write_bytes(flip(data, offset, offset % 8))
        storage = await ParquetStorage.open(root, CALM)
        assert await rows(storage, Table.JOURNAL) == written[:-1]
        assert storage.health().figures["torn_bytes"] > 0
        await storage.close()
        shutil.rmtree(root)


async def test_a_bit_flipped_anywhere_in_the_manifest_or_identity_is_an_error(memory: Path) -> None:
    """An older manifest is never taken in place of a damaged one."""
    objects = await _store(memory)
    newest = memory / manifests.key_of(manifests.versions(objects)[-1])
    for path in (newest, memory / IDENTITY):
        data = path.read_bytes()
        for offset in range(len(data)):
            path.write_bytes(flip(data, offset, offset % 8))
            with pytest.raises(StorageCorrupt, match="damaged") as caught:
                manifests.read_newest(objects) if path == newest else load_identity(objects, now=0.0)
            assert caught.value.facts["file"] == str(path)
            if offset % 200 == 0:
                with pytest.raises(StorageCorrupt, match="damaged"):
                    await ParquetStorage.open(memory, CALM)
        path.write_bytes(data)
    assert len((await _everything(memory))[Table.RUNS]) == 9


async def test_a_bit_flipped_anywhere_in_a_blob_is_an_error(memory: Path) -> None:
    """A blob's name is its digest, which is checked at every read."""
    await _store(memory)
    path = memory / "blobs" / SHA256[:2] / SHA256
    storage = await ParquetStorage.open(memory, CALM)
    for offset in range(len(BLOB)):
        path.write_bytes(flip(BLOB, offset, offset % 8))
        with pytest.raises(StorageCorrupt, match=SHA256) as caught:
            await storage.get_blob(SHA256)
        assert caught.value.facts["file"] == str(path)
    await storage.close()


async def test_verify_finds_a_bit_flipped_in_any_kind_of_file(memory: Path) -> None:
    """Identity, epochs, manifests, parts wherever they are hit, blobs, and the journal before its last frame."""
    await journal_only(memory / "store", 6)
    objects = LocalObjects(OsFiles(), memory / "store")
    storage = await ParquetStorage.open(memory / "store", CALM)
    await storage.put_blob(SHA256, BLOB)
    await storage.append(ROWS)
    await storage.flush()
    await storage.close()
    await journal_only(memory / "store", 6, first=100)
    place = local_place(OsFiles(), memory / "store")
    assert verify(place).damages == ()
    chance = random.Random(4)
    kinds = set()
    for path in sorted((memory / "store").rglob("*")):
        if not path.is_file() or path.name in {"LOCK", "RESERVE"}:
            continue
        data = path.read_bytes()
        size = frames_of(data)[-1][0] if path.suffix == ".wal" else len(data)
        kinds.add(path.relative_to(memory / "store").parts[0])
        for _ in range(10):
            path.write_bytes(flip(data, chance.randrange(size), chance.randrange(8)))
            assert str(path) in {damage.file for damage in verify(place).damages}
        path.write_bytes(data)
    assert kinds == {"STORE.json", "blobs", "data", "epoch", "manifest", "wal"}
    assert objects.exists(IDENTITY)


async def _everything(root: Path) -> dict[Table, list[Record]]:
    storage = await ParquetStorage.open(root, CALM)
    try:
        return {table: await rows(storage, table) for table in Table}
    finally:
        await storage.close()
