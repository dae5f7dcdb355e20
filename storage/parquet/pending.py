"""Deletions that parts may still hold rows of, told from a manifest: for readers that have no journal."""

from greenroom.runtime.contracts.records import Table
from greenroom.storage.deletions import Deletions
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet.cache import Cache
from greenroom.storage.parquet.columns import to_rows
from greenroom.storage.parquet.manifest import Manifest
from greenroom.storage.parquet.part import Part


def pending_deletions(objects: Objects, manifest: Manifest) -> Deletions:
    """Return the deletions in parts that are not carried out everywhere yet.

    Raises:
        StorageCorrupt: A part is damaged or missing.
    """
    found = Deletions()
    for info in manifest.parts(Table.DELETIONS):
        if info.max_seq > manifest.erased_seq:
            part = Part(objects, Table.DELETIONS, info, Cache(0))
            try:
                rows = to_rows(Table.DELETIONS, part.read())
            finally:
                part.close()
            for row in sorted(rows, key=lambda row: row.seq):
                if row.seq > manifest.erased_seq:
                    found.add_all([row.record], row.seq)
    return found
