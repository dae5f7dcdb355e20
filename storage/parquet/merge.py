"""Merging sorted runs of a table into one, so that their number stays small and superseded rows leave the disk.

Runs are read a row group at a time and written as they come: memory does not grow with the table.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa

from greenroom.runtime.contracts.records import Key, Table
from greenroom.storage.field import key_names
from greenroom.storage.parquet.columns import SEQ, conform
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.part import Part

SortedRun = tuple[Part, ...]
"""Parts whose keys do not overlap, in the order of their keys."""

_GROWTH: Final = 4  # a run joins a merge when it is at most so many times as large as all newer ones together


def runs_of(parts: Sequence[Part]) -> list[SortedRun]:
    """Return the sorted runs of a table, oldest records first."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.info.run, []).append(part)
    return [tuple(run) for run in found.values()]


def runs_to_merge(runs: Sequence[SortedRun], max_runs: int) -> Sequence[SortedRun]:
    """Return the newest runs that are worth merging into one, or none when there are at most `max_runs`.

    Small ones are merged often and large ones rarely ("universal" compaction, as in RocksDB), so a row is rewritten a
    number of times that grows with the logarithm of the table. They are the newest without a gap: runs never overlap
    in the numbers of their records.
    """
    if len(runs) <= max_runs:
        return ()
    sizes = [sum(part.info.bytes for part in run) for run in reversed(runs)]
    count, size = 1, sizes[0]
    while count < len(runs) and sizes[count] <= _GROWTH * size:
        size += sizes[count]
        count += 1
    return runs[-max(count, max_runs // 2, 2) :]


def merged(table: Table, runs: Sequence[SortedRun]) -> Iterator[pa.Table]:
    """Walk the newest row of each key in these runs, in the order of the keys.

    Args:
        runs: Oldest records first.

    Raises:
        StorageCorrupt: A part is damaged.
    """
    keys = key_names(table)
    cursors = [_Cursor(table, run, keys) for run in runs]
    while live := [cursor for cursor in cursors if cursor.fill()]:
        cut = min(cursor.last_key() for cursor in live)
        pieces = [piece for cursor in live if (piece := cursor.take_up_to(cut)).num_rows]
        yield pieces[0] if len(pieces) == 1 else newest(pa.concat_tables(pieces), keys)


def newest(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Return the row of the largest number for each key, sorted by key."""
    rows = rows.sort_by([*((name, "ascending") for name in keys), (SEQ, "descending")]).combine_chunks()
    if rows.num_rows < 2:  # noqa: PLR2004 - nothing to compare
        return rows
    repeats = None
    for name in keys:
        column = rows.column(name)
        same = pc.equal(column.slice(1), column.slice(0, rows.num_rows - 1))
        repeats = same if repeats is None else pc.and_(repeats, same)
    first = pa.chunked_array([pa.array([False]), *pa.chunked_array(repeats).chunks])
    return rows.filter(pc.invert(first))


class _Cursor:
    """Reads one sorted run from its first key to its last."""

    def __init__(self, table: Table, run: SortedRun, keys: tuple[str, ...]) -> None:
        self._table = table
        self._keys = keys
        self._groups = ((part, group) for part in run for group in range(part.groups))
        self._rows: pa.Table | None = None

    def fill(self) -> bool:
        """See to it that there are rows; return False at the end."""
        while self._rows is None or not self._rows.num_rows:
            following = next(self._groups, None)
            if following is None:
                return False
            part, group = following
            self._rows = conform(self._table, part.read([group]))
        return True

    def last_key(self) -> Key:
        """Return the key of the last row that has been read."""
        assert self._rows is not None  # noqa: S101 - `fill` came first
        return self._key(self._rows.num_rows - 1)

    def take_up_to(self, cut: Key) -> pa.Table:
        """Return the rows up to this key, and leave the rest."""
        assert self._rows is not None  # noqa: S101 - `fill` came first
        low, high = 0, self._rows.num_rows
        while low < high:
            middle = (low + high) // 2
            if self._key(middle) <= cut:
                low = middle + 1
            else:
                high = middle
        taken, self._rows = self._rows.slice(0, low), self._rows.slice(low)
        return taken

    def _key(self, index: int) -> Key:
        assert self._rows is not None  # noqa: S101 - `fill` came first
        return tuple(self._rows.column(name)[index].as_py() for name in self._keys)
