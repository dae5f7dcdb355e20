"""What an open store consists of at this moment: rows in memory, parts, deletions. Used on the event loop."""

from collections.abc import Sequence

from greenroom.runtime.contracts.records import Record, Table
from greenroom.storage.deletions import Deletions
from greenroom.storage.journal.journal import Boundary
from greenroom.storage.parquet.cache import Cache
from greenroom.storage.parquet.catalog import Catalog
from greenroom.storage.parquet.manifest import Manifest
from greenroom.storage.parquet.memtable import Memtable
from greenroom.storage.parquet.opening import OpenStore
from greenroom.storage.parquet.part import Part
from greenroom.storage.rows import Rows


class Contents:
    """Everything reads look at.

    Attributes:
        frozen: Rows that are being written as parts, everything up to the boundary; None at other times.
        seq: Number of the last acknowledged record.
    """

    def __init__(self, opened: OpenStore, cache_bytes: int) -> None:
        self.frozen: tuple[Memtable, Boundary] | None = None
        self._active = opened.recovery.memory
        self._deletions = opened.deletions
        self._late: list[tuple[Sequence[Record], int, int]] = []
        self.seq = opened.recovery.end.seq
        self._objects = opened.place.objects
        self._cache = Cache(cache_bytes)
        self.catalog = Catalog(self._objects, opened.manifest, self._cache)
        self._retired: list[Part] = []
        for row in self._active.tables[Table.DELETIONS].rows():
            self._deletions.add_all([row.record], row.seq)

    def put(self, records: Sequence[Record], first_seq: int, size: int) -> None:
        """Take records that are durable, numbered from `first_seq` on, `size` bytes in the journal.

        They are put in their places when anybody looks: who was answered may go on before that.
        """
        self._late.append((records, first_seq, size))
        self.seq = first_seq + len(records) - 1

    @property
    def active(self) -> Memtable:
        """Rows since the last flush began."""
        self._catch_up()
        return self._active

    @property
    def deletions(self) -> Deletions:
        """What is hidden."""
        self._catch_up()
        return self._deletions

    def _catch_up(self) -> None:
        late = self._late
        if late:
            self._late = []
            for records, first_seq, size in late:
                self._active.put(records, first_seq, size)
                self._deletions.add_all(records, first_seq)

    def memtables(self) -> list[Memtable]:
        """Return what is in memory, oldest records first."""
        return [self.frozen[0], self.active] if self.frozen else [self.active]

    def memory(self, table: Table) -> list[Rows]:
        """Return the rows of a table that are in memory, oldest first."""
        return [memtable.tables[table] for memtable in self.memtables()]

    def freeze(self, boundary: Boundary) -> bool:
        """Let a fresh memtable take over, if there is anything; the old one holds what stands before the boundary."""
        if not self.active.records:
            return False
        self.frozen = (self._active, boundary)
        self._active = Memtable()
        return True

    def adopt(self, manifest: Manifest) -> None:
        """Go over to the parts of the next manifest; parts that it does not list stay open for scans that began."""
        before = self.catalog
        self.catalog = Catalog(self._objects, manifest, self._cache, before)
        listed = set(self.catalog.all_parts())
        self._retired += [part for part in before.all_parts() if part not in listed]

    def settle(self, up_to: int) -> None:
        """Forget deletions up to this number: they are carried out everywhere."""
        self._deletions = self.deletions.between(up_to, self.seq)

    def pinned_paths(self) -> set[str]:
        """Return the paths of replaced parts that are still being read."""
        return {part.info.path for part in self._retired if part.pins}

    def close_retired(self) -> None:
        """Let go of replaced parts that nobody reads any more."""
        for part in [part for part in self._retired if not part.pins]:
            part.close()
            self._retired.remove(part)

    def close(self) -> None:
        """Let go of every file."""
        for part in (*self.catalog.all_parts(), *self._retired):
            part.close()

    def figures(self) -> dict[str, float]:
        """Return counters for people."""
        parts = [part.info for part in self.catalog.all_parts()]
        return {
            "seq": self.seq,
            "parts": len(parts),
            "part_rows": sum(info.rows for info in parts),
            "part_bytes": sum(info.bytes for info in parts),
            "memory_records": sum(memtable.records for memtable in self.memtables()),
            "memory_bytes": sum(memtable.bytes for memtable in self.memtables()),
            "deletions": len(self.deletions),
            "manifest": self.catalog.manifest.version,
        }
