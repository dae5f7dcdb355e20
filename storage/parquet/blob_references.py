"""Which blobs runs refer to, as the parts of a manifest say."""

from collections.abc import Set as AbstractSet

from greenroom.runtime.contracts.errors import StorageCorrupt
from greenroom.runtime.contracts.records import Table
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet.blobs import key_of
from greenroom.storage.parquet.cache import Cache
from greenroom.storage.parquet.compute import pc
from greenroom.storage.parquet.erasure import hidden, owner_names
from greenroom.storage.parquet.manifest import Manifest
from greenroom.storage.parquet.part import Part
from greenroom.storage.parquet.pending import pending_deletions

_DIGEST = "sha256"


def missing_blobs(objects: Objects, manifest: Manifest, present: AbstractSet[str]) -> set[str]:
    """Return the digests that rows refer to, of blobs that are not there. What damaged parts say is left out.

    Args:
        present: Digests known to be there; the others are looked for.
    """
    found: set[str] = set()
    names = list(dict.fromkeys([*owner_names(Table.BLOBS), _DIGEST]))
    try:
        deletions = pending_deletions(objects, manifest)
    except StorageCorrupt:
        return found
    for info in manifest.parts(Table.BLOBS):
        part = Part(objects, Table.BLOBS, info, Cache(0))
        try:
            for group in range(part.groups):
                rows = part.read([group], names)
                mask = hidden(Table.BLOBS, rows, deletions)
                shown = rows if mask is None else rows.filter(pc.invert(mask))
                found |= set(shown.column(_DIGEST).to_pylist()) - present
        except StorageCorrupt:
            continue
        finally:
            part.close()
    return {digest for digest in found if not objects.exists(key_of(digest))}
