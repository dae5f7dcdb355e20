"""One timer wheel for everything that waits for a time.

A key has at most one time. The wheel is rebuilt from the store at start; it holds nothing that is not there, except
the limits of running attempts, which their workers report anew.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable

from greenroom.runtime.contracts.ports import Clock

Key = tuple[str, ...]


class TimerWheel:
    """Calls back when a key's time has come; setting a key again moves it."""

    def __init__(self, clock: Clock, fire: Callable[[Key], Awaitable[None]]) -> None:
        self._clock = clock
        self._fire = fire
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many keys wait."""
        return len(self._due)

    def set(self, key: Key, at: float | None) -> None:
        """Let `key` fire at `at`, or not at all."""
        if at is None:
            self._due.pop(key, None)
            return
        if self._due.get(key) == at:
            return
        self._due[key] = at
        heapq.heappush(self._heap, (at, key))
        if self._heap[0][1] == key:
            self._changed.set()

    def start(self) -> None:
        """Begin to fire."""
        self._task = asyncio.create_task(self._run(), name="timer wheel")

    async def stop(self) -> None:
        """Fire no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def clear(self) -> None:
        """Forget every key."""
        self._due.clear()
        self._heap.clear()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
                heapq.heappop(self._heap)
            if not self._heap:
                await self._changed.wait()
                continue
            at, key = self._heap[0]
            if at > self._clock.now():
                await self._wait_until(at)
                continue
            heapq.heappop(self._heap)
            del self._due[key]
            await self._fire(key)

    async def _wait_until(self, at: float) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep_until(at))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({sleep, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            changed.cancel()
            await asyncio.gather(sleep, changed, return_exceptions=True)
