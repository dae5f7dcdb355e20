"""What the system's errors mean for a store."""

import errno
from pathlib import Path
from typing import Final

from greenroom.runtime.contracts.errors import StorageCorrupt, StorageError, StorageFull

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
_NO_PERMISSION: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def is_passing(error: OSError) -> bool:
    """Return whether the same may succeed later: no space, or no descriptors left."""
    return error.errno in _NO_SPACE or error.errno in _NO_DESCRIPTORS


def storage_error(error: OSError, doing: str, path: Path | str) -> StorageError:
    """Return the error of ours for a failed call.

    Args:
        doing: What failed, as in "cannot write the journal".
    """
    reason = error.strerror or str(error)
    facts = {"file": str(path), "errno": error.errno}
    if error.errno in _NO_SPACE:
        return StorageFull(f"{doing}: no space left at {path}; make room there, writing then goes on by itself", facts)
    if error.errno in _NO_DESCRIPTORS:
        return StorageError(
            f"{doing}: {path}: {reason}; raise the limit of open files (ulimit -n), the store then goes on by itself",
            facts,
        )
    if error.errno in _NO_PERMISSION:
        return StorageError(
            f"{doing}: {path} is not writable ({reason}); give this user the right to write there or choose another "
            "storage",
            facts,
        )
    return StorageError(f"{doing}: {path}: {reason}; mend that and open the store again", facts)


def corrupt(path: Path | str, offset: int, found: str) -> StorageCorrupt:
    """Return the error for bytes that are not what was written."""
    message = f"{path} is damaged at byte {offset}: {found}; restore the store from a copy, nothing was changed"
    return StorageCorrupt(message, {"file": str(path), "offset": offset, "found": found})


def again(error: StorageError) -> StorageError:
    """Return the error for somebody else: each raises one of its own."""
    return type(error)(error.message, error.facts)
