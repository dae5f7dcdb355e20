"""Clocks for the runtime: one that moves when it is told to, one that is the event loop's own time.

Both are the `Clock` port of the host. Neither ever asks the machine for the time.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = 1_800_000_000.0
"""Where every fake time begins: 2027-01-15 08:00 UTC."""


class FakeClock:
    """Time that stands still until `advance`.

    It goes from one moment for which somebody waits to the next, so that what was due first also happens first.

    Attributes:
        settlers: Called at each of these moments: each returns when what was due has happened.
    """

    def __init__(self) -> None:
        self.settlers: list[Callable[[], Awaitable[None]]] = []
        self._now = START
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> float:
        """Return the time as epoch seconds."""
        return self._now

    def at(self) -> datetime:
        """Return the time as a datetime (UTC)."""
        return datetime.fromtimestamp(self._now, UTC)

    async def sleep_until(self, at: float) -> None:
        """Return when the time has come."""
        if at <= self._now:
            return
        self._count += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (at, self._count, future))
        await future

    async def advance(self, by: float | timedelta) -> None:
        """Move the time on, and return when everything that became due has happened.

        Args:
            by: Seconds, or a timedelta; not negative.
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if seconds < 0:
            message = f"time does not go back: advance({by!r})"
            raise ValueError(message)
        end = self._now + seconds
        await self._settle()
        while (at := self._next()) is not None and at <= end:
            self._now = max(self._now, at)
            self._wake()
            await self._settle()
        self._now = end

    def _next(self) -> float | None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _wake(self) -> None:
        while (at := self._next()) is not None and at <= self._now:
            heapq.heappop(self._sleepers)[2].set_result(None)

    async def _settle(self) -> None:
        for settle in list(self.settlers):
            await settle()


class LoopClock:
    """The running event loop's time, counted from `START`: virtual where the loop is."""

    def now(self) -> float:
        """Return the time as epoch seconds."""
        return START + asyncio.get_running_loop().time()

    async def sleep_until(self, at: float) -> None:
        """Return at or after this time."""
        await asyncio.sleep(max(0.0, at - self.now()))
