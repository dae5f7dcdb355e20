"""A file of a bucket as Arrow reads files: at any place, some bytes at a time."""

import os
from collections.abc import Callable
from typing import Final

READ_BYTES: Final = 64 * 1024
"""Least bytes fetched at once, and of the end, where a Parquet file keeps what is read first, all at once. A request
costs more than its bytes. Row groups need no more: Arrow asks for all of one at once."""


class RangedFile:
    """Reads an object that never changes. Used by one thread at a time.

    Args:
        size: Of the whole object, in bytes.
        fetch: Returns so many bytes from an offset; both within the object.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self._size = size
        self._fetch = fetch
        self._place = 0
        self._start = 0
        self._held = b""
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; fewer than asked for only at the end."""
        rest = max(0, self._size - self._place)
        size = rest if size < 0 else min(size, rest)
        if not size:
            return b""
        offset = self._place - self._start
        if offset < 0 or offset + size > len(self._held):
            self._start = min(self._place, max(0, self._size - READ_BYTES))
            offset = self._place - self._start
            self._held = self._fetch(self._start, min(max(offset + size, READ_BYTES), self._size - self._start))
        data = self._held[offset : offset + size]
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def tell(self) -> int:
        """Return the place of the next read."""
        return self._place

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def writable(self) -> bool:
        """Say no."""
        return False

    def flush(self) -> None:
        """Do nothing: nothing is written."""

    def close(self) -> None:
        """Let go of the bytes that are held."""
        self._held = b""
        self.closed = True
