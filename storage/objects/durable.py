"""Files that are whole and survive a loss of power once a call returns: bytes synced, then name, then folder."""

import contextlib
import errno
import os
import uuid
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

from greenroom.storage.objects.ops import FileOps

TEMPORARY: Final = ".tmp"
"""Ending of files that were never finished; recovery sweeps them."""


def make_dirs(ops: FileOps, path: Path) -> None:
    """Make the folder and those above it that are missing."""
    if ops.exists(path):
        if not path.is_dir():
            raise NotADirectoryError(20, "Not a directory", str(path))
        return
    make_dirs(ops, path.parent)
    if ops.make_dir(path):
        ops.fsync_dir(path.parent)


class Folders:
    """Makes folders of a store, and settles those that are there.

    A process that dies between making a folder and syncing the one above leaves a folder that a loss of power takes
    away, with everything that later processes put into it. So the first use of each is a sync, made here or found.

    Args:
        top: The store's own folder.
    """

    def __init__(self, ops: FileOps, top: Path) -> None:
        self._ops = ops
        self._top = top
        self._settled: set[Path] = set()

    def make(self, path: Path) -> None:
        """Return when the folder is there and survives a loss of power."""
        if path in self._settled and self._ops.exists(path):
            return
        if path != self._top:
            self.make(path.parent)
            self._ops.make_dir(path)
            self._ops.fsync_dir(path.parent)
        else:
            make_dirs(self._ops, path)
            with contextlib.suppress(PermissionError):  # the store is this user's, what it stands in need not be
                self._ops.fsync_dir(path.parent)
        self._settled.add(path)


def write_all(ops: FileOps, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> None:
    """Write every byte, however few the system takes at a time. Chunks are of bytes."""
    left = sum(map(len, chunks))
    while left:
        try:
            written = ops.pwritev(fd, chunks, offset)
        except InterruptedError:  # nothing was written
            continue
        left -= written
        if left:
            offset += written
            chunks = _behind(chunks, written)


def _behind(chunks: Sequence[bytes | memoryview], written: int) -> list[memoryview]:
    """Return the chunks without their first bytes, so many as were written."""
    rest = [memoryview(chunk) for chunk in chunks]
    while written >= len(rest[0]):
        written -= len(rest.pop(0))
    rest[0] = rest[0][written:]
    return rest


def create(ops: FileOps, path: Path, data: bytes | memoryview) -> bool:
    """Make a file that nobody made before; return False, and change nothing, when the name is taken.

    Of several writers, on several hosts too, exactly one gets True.
    """
    with _temporary(ops, path) as (temporary, fd):
        write_all(ops, fd, [data], 0)
        ops.fsync(fd)
        try:
            ops.link(temporary, path)
        except FileExistsError:
            return False
    try:
        ops.fsync_dir(path.parent)
    except OSError as error:
        # The file may outlive a loss of power or not, so this is no error after which one simply tries again.
        raise OSError(errno.EIO, f"its folder could not be synced ({error.strerror})", str(path)) from error
    return True


def remove(ops: FileOps, path: Path) -> None:
    """Remove a file for good: a loss of power does not bring it back. None is fine."""
    try:
        ops.unlink(path)
        ops.fsync_dir(path.parent)
    except FileNotFoundError:  # the folder too
        return


def place(ops: FileOps, path: Path, data: bytes | memoryview) -> None:
    """Make a file, over another of that name if need be."""
    with replacing(ops, path) as fd:
        write_all(ops, fd, [data], 0)


@contextlib.contextmanager
def replacing(ops: FileOps, path: Path) -> Generator[int, None, None]:
    """Hold a descriptor to write to; what was written has the name, over another if need be, when the block ends."""
    with _temporary(ops, path) as (temporary, fd):
        yield fd
        ops.fsync(fd)
        ops.rename(temporary, path)
    ops.fsync_dir(path.parent)


@contextlib.contextmanager
def _temporary(ops: FileOps, path: Path) -> Generator[tuple[Path, int], None, None]:
    """Hold a file under a name of its own, so that two writers never share one."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}{TEMPORARY}")
    try:
        fd = ops.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            yield temporary, fd
        finally:
            with contextlib.suppress(OSError):  # all that counts was synced before, and the name may be there by now
                ops.close(fd)
    finally:
        with contextlib.suppress(OSError):  # a full or failing disk: the error under way says more
            ops.unlink(temporary)
