"""Files that are whole and survive a loss of power once a call returns: bytes synced, then name, then folder."""

import contextlib
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


def write_all(ops: FileOps, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> None:
    """Write every byte, however few the system takes at a time."""
    rest = [memoryview(chunk).cast("B") for chunk in chunks]
    while rest:
        written = ops.pwritev(fd, rest, offset)
        offset += written
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if rest and written:
            rest[0] = rest[0][written:]


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
    ops.fsync_dir(path.parent)
    return True


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
            ops.close(fd)
    finally:
        with contextlib.suppress(OSError):  # a full or failing disk: the error under way says more
            ops.unlink(temporary)
