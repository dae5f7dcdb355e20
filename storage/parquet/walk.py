"""Walking the rows of parts in the order of a scan, a few row groups at a time.

Each row group has a zone: the smallest and largest value of what the scan is ordered by. Groups are read in the order
of their zones, and a row is given out once no unread group can hold one that comes before it. So a list of the newest
fifty reads a few groups, and memory holds the rows of groups that overlap.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any, Final, NamedTuple

import pyarrow as pa

from greenroom.runtime.contracts.records import Key, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.deletions import Deletions
from greenroom.storage.field import key_names, order_names
from greenroom.storage.parquet.columns import SEQ, conform
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.erasure import hidden, owner_names
from greenroom.storage.parquet.filters import Filters
from greenroom.storage.parquet.merge import runs_of
from greenroom.storage.parquet.part import Part
from greenroom.storage.rows import Row

MAX_PENDING_ROWS: Final = 32_768
"""Most rows (of a few narrow columns) that wait for their turn; with more, the walk starts again behind the last."""

_PART: Final = "$part"
_ROW: Final = "$row"
_MAX_BATCH_GROUPS: Final = 16


class _Unit(NamedTuple):
    """A row group and the values its rows are ordered by, at least."""

    first: Any
    number: int
    group: int


class Walk:
    """Rows of parts in the order of a scan: the newest of each key, and at least those the query asks for.

    Args:
        parts: Sorted runs, oldest records first; pinned by the caller.
        deletions: A copy of its own.

    Attributes:
        is_ended: It is known that all rows were given out.
    """

    def __init__(self, table: Table, parts: Sequence[Part], query: Query, deletions: Deletions) -> None:
        self._table = table
        self._parts = parts
        self._query = query
        self._deletions = deletions
        self._filters = Filters(table, query)
        self._keys = key_names(table)
        self._orders = order_names(table)
        names = [*self._filters.columns(), *(owner_names(table) if len(deletions) else ())]
        self._names = list(dict.fromkeys(names))
        runs = {id(part): number for number, run in enumerate(runs_of(parts)) for part in run}
        # A prefix fixes what scans are ordered by first; what comes after it tells the groups apart.
        fixed = self._keys[: len(query.prefix)]
        self._places = [name for name in dict.fromkeys((*self._orders, *self._keys)) if name not in fixed]
        self._zone = self._places[0] if self._places else ""
        self._run_of = [runs[id(part)] for part in parts]
        self._blocks = self._walk()
        self._block: pa.Table | None = None
        self.is_ended = False

    def take(self, size: int) -> list[Row]:
        """Return the next rows, none at the end; at times fewer than asked for.

        Raises:
            StorageCorrupt: A file is damaged.
        """
        while True:
            while self._block is None or not self._block.num_rows:
                self._block = next(self._blocks, None)
                if self._block is None:
                    self.is_ended = True
                    return []
            page, self._block = self._block.slice(0, size), self._block.slice(size)
            if (page := self._without_superseded(page)).num_rows:
                return self._rows(page)

    def _walk(self) -> Iterator[pa.Table]:
        """Give out blocks of narrow rows, sorted, each behind the last."""
        floor: Key | None = None
        while True:
            pending: pa.Table | None = None
            end: Key | None = None  # rows behind it were left for the next round
            for units, boundary in self._batches(floor):
                pieces = [piece for unit in units if (piece := self._narrow(unit, floor, end)) is not None]
                if pending is not None:
                    pieces.append(pending)
                if not pieces:
                    continue
                ready, rest = self._split(pa.concat_tables(pieces), boundary)
                if ready.num_rows:
                    yield ready
                if rest.num_rows > MAX_PENDING_ROWS:
                    rest = self._sorted(rest).slice(0, MAX_PENDING_ROWS)
                    end = self._place(rest, rest.num_rows - 1)
                pending = rest
            if end is None:
                return
            floor = end

    def _batches(self, floor: Key | None) -> Iterator[tuple[list[_Unit], Any]]:
        """Give out row groups in their order, and the first value that the groups after them may begin with."""
        anywhere, units = self._units(floor)
        start, count = 0, 1 if self._query.limit is not None else _MAX_BATCH_GROUPS
        while anywhere or start < len(units):
            stop = min(len(units), start + count)
            yield anywhere + units[start:stop], units[stop].first if stop < len(units) else None
            anywhere, start, count = [], stop, min(_MAX_BATCH_GROUPS, count * 2)

    def _units(self, floor: Key | None) -> tuple[list[_Unit], list[_Unit]]:
        """Return the groups that may begin anywhere, and the others in their order."""
        found: list[_Unit] = []
        anywhere: list[_Unit] = []
        side = 1 if self._query.reverse else 0
        for number, part in enumerate(self._parts):
            groups = self._filters.groups(part)
            zones = part.zones(self._zone) if groups and self._zone else []
            for group in groups:
                zone = zones[group] if zones else None
                if zone is None:
                    anywhere.append(_Unit(None, number, group))
                elif floor is None or (zone[0] <= floor[0] if self._query.reverse else zone[1] >= floor[0]):
                    found.append(_Unit(zone[side], number, group))
        return anywhere, sorted(found, key=lambda unit: unit.first, reverse=self._query.reverse)

    def _narrow(self, unit: _Unit, floor: Key | None, end: Key | None) -> pa.Table | None:
        """Return the narrow columns of the rows of a group that may be asked for, and where they stand.

        Args:
            floor: Only rows behind this place.
            end: Only rows up to this place.
        """
        part = self._parts[unit.number]
        if not self._filters.is_within(part, unit.group):
            return None
        rows = conform(self._table, part.read([unit.group], self._names), self._names)
        masks = [mask for mask in (self._filters.mask(rows),) if mask is not None]
        if floor is not None:
            masks.append(self._is_behind(rows, floor))
        if end is not None:
            masks.append(pc.invert(self._is_behind(rows, end)))
        if (gone := hidden(self._table, rows, self._deletions)) is not None:
            masks.append(pc.invert(gone))
        if masks:
            places = pc.indices_nonzero(reduce(pc.and_, masks)).cast(pa.int64())
        else:
            places = pa.array(range(rows.num_rows), pa.int64())
        if not len(places):
            return None
        rows = rows.select(list(dict.fromkeys([SEQ, *self._keys, *self._orders]))).take(places)
        rows = rows.append_column(_PART, pa.repeat(pa.scalar(unit.number, pa.int32()), rows.num_rows))
        return rows.append_column(_ROW, pc.add(places, part.first_row(unit.group)))

    def _split(self, rows: pa.Table, boundary: Any) -> tuple[pa.Table, pa.Table]:
        """Return the rows that nothing unread can come before, sorted, and the rest."""
        if boundary is None or not rows.num_rows:
            return self._sorted(rows), rows.slice(0, 0)
        column = _plain(rows.column(self._zone))
        ready = pc.greater(column, boundary) if self._query.reverse else pc.less(column, boundary)
        return self._sorted(rows.filter(ready)), rows.filter(pc.invert(ready))

    def _sorted(self, rows: pa.Table) -> pa.Table:
        direction = "descending" if self._query.reverse else "ascending"
        order = dict.fromkeys((*self._orders, *self._keys), direction)
        return rows.sort_by(list(order.items())) if rows.num_rows else rows

    def _without_superseded(self, page: pa.Table) -> pa.Table:
        """Leave out rows whose key a newer part has."""
        if max(self._run_of, default=0) == 0:
            return page
        numbers: list[int] = page.column(_PART).to_pylist()
        keys = list(zip(*(page.column(name).to_pylist() for name in self._keys), strict=True))
        stale: set[int] = set()
        for number, part in enumerate(self._parts):
            places = [
                place
                for place, other in enumerate(numbers)
                if self._run_of[other] < self._run_of[number] and place not in stale
            ]
            if places:
                present = part.present([keys[place] for place in places])
                stale |= {place for place in places if keys[place] in present}
        return page.take(pa.array([place for place in range(page.num_rows) if place not in stale], pa.int64()))

    def _rows(self, page: pa.Table) -> list[Row]:
        sources: list[int] = page.column(_PART).to_pylist()
        numbers: list[int] = page.column(_ROW).to_pylist()
        found: dict[int, Row] = {}
        for source in set(sources):
            places = [place for place, other in enumerate(sources) if other == source]
            taken = self._parts[source].take([numbers[place] for place in places])
            found.update(zip(places, taken, strict=True))
        return [found[place] for place in range(len(sources))]

    def _place(self, rows: pa.Table, index: int) -> Key:
        """Return where a row stands, zone first, in the columns' own units."""
        return tuple(_plain(rows.column(name))[index].as_py() for name in self._places)

    def _is_behind(self, rows: pa.Table, place: Key) -> Any:
        """Return which rows stand behind this place."""
        beyond = pc.less if self._query.reverse else pc.greater
        mask: Any = pa.scalar(False)
        for name, value in reversed(list(zip(self._places, place, strict=True))):
            column = _plain(rows.column(name))
            mask = pc.or_(beyond(column, value), pc.and_(pc.equal(column, value), mask))
        return mask


def _plain(column: Any) -> Any:
    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
