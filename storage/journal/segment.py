"""Segments on a local disk: preallocated files that the journal's frames stand in, one after the other."""

import contextlib
import os
from pathlib import Path
from typing import Final, Self

from greenroom.storage.journal.log import SegmentName
from greenroom.storage.objects.durable import Folders, remove, write_all
from greenroom.storage.objects.ops import FileOps

_AHEAD_BYTES: Final = 1024 * 1024
_ZEROS: Final = bytes(_AHEAD_BYTES)


class LocalLog:
    """See `Log`.

    Args:
        folder: Where the segments are.
    """

    def __init__(self, ops: FileOps, folder: Path) -> None:
        self._ops = ops
        self._folder = folder
        self._folders = Folders(ops, folder.parent)

    @property
    def address(self) -> str:
        """See `Log`."""
        return str(self._folder)

    @property
    def may_be_torn(self) -> bool:
        """See `Log`."""
        return True

    def address_of(self, name: SegmentName) -> str:
        """See `Log`."""
        return str(self._folder / str(name))

    def create(self, name: SegmentName, size: int) -> "Segment":
        """See `Log`."""
        self._folders.make(self._folder)
        return Segment.create(self._ops, self._folder, name, size)

    def names(self) -> list[SegmentName]:
        """See `Log`."""
        return sorted(name for text in self._ops.list_dir(self._folder) if (name := SegmentName.parse(text)))

    def read(self, name: SegmentName) -> bytes:
        """See `Log`."""
        path = self._folder / str(name)
        # A writer killed before its sync left frames in memory only, and whoever builds on them needs them to last.
        self._ops.settle(path)
        return self._ops.read(path)

    def delete(self, name: SegmentName) -> None:
        """See `Log`."""
        remove(self._ops, self._folder / str(name))


class Segment:
    """One open segment. Its space is reserved when it is made, so that a full disk shows there and not in a frame."""

    def __init__(self, ops: FileOps, path: Path, fd: int, size: int) -> None:
        self.address = str(path)
        self._path = path
        self._ops = ops
        self._fd = fd
        self._size = size
        self._end = 0
        self._written = 0  # up to here the file's blocks are written, with frames or zeros

    @classmethod
    def create(cls, ops: FileOps, folder: Path, name: SegmentName, size: int) -> Self:
        """Make a segment of `size` bytes whose name survives a loss of power.

        Raises:
            OSError: No space, or the system's other reasons; no file is left behind.
        """
        path = folder / str(name)
        fd = ops.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            ops.allocate(fd, size)
            ops.fsync(fd)
            ops.fsync_dir(folder)
        except OSError:
            with contextlib.suppress(OSError):
                ops.close(fd)
            with contextlib.suppress(OSError):
                ops.unlink(path)
            raise
        return cls(ops, path, fd, size)

    def has_room(self, size: int) -> bool:
        """See `OpenSegment`."""
        return self._end + size <= self._size

    def write(self, header: bytes, body: bytes) -> None:
        """See `OpenSegment`."""
        end = self._end + len(header) + len(body)
        if end <= self._written:
            write_all(self._ops, self._fd, (header, body), self._end)
            return
        # A reserved block that is written for the first time makes the file system commit a transaction of its own
        # with the sync, which then takes several times as long. So one frame in many writes blocks for those after it.
        ahead = min(_AHEAD_BYTES, self._size - end)
        write_all(self._ops, self._fd, (header, body, memoryview(_ZEROS)[:ahead]), self._end)
        self._written = end + ahead

    def sync(self, size: int) -> None:
        """See `OpenSegment`."""
        self._ops.fdatasync(self._fd)
        self._end += size

    def close(self) -> None:
        """See `OpenSegment`."""
        with contextlib.suppress(OSError):
            self._ops.close(self._fd)
        if self._end == 0:
            with contextlib.suppress(OSError):
                self._ops.unlink(self._path)
