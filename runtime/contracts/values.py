"""JSON values and references to values that are too large or too binary for JSON.

What crosses the journal is JSON. A value above `MAX_INLINE_BYTES`, and every Arrow table, image or bytes object, is
stored once by its SHA-256 and stands in the JSON as `{"$blob": {...}}`.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import msgspec

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list of Json, dict of str to Json."""

MAX_INLINE_BYTES: Final = 256 * 1024
"""Largest encoded value, in bytes, that is kept inside a journal entry."""

BLOB_FIELD: Final = "$blob"


class BlobRef(msgspec.Struct, frozen=True, kw_only=True):
    """Reference to a stored value.

    Attributes:
        sha256: Hex digest of the stored bytes; the blob's name in the store.
        bytes: Size of the stored bytes.
        kind: How to read them back: `json`, `bytes`, `arrow` (an Arrow IPC stream) or `image` (PNG bytes).
    """

    sha256: str
    bytes: int
    kind: str

    def to_json(self) -> dict[str, Json]:
        """Return the form that stands in a JSON value."""
        return {BLOB_FIELD: {"sha256": self.sha256, "bytes": self.bytes, "kind": self.kind}}


def find_blob(value: Json) -> BlobRef | None:
    """Return the reference that `value` itself is, or None if it is an ordinary value."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(inner := value.get(BLOB_FIELD), dict):
        try:
            return BlobRef(sha256=inner["sha256"], bytes=inner["bytes"], kind=inner["kind"])
        except KeyError:
            return None
    return None


def blobs_in(value: Json) -> Iterator[BlobRef]:
    """Yield every reference in a value, at whatever depth.

    >>> [ref.sha256 for ref in blobs_in([{"a": {"$blob": {"sha256": "0f", "bytes": 2, "kind": "json"}}}, 7])]
    ['0f']
    """
    reference = find_blob(value)
    if reference is not None:
        yield reference
    elif isinstance(value, dict):
        for inner in value.values():
            yield from blobs_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from blobs_in(inner)
