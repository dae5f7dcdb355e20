"""What a store consists of, counted from its newest manifest and the names of its files. No row is read."""

from typing import Any

import msgspec

from greenroom.runtime.contracts.records import Table
from greenroom.storage.journal.log import FOLDER as SEGMENTS
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet.blobs import FOLDER as BLOBS
from greenroom.storage.parquet.place import Place
from greenroom.storage.reading.moment import newest_manifest


class TableStats(msgspec.Struct, frozen=True, kw_only=True):
    """One table in parts.

    Attributes:
        rows: Superseded and deleted ones that are still in parts too.
        runs: Sorted runs; a merge makes them one.
    """

    rows: int = 0
    parts: int = 0
    runs: int = 0
    bytes: int = 0


class FileStats(msgspec.Struct, frozen=True, kw_only=True):
    """Files of one kind."""

    files: int = 0
    bytes: int = 0


class StoreStats(msgspec.Struct, frozen=True, kw_only=True):
    """A store in figures.

    Attributes:
        manifest: Number of the newest.
        epoch: Of the last writer.
        written_at: When the newest manifest was written, in epoch seconds.
        floor_seq: Every record up to this number is in parts; later ones are in the journal.
        replaced: Parts that were merged into others and stay a while for readers.
    """

    url: str
    manifest: int
    epoch: int
    written_at: float
    floor_seq: int
    tables: dict[str, TableStats]
    total: TableStats
    journal: FileStats
    blobs: FileStats
    replaced: FileStats

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def store_stats(place: Place) -> StoreStats:
    """Count what is there now.

    Raises:
        StorageError: There is no store there, or it cannot be read.
        StorageCorrupt: Its newest manifest is damaged.
    """
    objects = place.objects
    manifest = newest_manifest(objects)
    tables: dict[str, TableStats] = {}
    for table in Table:
        if parts := manifest.parts(table):
            tables[table] = TableStats(
                rows=sum(info.rows for info in parts),
                parts=len(parts),
                runs=len({info.run for info in parts}),
                bytes=sum(info.bytes for info in parts),
            )
    names = TableStats.__struct_fields__
    total = {name: sum(getattr(stats, name) for stats in tables.values()) for name in names}
    return StoreStats(
        url=objects.url,
        manifest=manifest.version,
        epoch=manifest.epoch,
        written_at=manifest.written_at,
        floor_seq=manifest.floor_seq,
        tables=tables,
        total=TableStats(**total),
        journal=_count(place.journal or objects, (place.journal or objects).list(SEGMENTS)),
        blobs=_count(objects, objects.list(BLOBS)),
        replaced=_count(objects, [part.path for part in manifest.removed]),
    )


def _count(objects: Objects, keys: list[str]) -> FileStats:
    files = size = 0
    for key in keys:
        try:
            size += objects.size(key)
        except FileNotFoundError:  # removed since it was listed
            continue
        files += 1
    return FileStats(files=files, bytes=size)
