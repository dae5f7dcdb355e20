"""Manifests: the numbered, create-only list of what the store consists of. The newest is the truth."""

from typing import Final

import msgspec

from greenroom.runtime.contracts.records import Key, Table
from greenroom.storage.objects import checked_json
from greenroom.storage.objects.failure import corrupt
from greenroom.storage.objects.objects import Objects

FOLDER: Final = "manifest"
_ENDING: Final = ".json"


class PartInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file of one table.

    Attributes:
        path: Its key among the store's files.
        run: Parts of one sorted run have the same: their keys do not overlap.
        crc32c: Of the whole file.
        tail_bytes: Length of what stands behind the last row group: page index and footer.
        tail_crc32c: Of that tail. Page checksums cover the rest.
        min_key: Key of its first row. `max_key` likewise.
        min_seq: Smallest number of a record in it. `max_seq` likewise.
        clean_seq: Deletions up to this number have been carried out in it.
        oldest_at: The earliest time in it, where rows of its table age; else 0. `newest_at` is the latest.
    """

    path: str
    run: str
    rows: int
    bytes: int
    crc32c: int
    tail_bytes: int
    tail_crc32c: int
    min_key: Key
    max_key: Key
    min_seq: int
    max_seq: int
    clean_seq: int
    oldest_at: float = 0.0
    newest_at: float = 0.0


class TableParts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of one table: sorted runs, oldest records first, each in the order of its keys."""

    parts: tuple[PartInfo, ...] = ()


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """A part that was replaced and stays a while for readers of other processes."""

    path: str
    at: float


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the store consists of.

    Attributes:
        format: Of this file and of the parts it lists.
        version: Its number, also its name.
        epoch: Of the writer that made it. Segments of earlier epochs count only if `sealed` names them.
        floor_seq: Every record up to this number is in parts.
        floor_checksum: Of the last frame up to there; the first frame of the journal names it as its previous.
        sealed: Segments of earlier writers, and how many of their bytes count.
        erased_seq: Deletions up to this number are carried out everywhere: nothing they hid is left in a part.
        journal: Id of the journal that records behind the floor are in, when it is apart from the store's files; empty
            when it is among them, or when there are no such records.
    """

    format: int = 1
    version: int
    epoch: int
    written_at: float
    floor_seq: int = 0
    floor_checksum: int = 0
    sealed: dict[str, int] = {}
    tables: dict[Table, TableParts] = {}
    removed: tuple[Removed, ...] = ()
    erased_seq: int = 0
    journal: str = ""

    def parts(self, table: Table) -> tuple[PartInfo, ...]:
        """Return the parts of this table: sorted runs, oldest records first, each in the order of its keys."""
        found = self.tables.get(table)
        return found.parts if found else ()


def versions(objects: Objects) -> list[int]:
    """Return the numbers of the manifests that are there, oldest first."""
    names = [key.rpartition("/")[2].removesuffix(_ENDING) for key in objects.list(FOLDER) if key.endswith(_ENDING)]
    return sorted(int(name) for name in names if name.isdigit())


def key_of(version: int) -> str:
    """Return where the manifest of this number stands."""
    return f"{FOLDER}/{version:012d}{_ENDING}"


def read_newest(objects: Objects) -> Manifest | None:
    """Return the newest manifest, or None for a store that has none yet.

    Raises:
        StorageCorrupt: It is damaged. An older one is never taken in its stead, since records would be missing.
    """
    found = versions(objects)
    return read(objects, found[-1]) if found else None


def read(objects: Objects, version: int) -> Manifest:
    """Return the manifest of this number.

    Raises:
        StorageCorrupt: It is damaged.
    """
    key = key_of(version)
    manifest = checked_json.decode(objects.read(key), Manifest, objects.address(key))
    if manifest.version != version:
        raise corrupt(objects.address(key), 0, f"it says version {manifest.version}")
    return manifest


def write(objects: Objects, manifest: Manifest) -> bool:
    """Make the manifest durable; return False when another writer has made one of this number."""
    return objects.create(key_of(manifest.version), checked_json.encode(manifest))
