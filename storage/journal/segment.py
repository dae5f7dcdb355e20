"""Segments: the preallocated files that the journal's frames stand in, one after the other."""

import contextlib
import os
from pathlib import Path
from typing import Final, NamedTuple, Self

from greenroom.storage.objects.durable import write_all
from greenroom.storage.objects.ops import FileOps

FOLDER: Final = "wal"
_ENDING: Final = ".wal"


class SegmentName(NamedTuple):
    """What the name of a segment says. Sorts as the segments were written.

    Attributes:
        first_seq: Number of the first record in it.
    """

    epoch: int
    first_seq: int

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Return what the file's name says, or None for a file that is no segment."""
        epoch, dash, first_seq = name.removesuffix(_ENDING).partition("-")
        if not (name.endswith(_ENDING) and dash and epoch.isdigit() and first_seq.isdigit()):
            return None
        return cls(int(epoch), int(first_seq))

    def __str__(self) -> str:
        return f"{self.epoch:012d}-{self.first_seq:016d}{_ENDING}"


class Segment:
    """One open segment. Its space is reserved when it is made, so that a full disk shows there and not in a frame."""

    def __init__(self, ops: FileOps, path: Path, fd: int, size: int) -> None:
        self.path = path
        self._ops = ops
        self._fd = fd
        self._size = size
        self._end = 0

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
        """Return whether so many bytes fit."""
        return self._end + size <= self._size

    def write(self, header: bytes, body: bytes) -> None:
        """Write one frame behind the last. After an error the next frame takes the same place."""
        write_all(self._ops, self._fd, (header, body), self._end)

    def sync(self, size: int) -> None:
        """Make the frame just written, of `size` bytes, durable."""
        self._ops.fdatasync(self._fd)
        self._end += size

    def close(self) -> None:
        """Let go of the file, and remove it when it holds no durable frame: the next segment has its name."""
        with contextlib.suppress(OSError):
            self._ops.close(self._fd)
        if self._end == 0:
            with contextlib.suppress(OSError):
                self._ops.unlink(self.path)
