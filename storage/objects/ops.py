"""The seam to the file system: every write of the file store goes through it, so that tests can make it fail."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class FileOps(Protocol):
    """What the store asks of a file system. Every call raises OSError as the system does."""

    def open(self, path: Path, flags: int) -> int:
        """Return a file descriptor, readable and writable by the owner and readable by the rest when created."""
        ...

    def close(self, fd: int) -> None:
        """Let go of a descriptor."""
        ...

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        """Write and return how many bytes were written, which may be fewer than given."""
        ...

    def allocate(self, fd: int, size: int) -> None:
        """Make sure that `size` bytes of the file have their place on the disk."""
        ...

    def fdatasync(self, fd: int) -> None:
        """Return when the file's bytes survive a loss of power."""
        ...

    def fsync(self, fd: int) -> None:
        """Return when the file's bytes and its size survive a loss of power."""
        ...

    def fsync_dir(self, path: Path) -> None:
        """Return when the names in the folder survive a loss of power."""
        ...

    def settle(self, path: Path) -> None:
        """Return when what earlier processes wrote to the file survives a loss of power; reads then see the disk."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """Give the file a second name; raises FileExistsError when the name is taken."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Move the file, over another if need be."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a name; none is fine."""
        ...

    def make_dir(self, path: Path) -> bool:
        """Make one folder; return False when it is there."""
        ...

    def list_dir(self, path: Path) -> list[str]:
        """Return the names in the folder, sorted; none when there is no folder."""
        ...

    def exists(self, path: Path | str) -> bool:
        """Return whether there is something of this name."""
        ...

    def sees(self, path: str) -> bool:
        """Return whether there is something of this name, or False for any reason: cheap, and raises nothing."""
        ...

    def modified_at(self, path: Path) -> float:
        """Return when the file was last written, in epoch seconds."""
        ...

    def read(self, path: Path) -> bytes:
        """Return the whole file."""
        ...


class OsFiles:
    """The real file system."""

    def open(self, path: Path, flags: int) -> int:
        """See `FileOps`."""
        return os.open(path, flags, 0o644)

    def close(self, fd: int) -> None:
        """See `FileOps`."""
        os.close(fd)

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        """See `FileOps`."""
        return os.pwritev(fd, chunks, offset)

    def allocate(self, fd: int, size: int) -> None:
        """See `FileOps`."""
        os.posix_fallocate(fd, 0, size)

    def fdatasync(self, fd: int) -> None:
        """See `FileOps`."""
        os.fdatasync(fd)

    def fsync(self, fd: int) -> None:
        """See `FileOps`."""
        os.fsync(fd)

    def fsync_dir(self, path: Path) -> None:
        """See `FileOps`."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def settle(self, path: Path) -> None:
        """See `FileOps`."""
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
            # After a failed sync the memory of the system still shows bytes that the disk does not have.
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)

    def link(self, source: Path, target: Path) -> None:
        """See `FileOps`."""
        os.link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        """See `FileOps`."""
        source.rename(target)

    def unlink(self, path: Path) -> None:
        """See `FileOps`."""
        path.unlink(missing_ok=True)

    def make_dir(self, path: Path) -> bool:
        """See `FileOps`."""
        try:
            path.mkdir()
        except FileExistsError:
            if not path.is_dir():
                raise
            return False
        return True

    def list_dir(self, path: Path) -> list[str]:
        """See `FileOps`."""
        try:
            return sorted(os.listdir(path))  # noqa: PTH208 - names are asked for, not paths
        except FileNotFoundError:
            return []

    def exists(self, path: Path | str) -> bool:
        """See `FileOps`."""
        try:
            os.stat(path)  # noqa: PTH116 - `Path.exists` says no, in some versions, to what it may not look at
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def sees(self, path: str) -> bool:
        """See `FileOps`."""
        return os.access(path, os.F_OK)

    def modified_at(self, path: Path) -> float:
        """See `FileOps`."""
        return path.stat().st_mtime

    def read(self, path: Path) -> bytes:
        """See `FileOps`."""
        return path.read_bytes()
