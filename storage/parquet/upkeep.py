"""What happens to the files behind the writers' backs: flush, merge, erase. Blocking; one at a time, in one thread.

Each turns one manifest into the next. A crash anywhere leaves the old one with all its files, or the new one.
"""

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Sequence

import pyarrow as pa
from msgspec.structs import replace

from greenroom.runtime.contracts.records import Table
from greenroom.storage.deletions import KEPT, Deletions
from greenroom.storage.field import key_names
from greenroom.storage.journal.epoch import Epoch
from greenroom.storage.journal.journal import Boundary
from greenroom.storage.objects.failure import is_passing
from greenroom.storage.parquet import manifest as manifests
from greenroom.storage.parquet.catalog import Catalog
from greenroom.storage.parquet.columns import conform, to_arrow
from greenroom.storage.parquet.erasure import Erasing
from greenroom.storage.parquet.manifest import Manifest, PartInfo, Removed, TableParts
from greenroom.storage.parquet.memtable import Memtable
from greenroom.storage.parquet.merge import SortedRun, merged, runs_of, runs_to_merge
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.part import Part
from greenroom.storage.parquet.part_writer import FOLDER as DATA
from greenroom.storage.parquet.part_writer import RunWriter
from greenroom.storage.parquet.place import Place

_AGED_SHARE = 0.1  # of a part's rows: fewer aged ones are not worth writing it again


