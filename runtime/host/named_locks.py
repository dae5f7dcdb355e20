"""Locks by name: one at a time for a key, a run id or a conversation, and none kept when nobody wants it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator


class NamedLocks:
    """Gives a name to one task at a time, in the order in which they asked."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @contextlib.asynccontextmanager
    async def hold(self, name: str) -> AsyncGenerator[None, None]:
        """Have the name until the block ends."""
        lock, users = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = lock, users - 1
