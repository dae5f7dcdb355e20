"""Whether the store is still this runtime's: asked before it answers from memory, when that was not known for a while.

Appends find out by themselves. A runtime that only reads would not: one that stood still, or whose cluster was
replaced, would show for ever what was true when another took the store.
"""

import asyncio
from typing import Final

from greenroom.runtime.contracts.ports import Clock
from greenroom.runtime.contracts.storage import Storage

FRESH_S: Final = 1.0
"""How old what a runtime shows can be at most, if another one has taken the store."""


class Ownership:
    """Knows when the store was last seen to be ours.

    Args:
        storage: The store.
        clock: Time.
    """

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._seen_at = float("-inf")
        self._asking = asyncio.Lock()

    async def confirm(self) -> None:
        """Return when the store was ours within the last `FRESH_S`. Many callers at once ask once.

        Raises:
            Fenced: Another runtime has taken it.
        """
        if self._is_fresh():
            return
        async with self._asking:
            if self._is_fresh():
                return
            asked_at = self._clock.now()
            await self._storage.confirm()
            self._seen_at = asked_at

    def _is_fresh(self) -> bool:
        return 0 <= self._clock.now() - self._seen_at < FRESH_S  # a clock that was set back proves nothing