class Upkeep:
    """Makes the next manifest.

    Args:
        now: Epoch seconds.
    """

    def __init__(
        self, *, place: Place, epoch: Epoch, options: StoreOptions, now: Callable[[], float] = time.time
    ) -> None:
        self._objects = place.objects
        self._epoch = epoch
        self._options = options
        self._now = now
        self._made: list[PartInfo] = []

    def flush(self, catalog: Catalog, memtable: Memtable, floor: Boundary, deletions: Deletions) -> Manifest:
        """Write what the memtable holds, everything up to `floor`, as parts; return the manifest that lists them.

        Args:
            deletions: Those up to the floor.

        Raises:
            Fenced: A newer writer has the store; it does not see these parts.
            OSError: The system's reason; the parts written so far count for nothing.
        """
        with self._unless_listed():
            tables = dict(catalog.manifest.tables)
            for table, rows in memtable.tables.items():
                # References to blobs stay until the blobs are gone, deleted or not.
                is_whole = table is Table.BLOBS or not len(deletions)
                shown = rows if is_whole else rows.shown(deletions.see(table))
                if len(shown):
                    columns = to_arrow(table, shown.rows())
                    columns = columns.sort_by([(name, "ascending") for name in key_names(table)])
                    clean_seq = 0 if table is Table.BLOBS else floor.seq
                    infos = self._write_run(table, [columns], level=0, clean_seq=clean_seq)
                    tables[table] = TableParts(parts=(*catalog.manifest.parts(table), *infos))
            return self._advance(catalog.manifest, tables=tables, floor=floor, sealed={})

    def merge(self, catalog: Catalog, table: Table, erasing: Erasing) -> Manifest | None:
        """Merge runs of the table that are worth it; return the manifest that follows, or None when none are.

        Raises:
            StorageCorrupt: A part is damaged; nothing was changed.
            Fenced: A newer writer has the store.
        """
        runs = runs_to_merge(runs_of(catalog.parts(table)), self._options.max_runs)
        return self._merge(catalog, {table: runs}, erasing) if runs else None

    def compact(self, catalog: Catalog, erasing: Erasing) -> Manifest:
        """Merge all runs of every table into one, and return the manifest that follows.

        Everything up to `erasing.up_to` must be in parts. Raises as `merge` does.
        """
        every = {table: runs_of(catalog.parts(table)) for table in Table}
        return self._merge(catalog, {table: runs for table, runs in every.items() if runs}, erasing)

    def erase(self, catalog: Catalog, erasing: Erasing) -> Manifest:
        """Write the parts again that hold deleted or aged rows, without these; return the manifest that follows.

        Everything up to `erasing.up_to` must be in parts. Raises as `merge` does.
        """
        tables: dict[Table, TableParts] = {}
        removed: list[str] = []
        with self._unless_listed():
            for table in Table:
                infos: list[PartInfo] = []
                for part in catalog.parts(table):
                    fresh = self._erased(table, part, erasing)
                    infos += fresh
                    if all(info.path != part.info.path for info in fresh):
                        removed.append(part.info.path)
                tables[table] = TableParts(parts=tuple(infos))
            return self._advance(catalog.manifest, tables=tables, removed=removed, erased_seq=erasing.settled)

    def _erased(self, table: Table, part: Part, erasing: Erasing) -> Sequence[PartInfo]:
        """Return what takes the part's place: nothing, itself, or its rows without those that go."""
        info = part.info
        if erasing.is_aged(table, info) or (table is Table.DELETIONS and info.max_seq <= erasing.settled):
            return ()
        if table in KEPT and table is not Table.DELETIONS:
            return (info,)
        is_old = table in erasing.oldest_at and info.oldest_at < erasing.oldest_at[table]
        if not is_old and (info.clean_seq >= erasing.up_to or not len(erasing.deletions)):
            return (info,)
        columns = erasing.columns(table)
        left = sum(erasing.kept(table, part.read([group], columns)).num_rows for group in range(part.groups))
        gone = info.rows - left
        if gone == 0 or (not len(erasing.deletions) and gone < info.rows * _AGED_SHARE):
            return (replace(info, clean_seq=max(info.clean_seq, erasing.up_to)),) if gone == 0 else (info,)
        rows = (conform(table, part.read([group])) for group in range(part.groups))
        return self._write_run(
            table, (erasing.kept(table, piece) for piece in rows), level=1, clean_seq=erasing.up_to, run=info.run
        )

    def _merge(self, catalog: Catalog, wanted: dict[Table, Sequence[SortedRun]], erasing: Erasing) -> Manifest:
        tables = dict(catalog.manifest.tables)
        removed: list[str] = []
        with self._unless_listed():
            for table, runs in wanted.items():
                gone = [part.info.path for run in runs for part in run]
                rows = (erasing.kept(table, piece) for piece in merged(table, runs))
                clean_seq = erasing.settled if table is Table.BLOBS else erasing.up_to
                infos = self._write_run(table, rows, level=1, clean_seq=clean_seq)
                stay = [info for info in catalog.manifest.parts(table) if info.path not in set(gone)]
                tables[table] = TableParts(parts=(*stay, *infos))
                removed += gone
            return self._advance(catalog.manifest, tables=tables, removed=removed, erased_seq=erasing.settled)

    def _write_run(
        self, table: Table, rows: Iterable[pa.Table], *, level: int, clean_seq: int, run: str | None = None
    ) -> list[PartInfo]:
        writer = RunWriter(
            self._objects,
            table,
            epoch=self._epoch.number,
            level=level,
            clean_seq=clean_seq,
            run=run,
            part_bytes=self._options.part_bytes,
        )
        try:
            for piece in rows:
                writer.write(piece)
                time.sleep(0)  # gives the interpreter to whoever waits for it
            writer.finish()
        except BaseException:
            writer.abort()
            raise
        finally:
            self._made += writer.parts
        return writer.parts

    @contextlib.contextmanager
    def _unless_listed(self) -> Generator[None, None, None]:
        """Remove the parts that were made when the manifest that lists them was not, for want of space."""
        self._made = []
        try:
            yield
        except OSError as error:
            if is_passing(error):  # after any other error nobody knows whether the manifest is there
                for info in self._made:
                    with contextlib.suppress(OSError):
                        self._objects.delete(info.path)
            raise

    def _advance(
        self,
        before: Manifest,
        *,
        tables: dict[Table, TableParts],
        floor: Boundary | None = None,
        sealed: dict[str, int] | None = None,
        removed: Sequence[str] = (),
        erased_seq: int | None = None,
    ) -> Manifest:
        """Make the manifest that follows durable.

        Raises:
            Fenced: A newer writer has the store.
        """
        there = frozenset(self._objects.list(DATA)) if before.removed else frozenset()
        waiting = [part for part in before.removed if part.path in there]
        manifest = Manifest(
            version=before.version + 1,
            epoch=self._epoch.number,
            written_at=self._now(),
            floor_seq=floor.seq if floor else before.floor_seq,
            floor_checksum=floor.checksum if floor else before.floor_checksum,
            sealed=before.sealed if sealed is None else sealed,
            tables=tables,
            removed=(*waiting, *(Removed(path=path, at=self._now()) for path in removed)),
            erased_seq=before.erased_seq if erased_seq is None else erased_seq,
            journal=before.journal,
        )
        if not manifests.write(self._objects, manifest):
            raise self._epoch.fenced()
        self._epoch.check()
        return manifest
