"""Files in a folder of this machine."""

import contextlib
import errno
import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from greenroom.storage.objects import durable
from greenroom.storage.objects.ops import FileOps

_ABANDONED_AFTER_S: Final = 3600.0  # nobody takes so long to finish a file
_CHUNK_BYTES: Final = 1024 * 1024


class LocalObjects:
    """See `Objects`."""

    def __init__(self, ops: FileOps, root: Path) -> None:
        self._ops = ops
        self._root = root
        self._prefix = f"{root}/"
        self._folders = durable.Folders(ops, root)

    @property
    def url(self) -> str:
        """See `Objects`."""
        return f"file://{self._root}"

    def address(self, key: str) -> str:
        """See `Objects`."""
        return str(self._root / key)

    def create(self, key: str, data: bytes) -> bool:
        """See `Objects`."""
        path = self._root / key
        self._folders.make(path.parent)
        return durable.create(self._ops, path, data)

    def put(self, key: str, data: bytes) -> None:
        """See `Objects`."""
        path = self._root / key
        self._folders.make(path.parent)
        durable.place(self._ops, path, data)

    @contextlib.contextmanager
    def writing(self, key: str) -> Generator["_Writing", None, None]:
        """See `Objects`."""
        path = self._root / key
        self._folders.make(path.parent)
        with durable.replacing(self._ops, path) as fd:
            writing = _Writing(self._ops, fd)
            yield writing
            writing.finish()

    def read(self, key: str) -> bytes:
        """See `Objects`."""
        return self._ops.read(self._root / key)

    def open(self, key: str) -> pa.NativeFile:
        """See `Objects`."""
        return pa.OSFile(str(self._root / key))

    def chunks(self, key: str) -> Iterator[bytes]:
        """See `Objects`."""
        with (self._root / key).open("rb") as file:
            while data := file.read(_CHUNK_BYTES):
                yield data

    def list(self, prefix: str) -> list[str]:
        """See `Objects`."""
        found: list[str] = []
        for folder, _, names in os.walk(self._root / prefix):
            below = Path(folder).relative_to(self._root).as_posix()
            found += [f"{below}/{name}" for name in names if not name.endswith(durable.TEMPORARY)]
        return sorted(found)

    def sizes(self, prefix: str) -> dict[str, int]:
        """See `Objects`."""
        found: dict[str, int] = {}
        for key in self.list(prefix):
            with contextlib.suppress(FileNotFoundError):  # removed since
                found[key] = self.size(key)
        return found

    def exists(self, key: str) -> bool:
        """See `Objects`."""
        return self._ops.exists(f"{self._prefix}{key}")

    def ends_at(self, key: str, beyond: str) -> bool:
        """See `Objects`."""
        # A look that finds nothing gives no reason. Where it finds the one, nothing keeps it from seeing the other.
        if self._ops.sees(f"{self._prefix}{key}") and not self._ops.sees(f"{self._prefix}{beyond}"):
            return True
        if self.exists(beyond):
            return False
        if not self.exists(key):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.address(key))
        return True

    def size(self, key: str) -> int:
        """See `Objects`."""
        return (self._root / key).stat().st_size

    def modified_at(self, key: str) -> float:
        """See `Objects`."""
        return self._ops.modified_at(self._root / key)

    def delete(self, key: str) -> None:
        """See `Objects`."""
        durable.remove(self._ops, self._root / key)

    def sweep(self) -> None:
        """See `Objects`."""
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = Path(folder) / name
                if name.endswith(durable.TEMPORARY) and self._is_abandoned(path):
                    self._ops.unlink(path)

    def _is_abandoned(self, path: Path) -> bool:
        try:
            return self._ops.modified_at(path) + _ABANDONED_AFTER_S < time.time()
        except FileNotFoundError:
            return False  # just finished: it has its real name now


class _Writing:
    """A file being written, at its end. Small pieces are gathered: Arrow writes a few bytes at a time."""

    def __init__(self, ops: FileOps, fd: int) -> None:
        self._ops = ops
        self._fd = fd
        self._end = 0
        self._gathered = bytearray()

    def write(self, data: bytes | memoryview) -> int:
        """Add bytes."""
        self._gathered += data
        if len(self._gathered) >= _CHUNK_BYTES:
            self.finish()
        return memoryview(data).nbytes

    def finish(self) -> None:
        """Write what was gathered."""
        if self._gathered:
            durable.write_all(self._ops, self._fd, [memoryview(self._gathered)], self._end)
            self._end += len(self._gathered)
            self._gathered = bytearray()
