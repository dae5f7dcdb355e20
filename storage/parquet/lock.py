"""The lock file: a fast and friendly refusal on one host. What keeps writers of several hosts apart is the epoch."""

import contextlib
import fcntl
import os
import socket
from pathlib import Path
from typing import Final, Self

from greenroom.runtime.contracts.errors import StorageError
from greenroom.storage.objects.durable import make_dirs
from greenroom.storage.objects.ops import OsFiles

_NAME: Final = "LOCK"
_MAX_BYTES: Final = 512


class StoreLock:
    """Held from open to close; the system lets go of it when the process dies."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    @classmethod
    def acquire(cls, root: Path) -> Self:
        """Take the lock of this store.

        Raises:
            StorageError: Another process, or this one, has it.
        """
        make_dirs(OsFiles(), root)
        fd = os.open(root / _NAME, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, _MAX_BYTES, 0).decode(errors="replace").strip() or "another process"
            os.close(fd)
            raise StorageError(
                f"the store {root} is already open by {holder}; stop that runtime (greenroom down) or choose another "
                "storage",
                {"root": str(root), "holder": holder},
            ) from None
        except OSError:
            os.close(fd)
            raise
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode()[:_MAX_BYTES], 0)
        return cls(fd)

    def release(self) -> None:
        """Let the next one in. Releasing twice is fine."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, 0)
            os.close(fd)
