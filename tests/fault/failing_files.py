"""File systems that fail on purpose."""

import contextlib
import errno
import io
import os
import resource
import stat
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from greenroom.storage.objects.local import LocalObjects
from greenroom.storage.objects.ops import OsFiles


class SmallDisk(OsFiles):
    """A disk that has room for so many bytes of files below a folder."""

    def __init__(self, root: Path, capacity: int) -> None:
        self.capacity = capacity
        self._root = root

    @property
    def used(self) -> int:
        """Bytes of all files."""
        found = {file.st_ino: file.st_size for path in self._root.rglob("*") if (file := _stat(path)) is not None}
        return sum(found.values())

    def allocate(self, fd: int, size: int) -> None:
        self._take(size - os.fstat(fd).st_size)
        super().allocate(fd, size)

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        self._take(offset + sum(memoryview(chunk).nbytes for chunk in chunks) - os.fstat(fd).st_size)
        return super().pwritev(fd, chunks, offset)

    def _take(self, size: int) -> None:
        if size > 0 and self.used + size > self.capacity:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _stat(path: Path) -> os.stat_result | None:
    try:
        found = path.stat()
    except FileNotFoundError:  # removed since it was listed
        return None
    return found if stat.S_ISREG(found.st_mode) else None


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


class FullOnce(OsFiles):
    """A disk that has no space for one write, the next, which stands still until it `may_fail`."""

    def __init__(self) -> None:
        self.fails_next = False
        self.has_begun = threading.Event()
        self.may_fail = threading.Event()

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        if self.fails_next:
            self.fails_next = False
            self.has_begun.set()
            self.may_fail.wait()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().pwritev(fd, chunks, offset)


class BrokenSync(OsFiles):
    """A disk whose fdatasync fails once, and then says that all is well."""

    def __init__(self) -> None:
        self.fails_next = False

    def fdatasync(self, fd: int) -> None:
        if self.fails_next:
            self.fails_next = False
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().fdatasync(fd)


class SlowSync(OsFiles):
    """A disk whose fdatasync takes 200 ms. Notes in `spans` what `clock` said before and after."""

    def __init__(self) -> None:
        self.clock: Callable[[], int] = lambda: 0
        self.spans: list[tuple[int, int]] = []

    def fdatasync(self, fd: int) -> None:
        before = self.clock()
        super().fdatasync(fd)
        time.sleep(0.2)
        self.spans.append((before, self.clock()))


class ShortWrites(OsFiles):
    """A system that writes at most 100 bytes at a time."""

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        return super().pwritev(fd, [b"".join(chunks)[:100]], offset)


class Interrupted(OsFiles):
    """A system that is interrupted at every other write before it has written anything."""

    def __init__(self) -> None:
        self.interruptions = 0

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        self.interruptions += 1
        if self.interruptions % 2:
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
        return super().pwritev(fd, chunks, offset)


class Refusing(OsFiles):
    """A system that refuses some kinds of calls for a reason, while `code` is not 0."""

    def __init__(self, *kinds: str, code: int = 0) -> None:
        self.code = code
        self._kinds = kinds

    def open(self, path: Path, flags: int) -> int:
        self._check("open", path)
        return super().open(path, flags)

    def make_dir(self, path: Path) -> bool:
        self._check("make_dir", path)
        return super().make_dir(path)

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        self._check("pwritev", None)
        return super().pwritev(fd, chunks, offset)

    def read(self, path: Path) -> bytes:
        self._check("read", path)
        return super().read(path)

    def _check(self, kind: str, path: Path | None) -> None:
        if self.code and kind in self._kinds:
            raise OSError(self.code, os.strerror(self.code), None if path is None else str(path))


class UnreadableParts(LocalObjects):
    """Files whose bytes from `fails_at` on cannot be read."""

    fails_at: int | None = None

    def open(self, key: str) -> Any:
        found = super().open(key)
        return found if self.fails_at is None else pa.PythonFile(_Unreadable(found, self.fails_at), mode="r")


class _Unreadable(io.RawIOBase):
    def __init__(self, file: Any, fails_at: int) -> None:
        self._file = file
        self._fails_at = fails_at

    def read(self, size: int = -1) -> bytes:
        if self._file.tell() + max(size, 0) > self._fails_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        data: bytes = self._file.read(size)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        place: int = self._file.seek(offset, whence)
        return place

    def tell(self) -> int:
        place: int = self._file.tell()
        return place

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


@contextlib.contextmanager
def no_descriptors() -> Generator[None, None, None]:
    """Take every file descriptor that this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
