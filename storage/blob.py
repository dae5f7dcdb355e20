"""Names and digests of blobs, the same in every store."""

import re
from hashlib import sha256 as _sha256

from greenroom.runtime.contracts.errors import NotFound, StorageCorrupt, StorageError

_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_name(sha256: str) -> None:
    """Refuse a name that is no digest, such as one that leads out of the store.

    Raises:
        StorageError: The name is not 64 lower-case hex digits.
    """
    if not _DIGEST.fullmatch(sha256):
        raise StorageError(f"{sha256[:80]!r} is no name of a blob; give the SHA-256 of its bytes in lower-case hex")


def check_new(sha256: str, data: bytes) -> None:
    """Refuse bytes that do not have their name as digest.

    Raises:
        StorageError: The digest differs.
    """
    check_name(sha256)
    if (found := _sha256(data).hexdigest()) != sha256:
        raise StorageError(f"blob {sha256} was given bytes with the SHA-256 {found}; name a blob by its own digest")


def check_stored(sha256: str, data: bytes, where: str) -> bytes:
    """Return bytes that were read back, if they are what was stored.

    Raises:
        StorageCorrupt: The digest differs.
    """
    if (found := _sha256(data).hexdigest()) != sha256:
        facts = {"file": where, "offset": 0, "found": found}
        raise StorageCorrupt(f"{where} is damaged: its bytes have the SHA-256 {found}; restore it from a copy", facts)
    return data


def missing(sha256: str) -> NotFound:
    """Return the error for a blob that the store does not have."""
    return NotFound(f"no blob {sha256} in this store", {"sha256": sha256})
