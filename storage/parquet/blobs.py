"""Blobs as files named by their digest: `blobs/ab/<sha256>`."""

from typing import Final

from greenroom.storage import blob
from greenroom.storage.objects.failure import storage_error
from greenroom.storage.objects.objects import Objects

FOLDER: Final = "blobs"


class StoredBlobs:
    """Stores and returns blobs. Every call may block; several threads may call at once."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def put(self, sha256: str, data: bytes) -> None:
        """Make the bytes durable under their digest; storing the same again changes nothing.

        Raises:
            StorageFull: No space; nothing was kept.
            StorageError: The name is not the digest, or the disk failed.
        """
        blob.check_new(sha256, data)
        key = key_of(sha256)
        try:
            # Written anew even when it is there: its time then says that somebody has just asked for it, and a purge
            # that finds no reference to it yet leaves it alone.
            self._objects.put(key, data)
        except OSError as error:
            raise storage_error(error, "cannot store a blob", self._objects.address(key)) from error

    def get(self, sha256: str) -> bytes:
        """Return the bytes.

        Raises:
            NotFound: No such blob.
            StorageCorrupt: They do not have this digest.
        """
        blob.check_name(sha256)
        key = key_of(sha256)
        try:
            data = self._objects.read(key)
        except FileNotFoundError:
            raise blob.missing(sha256) from None
        except OSError as error:
            raise storage_error(error, "cannot read a blob", self._objects.address(key)) from error
        return blob.check_stored(sha256, data, self._objects.address(key))


def key_of(sha256: str) -> str:
    """Return where a blob stands."""
    return f"{FOLDER}/{sha256[:2]}/{sha256}"
