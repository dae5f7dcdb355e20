"""Blobs as files named by their digest: `blobs/ab/<sha256>`."""

from pathlib import Path
from typing import Final

from greenroom.storage import blob
from greenroom.storage.objects.durable import make_dirs, place
from greenroom.storage.objects.failure import storage_error
from greenroom.storage.objects.ops import FileOps

FOLDER: Final = "blobs"


class FileBlobs:
    """Stores and returns blobs. Every call may block; several threads may call at once."""

    def __init__(self, ops: FileOps, root: Path) -> None:
        self._ops = ops
        self._folder = root / FOLDER

    def put(self, sha256: str, data: bytes) -> None:
        """Make the bytes durable under their digest; storing the same again does nothing.

        Raises:
            StorageFull: No space; nothing was kept.
            StorageError: The name is not the digest, or the disk failed.
        """
        blob.check_new(sha256, data)
        path = self._path(sha256)
        try:
            # A file of this name is whole: it was renamed after it was synced. Its name may not be durable yet when two
            # calls store the same at once, so only the folder is synced again.
            if self._ops.exists(path):
                self._ops.fsync_dir(path.parent)
                return
            make_dirs(self._ops, path.parent)
            place(self._ops, path, data)
        except OSError as error:
            raise storage_error(error, "cannot store a blob", path) from error

    def get(self, sha256: str) -> bytes:
        """Return the bytes.

        Raises:
            NotFound: No such blob.
            StorageCorrupt: They do not have this digest.
        """
        blob.check_name(sha256)
        path = self._path(sha256)
        try:
            data = self._ops.read(path)
        except FileNotFoundError:
            raise blob.missing(sha256) from None
        except OSError as error:
            raise storage_error(error, "cannot read a blob", path) from error
        return blob.check_stored(sha256, data, str(path))

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256
