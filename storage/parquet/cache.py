"""Decoded row groups, the least used dropped first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import pyarrow as pa


class Cache:
    """Tables by key, in bounded memory. Used by several threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._tables: OrderedDict[Hashable, pa.Table] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, load: Callable[[], pa.Table]) -> pa.Table:
        """Return the table kept under this key, or load and keep it."""
        with self._lock:
            if (found := self._tables.get(key)) is not None:
                self._tables.move_to_end(key)
                return found
        table = load()
        size = table.nbytes
        with self._lock:
            if key not in self._tables and size <= self._max_bytes // 4:
                self._tables[key] = table
                self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= self._tables.popitem(last=False)[1].nbytes
        return table
