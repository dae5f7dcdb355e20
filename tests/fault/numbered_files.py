"""File systems that count what changes in them, and at a call of some number die, fail or stand still."""

import os
import signal
import threading
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


class NumberedFiles(UnsyncedFiles):
    """Counts the calls that change something. Calls `at_call` before each, a write half done."""

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()

    def at_call(self, kind: str, number: int) -> None:
        """Let something happen before the call of this number, from 1."""

    def is_next(self, number: int) -> bool:
        """Return whether the call of this number is to be cut short, if it is a write."""
        return False

    def open(self, path: Path, flags: int) -> int:
        self._step("open")
        return super().open(path, flags)

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        if self.is_next(self.calls + 1):
            whole = b"".join(chunks)
            super().pwritev(fd, [whole[: len(whole) // 2]], offset)
        self._step("pwritev")
        return super().pwritev(fd, chunks, offset)

    def allocate(self, fd: int, size: int) -> None:
        self._step("allocate")
        super().allocate(fd, size)

    def fdatasync(self, fd: int) -> None:
        self._step("fdatasync")

    def fsync(self, fd: int) -> None:
        self._step("fsync")

    def fsync_dir(self, path: Path) -> None:
        self._step("fsync_dir")

    def settle(self, path: Path) -> None:
        self._step("settle")

    def link(self, source: Path, target: Path) -> None:
        self._step("link")
        super().link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename")
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._step("unlink")
        super().unlink(path)

    def make_dir(self, path: Path) -> bool:
        self._step("make_dir")
        return super().make_dir(path)

    def _step(self, kind: str) -> None:
        with self._lock:
            self.calls += 1
            self.at_call(kind, self.calls)


class DyingFiles(NumberedFiles):
    """Kills the process at its n-th call that changes something, a write in its middle; n = 0 never does."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def is_next(self, number: int) -> bool:
        return number == self._at

    def at_call(self, kind: str, number: int) -> None:
        if number == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


class FailingOnce(NumberedFiles):
    """Fails at its n-th call that changes something, a write in its middle, and never again."""

    def __init__(self, at: int, code: int) -> None:
        super().__init__()
        self.failed = ""
        self._at = at
        self._code = code

    def is_next(self, number: int) -> bool:
        return number == self._at

    def at_call(self, kind: str, number: int) -> None:
        if number == self._at:
            self.failed = kind
            raise OSError(self._code, os.strerror(self._code))


class StallingFiles(NumberedFiles):
    """Stands still before its n-th call that changes something, until it may resume."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.stalled = threading.Event()
        self.resume = threading.Event()
        self._at = at

    def at_call(self, kind: str, number: int) -> None:
        if number == self._at:
            self.stalled.set()
            self.resume.wait()
