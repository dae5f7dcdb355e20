"""Manifests: the numbered, create-only list of what the store consists of. The newest is the truth."""

from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from greenroom.runtime.contracts.records import Key, Table
from greenroom.storage.objects import checked_json
from greenroom.storage.objects.durable import create
from greenroom.storage.objects.failure import corrupt
from greenroom.storage.objects.ops import FileOps

FOLDER: Final = "manifest"
_ENDING: Final = ".json"


class PartInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file of one table.

    Attributes:
        path: Below the root of the store.
        crc32c: Of the whole file.
        tail_bytes: Length of what stands behind the last row group: page index and footer.
        tail_crc32c: Of that tail. Page checksums cover the rest.
        min_key: Key of its first row. `max_key` likewise.
        min_seq: Smallest number of a record in it. `max_seq` likewise.
    """

    path: str
    rows: int
    bytes: int
    crc32c: int
    tail_bytes: int
    tail_crc32c: int
    min_key: Key
    max_key: Key
    min_seq: int
    max_seq: int


class TableParts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of one table, oldest records first."""

    parts: tuple[PartInfo, ...] = ()


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """A part that was replaced and stays a while for readers of other processes."""

    path: str
    at: float


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the store consists of.

    Attributes:
        version: Its number, also its name.
        epoch: Of the writer that made it. Segments of earlier epochs count only if `sealed` names them.
        floor_seq: Every record up to this number is in parts.
        floor_checksum: Of the last frame up to there; the first frame of the journal names it as its previous.
        sealed: Segments of earlier writers, and how many of their bytes count.
    """

    version: int
    epoch: int
    written_at: float
    floor_seq: int = 0
    floor_checksum: int = 0
    sealed: dict[str, int] = {}
    tables: dict[Table, TableParts] = {}
    removed: tuple[Removed, ...] = ()

    def parts(self, table: Table) -> tuple[PartInfo, ...]:
        """Return the parts of this table, oldest records first."""
        found = self.tables.get(table)
        return found.parts if found else ()


class Found(NamedTuple):
    """A manifest and where it was read."""

    manifest: Manifest
    path: Path


def versions(ops: FileOps, root: Path) -> list[int]:
    """Return the numbers of the manifests that are there, oldest first."""
    names = [name.removesuffix(_ENDING) for name in ops.list_dir(root / FOLDER) if name.endswith(_ENDING)]
    return [int(name) for name in names if name.isdigit()]


def path_of(root: Path, version: int) -> Path:
    """Return where the manifest of this number stands."""
    return root / FOLDER / f"{version:012d}{_ENDING}"


def read_newest(ops: FileOps, root: Path) -> Found | None:
    """Return the newest manifest, or None for a store that has none yet.

    Raises:
        StorageCorrupt: It is damaged. An older one is never taken in its stead, since records would be missing.
    """
    found = versions(ops, root)
    if not found:
        return None
    path = path_of(root, found[-1])
    manifest = checked_json.decode(ops.read(path), Manifest, path)
    if manifest.version != found[-1]:
        raise corrupt(path, 0, f"it says version {manifest.version}")
    return Found(manifest, path)


def write(ops: FileOps, root: Path, manifest: Manifest) -> bool:
    """Make the manifest durable; return False when another writer has made one of this number."""
    return create(ops, path_of(root, manifest.version), checked_json.encode(manifest))
