"""What happens to the files behind the writers' backs: flush, merge, sweep. Blocking; one at a time, in one thread."""

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet

from greenroom.runtime.contracts.records import Table
from greenroom.storage.journal.epoch import Epoch
from greenroom.storage.journal.journal import Boundary
from greenroom.storage.journal.log import SegmentName
from greenroom.storage.parquet import manifest as manifests
from greenroom.storage.parquet.catalog import Catalog
from greenroom.storage.parquet.columns import to_arrow
from greenroom.storage.parquet.manifest import Manifest, Removed, TableParts
from greenroom.storage.parquet.memtable import Memtable
from greenroom.storage.parquet.merge import merged_rows, parts_to_merge
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.part_writer import FOLDER as DATA
from greenroom.storage.parquet.part_writer import epoch_of, write_part
from greenroom.storage.parquet.place import Place


class Upkeep:
    """Turns one manifest into the next. A crash anywhere leaves the old one with all its files, or the new one.

    Args:
        now: Epoch seconds.
    """

    def __init__(
        self, *, place: Place, epoch: Epoch, options: StoreOptions, now: Callable[[], float] = time.time
    ) -> None:
        self._objects = place.objects
        self._log = place.log
        self._epoch = epoch
        self._options = options
        self._now = now

    def flush(self, catalog: Catalog, memtable: Memtable, floor: Boundary) -> Manifest:
        """Write what the memtable holds, everything up to `floor`, as parts; return the manifest that lists them.

        Raises:
            Fenced: A newer writer has the store; it does not see these parts.
            OSError: The system's reason; the parts written so far count for nothing.
        """
        tables = dict(catalog.manifest.tables)
        for table, rows in memtable.tables.items():
            if len(rows):
                columns = to_arrow(table, rows.rows())
                info = write_part(self._objects, table, columns, epoch=self._epoch.number, level=0, clean_seq=0)
                tables[table] = TableParts(parts=(*catalog.manifest.parts(table), info))
        return self._write(catalog.manifest, tables=tables, floor=floor, sealed={})

    def merge(self, catalog: Catalog, table: Table) -> Manifest | None:
        """Merge parts of the table that are worth it; return the manifest that follows, or None when none are.

        Raises:
            StorageCorrupt: A part is damaged; nothing was changed.
            Fenced: A newer writer has the store.
        """
        merged = parts_to_merge(catalog.parts(table), self._options.max_parts)
        if not merged:
            return None
        rows = merged_rows(table, merged)
        info = write_part(self._objects, table, rows, epoch=self._epoch.number, level=1, clean_seq=0)
        before = catalog.manifest
        parts = (*before.parts(table)[: -len(merged)], info)
        removed = tuple(Removed(path=part.info.path, at=self._now()) for part in merged)
        floor = Boundary(before.floor_seq, before.floor_checksum)
        tables = {**before.tables, table: TableParts(parts=parts)}
        return self._write(before, tables=tables, floor=floor, sealed=before.sealed, removed=removed)

    def sweep(self, manifest: Manifest, in_use: AbstractSet[str]) -> None:
        """Remove what the manifest has made superfluous: segments, replaced parts past their grace, old manifests.

        Args:
            in_use: Paths of replaced parts that are still being read.
        """
        for name in self._log.names():
            if self._is_superfluous(name, manifest):
                self._log.delete(name)
        for part in manifest.removed:
            if part.path not in in_use and self._is_past_grace(part):
                self._objects.delete(part.path)
        for version in manifests.versions(self._objects)[: -self._options.kept_manifests]:
            self._objects.delete(manifests.key_of(version))

    def sweep_orphans(self, manifest: Manifest) -> None:
        """Remove what a crash left behind: unfinished files, and parts of earlier writers that no manifest lists.

        Nothing of a newer writer, which may be at work on another host, is touched.
        """
        self._objects.sweep()
        listed = {info.path for table in Table for info in manifest.parts(table)}
        listed |= {part.path for part in manifest.removed}
        for key in self._objects.list(DATA):
            epoch = epoch_of(key.rpartition("/")[2])
            if epoch is not None and epoch < self._epoch.number and key not in listed:
                self._objects.delete(key)

    def _write(
        self,
        before: Manifest,
        *,
        tables: dict[Table, TableParts],
        floor: Boundary,
        sealed: dict[str, int],
        removed: tuple[Removed, ...] = (),
    ) -> Manifest:
        gone = [part for part in before.removed if not self._objects.exists(part.path)]
        manifest = Manifest(
            version=before.version + 1,
            epoch=self._epoch.number,
            written_at=self._now(),
            floor_seq=floor.seq,
            floor_checksum=floor.checksum,
            sealed=sealed,
            tables=tables,
            removed=(*(part for part in before.removed if part not in gone), *removed),
            erased_seq=before.erased_seq,
        )
        if not manifests.write(self._objects, manifest):
            raise self._epoch.fenced()
        self._epoch.check()
        return manifest

    def _is_superfluous(self, name: SegmentName, manifest: Manifest) -> bool:
        is_orphan = name.epoch < manifest.epoch and str(name) not in manifest.sealed
        return name.first_seq <= manifest.floor_seq or is_orphan

    def _is_past_grace(self, part: Removed) -> bool:
        return part.at + self._options.reader_grace_s <= self._now()
