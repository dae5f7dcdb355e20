"""The parts of the store at one moment, as the newest manifest lists them. A value: a change makes a new one."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from greenroom.runtime.contracts.records import Key, Table
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet.cache import Cache
from greenroom.storage.parquet.manifest import Manifest
from greenroom.storage.parquet.part import Part


class Catalog:
    """A manifest and its parts, open for reading.

    Args:
        before: The catalog this one follows; parts that both list are shared.
    """

    def __init__(self, objects: Objects, manifest: Manifest, cache: Cache, before: "Catalog | None" = None) -> None:
        self.manifest = manifest
        known = {part.info.path: part for part in before.all_parts()} if before else {}
        self._parts: dict[Table, tuple[Part, ...]] = {
            table: tuple(known.get(info.path) or Part(objects, table, info, cache) for info in manifest.parts(table))
            for table in Table
        }

    def parts(self, table: Table) -> tuple[Part, ...]:
        """Return the parts of this table, oldest records first."""
        return self._parts[table]

    def parts_with(self, table: Table, prefix: Key) -> list[Part]:
        """Return those that may hold keys with this prefix, oldest records first."""
        return [part for part in self._parts[table] if not prefix or part.may_hold(prefix)]

    def all_parts(self) -> Iterator[Part]:
        """Walk the parts of every table."""
        for parts in self._parts.values():
            yield from parts


@contextmanager
def pinned(parts: Sequence[Part]) -> Generator[None, None, None]:
    """Keep the files of these parts on the disk meanwhile. Called on the event loop only."""
    for part in parts:
        part.pins += 1
    try:
        yield
    finally:
        for part in parts:
            part.pins -= 1
