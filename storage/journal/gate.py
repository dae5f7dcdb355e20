"""The gate in front of the journal: appends wait there, in their order, while too much is on its way."""

import asyncio
from collections import deque
from collections.abc import Callable


class Gate:
    """Lets callers pass one by one, first come first served, while there is room.

    Args:
        has_room: Whether the next may pass.
    """

    def __init__(self, has_room: Callable[[], bool]) -> None:
        self._has_room = has_room
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Return when it is the caller's turn. Whoever passed calls `advance` once it has taken its room."""
        if not self._waiting and self._has_room():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.remove(turn)
            self.advance()
            raise
        # It stayed in line until now, so that nobody who came later could pass in between.
        self._waiting.remove(turn)

    def advance(self) -> None:
        """Let the first in line pass, if there is room."""
        if self._waiting and self._has_room() and not self._waiting[0].done():
            self._waiting[0].set_result(None)
