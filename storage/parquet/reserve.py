"""A file that is given up when the disk is full, so that a flush, a merge or a purge can still make room."""

import contextlib
import os
from pathlib import Path
from typing import Final

from greenroom.storage.objects.ops import FileOps

NAME: Final = "RESERVE"


class Reserve:
    """Holds space on the disk of a folder."""

    def __init__(self, ops: FileOps, root: Path) -> None:
        self._ops = ops
        self._path = root / NAME

    def hold(self, size: int) -> None:
        """Take the space, if it is not held; a disk that has none to spare is fine."""
        if size <= 0 or self._ops.exists(self._path):
            return
        with contextlib.suppress(OSError):
            fd = self._ops.open(self._path, os.O_WRONLY | os.O_CREAT)
            try:
                self._ops.allocate(fd, size)
            except OSError:
                self.release()
            finally:
                self._ops.close(fd)

    def release(self) -> bool:
        """Give the space up; return False when there was none to give."""
        if not self._ops.exists(self._path):
            return False
        with contextlib.suppress(OSError):
            self._ops.unlink(self._path)
        return True
