"""File systems that fail on purpose."""

import errno
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from greenroom.storage.objects.ops import OsFiles


class UnsyncedFiles(OsFiles):
    """Syncs nothing: what a process wrote outlives the process, if not a loss of power."""

    def fdatasync(self, fd: int) -> None:
        pass

    def fsync(self, fd: int) -> None:
        pass

    def fsync_dir(self, path: Path) -> None:
        pass

    def settle(self, path: Path) -> None:
        pass


class DyingFiles(UnsyncedFiles):
    """Kills the process at its n-th call that changes something, a write in its middle; n = 0 never does."""

    def __init__(self, at: int) -> None:
        self.calls = 0
        self._at = at

    def open(self, path: Path, flags: int) -> int:
        self._step()
        return super().open(path, flags)

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        if self.calls + 1 == self._at:
            whole = b"".join(chunks)
            super().pwritev(fd, [whole[: len(whole) // 2]], offset)
        self._step()
        return super().pwritev(fd, chunks, offset)

    def allocate(self, fd: int, size: int) -> None:
        self._step()
        super().allocate(fd, size)

    def fdatasync(self, fd: int) -> None:
        self._step()
        super().fdatasync(fd)

    def fsync(self, fd: int) -> None:
        self._step()
        super().fsync(fd)

    def fsync_dir(self, path: Path) -> None:
        self._step()
        super().fsync_dir(path)

    def settle(self, path: Path) -> None:
        self._step()
        super().settle(path)

    def link(self, source: Path, target: Path) -> None:
        self._step()
        super().link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._step()
        super().unlink(path)

    def make_dir(self, path: Path) -> bool:
        self._step()
        return super().make_dir(path)

    def _step(self) -> None:
        self.calls += 1
        if self.calls == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


class FullDisk(OsFiles):
    """A disk that is full while `is_full`; with `half_written`, a write stops in the middle."""

    def __init__(self) -> None:
        self.is_full = False
        self.half_written = False

    def allocate(self, fd: int, size: int) -> None:
        self._check()
        super().allocate(fd, size)

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        if self.half_written:
            self.half_written = False
            self.is_full = True
            whole = b"".join(chunks)
            return super().pwritev(fd, [whole[: len(whole) // 2]], offset)
        self._check()
        return super().pwritev(fd, chunks, offset)

    def _check(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class BrokenSync(OsFiles):
    """A disk whose fdatasync fails once, and then says that all is well."""

    def __init__(self) -> None:
        self.fails_next = False

    def fdatasync(self, fd: int) -> None:
        if self.fails_next:
            self.fails_next = False
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().fdatasync(fd)


class ShortWrites(OsFiles):
    """A system that writes at most 100 bytes at a time."""

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        return super().pwritev(fd, [b"".join(chunks)[:100]], offset)
