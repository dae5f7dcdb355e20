"""Which blobs nobody refers to any more, told from the table of references."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import pyarrow as pa

from greenroom.runtime.contracts.records import Table
from greenroom.storage.parquet.catalog import Catalog
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.erasure import Erasing, hidden, owner_names

_DIGEST = "sha256"


def unreferenced(catalog: Catalog, erasing: Erasing, fresh: AbstractSet[str]) -> set[str]:
    """Return the digests that only deleted rows name.

    Args:
        fresh: Digests that rows in memory name.

    Raises:
        StorageCorrupt: A part is damaged.
    """
    gone: set[str] = set()
    for rows, mask in _pieces(catalog, erasing):
        if mask is not None:
            gone |= set(rows.filter(mask).column(_DIGEST).to_pylist())
    gone -= fresh
    if not gone:
        return gone
    named = pa.array(sorted(gone), pa.large_string())
    for rows, mask in _pieces(catalog, erasing):
        left = rows if mask is None else rows.filter(pc.invert(mask))
        digests = left.column(_DIGEST)
        gone -= set(digests.filter(pc.is_in(digests, value_set=named)).to_pylist())
    return gone


def _pieces(catalog: Catalog, erasing: Erasing) -> Iterator[tuple[pa.Table, object]]:
    """Walk the references, a row group at a time, with a mask of those that are deleted."""
    names = list(dict.fromkeys([*owner_names(Table.BLOBS), _DIGEST]))
    for part in catalog.parts(Table.BLOBS):
        for group in range(part.groups):
            rows = part.read([group], names)
            yield rows, hidden(Table.BLOBS, rows, erasing.deletions)
