"""Which rows are not written again: deleted, or older than their table keeps them."""

from typing import Any, Final, NamedTuple

import pyarrow as pa

from greenroom.runtime.contracts.records import Table
from greenroom.storage.deletions import KEPT, THREAD_TABLES, Deletions, owner_field
from greenroom.storage.parquet.columns import SEQ
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.layout import AGED_BY
from greenroom.storage.parquet.manifest import PartInfo

_NAMES: Final = ("workspace", SEQ)


def owner_names(table: Table) -> list[str]:
    """Return the columns that tell whether a row is deleted."""
    owner = owner_field(table)
    return [*_NAMES, owner] if owner else list(_NAMES)


def hidden(table: Table, rows: pa.Table, deletions: Deletions) -> Any:
    """Return a mask of the rows that deletions hide, or None when there is none. Needs `owner_names` columns only."""
    if table in KEPT or not len(deletions):
        return None
    # A superset first, from names alone; only those few are looked at one by one.
    near = _is_one_of(rows.column("workspace"), deletions.workspaces)
    owner = owner_field(table)
    if owner is not None:
        of = deletions.threads if table in THREAD_TABLES else deletions.runs
        near = pc.or_(near, _is_one_of(rows.column(owner), {name for _, name in of}))
    places = pc.indices_nonzero(near).to_pylist()
    if not places:
        return None
    picked = rows.select(owner_names(table)).take(places)
    workspaces, seqs = picked.column("workspace").to_pylist(), picked.column(SEQ).to_pylist()
    owners: list[str | None] = picked.column(owner).to_pylist() if owner else [None] * len(seqs)
    gone = [
        place
        for place, workspace, name, seq in zip(places, workspaces, owners, seqs, strict=True)
        if deletions.hides(table, workspace, name, seq)
    ]
    if not gone:
        return None
    return pc.is_in(pa.array(range(rows.num_rows), pa.int64()), value_set=pa.array(gone, pa.int64()))


class Erasing(NamedTuple):
    """What one piece of upkeep leaves out.

    Attributes:
        deletions: Every deletion with a number up to `up_to` that is not carried out everywhere yet.
        settled: Deletions up to this number are carried out everywhere once this is done, and go themselves.
        oldest_at: For tables whose rows age: rows of an earlier time go.
    """

    deletions: Deletions
    up_to: int
    settled: int
    oldest_at: dict[Table, float]

    def kept(self, table: Table, rows: pa.Table) -> pa.Table:
        """Return the rows that are written again."""
        if table is Table.DELETIONS:
            return rows.filter(pc.greater(rows.column(SEQ), self.settled))
        if table is Table.BLOBS and self.settled < self.up_to:
            return rows  # they tell which blobs are to go, and stay until these are gone
        if (mask := hidden(table, rows, self.deletions)) is not None:
            rows = rows.filter(pc.invert(mask))
        if table in self.oldest_at:
            micros = rows.column(AGED_BY[table]).cast(pa.int64())
            rows = rows.filter(pc.greater_equal(micros, int(self.oldest_at[table] * 1e6)))
        return rows

    def is_aged(self, table: Table, info: PartInfo) -> bool:
        """Return whether nothing in this part is young enough."""
        return table in self.oldest_at and info.newest_at < self.oldest_at[table]

    def columns(self, table: Table) -> list[str]:
        """Return the columns that `kept` looks at."""
        aged = [AGED_BY[table]] if table in self.oldest_at else []
        return [*owner_names(table), *aged]


def _is_one_of(column: Any, names: Any) -> Any:
    found = pc.is_in(column, value_set=pa.array(sorted(names), column.type))
    return pc.fill_null(found, False)
