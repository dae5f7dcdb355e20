"""One timer wheel for everything that waits for a time.

A key has at most one time. What the store knows too, the times of sleeping runs, is held only when it comes within a
window of time, and loaded from the store window by window: a million runs that sleep for a month cost nothing here.
The limits of running attempts are not in the store; they are always held, and workers report them anew.
"""

import asyncio
import heapq
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.ports import Clock

WINDOW_S: Final = 300.0
"""How far ahead the wheel looks; the next window is loaded when half of it has passed.

Short windows cost reads: of a million sleepers with times in no order, each window reads one column of all.
"""

RELOAD_S: Final = 5.0
"""Wait before a window that could not be read, or not wholly, is read again."""

MAX_HELD: Final = 50_000
"""Most keys for which more are taken from the store: after a long time off, very many times have come at once."""

MAX_AT_ONCE: Final = 256
"""Most keys whose time has come that are dealt with together: their commits share synced writes."""

log = logging.getLogger("greenroom.timers")

Key = tuple[str, ...]

Load = Callable[[float | None, float], AsyncIterator[Sequence[tuple[Key, float]]]]
"""Yields what the store holds with low < time <= high."""


class TimerWheel:
    """Calls back when a key's time has come; setting a key again moves it.

    Args:
        clock: Time.
        fire: Called with a key when its time has come.
        load: Reads times from the store.
    """

    def __init__(self, clock: Clock, fire: Callable[[Key], Awaitable[None]], load: Load) -> None:
        self._clock = clock
        self._fire = fire
        self._load = load
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._changed = asyncio.Event()
        self._horizon = clock.now() + WINDOW_S
        self._loaded_to: float | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def __len__(self) -> int:
        """How many keys wait here."""
        return len(self._due)

    def set(self, key: Key, at: float | None, *, is_stored: bool = False) -> None:
        """Let `key` fire at `at`, or not at all.

        Args:
            key: Who waits.
            at: Epoch seconds.
            is_stored: The store has this time, durable: behind the window it is not held here.
        """
        if at is None or (is_stored and at > self._horizon):
            self._due.pop(key, None)
            return
        if self._due.get(key) == at:
            return
        self._due[key] = at
        heapq.heappush(self._heap, (at, key))
        if self._heap[0][1] == key:
            self._changed.set()

    async def load(self) -> bool:
        """Take what the store holds up to the end of the next window; return False when that is too much for now.

        The window is moved before the store is read: a time that is made durable meanwhile is set here by whoever
        made it, and then this does not override it with what was read.
        """
        high = self._horizon = max(self._horizon, self._clock.now() + WINDOW_S)
        async for page in self._load(self._loaded_to, high):
            for key, at in page:
                if key in self._due:
                    continue
                if len(self._due) >= MAX_HELD:
                    return False
                self.set(key, at)
        self._loaded_to = high
        return True

    def start(self) -> None:
        """Begin to fire, and to load window after window."""
        self._tasks = [
            asyncio.create_task(self._run(), name="timer wheel"),
            asyncio.create_task(self._keep_loading(), name="timer windows"),
        ]

    async def stop(self) -> None:
        """Fire no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _keep_loading(self) -> None:
        is_complete = self._loaded_to == self._horizon
        next_at = self._horizon - WINDOW_S / 2 if is_complete else self._clock.now() + RELOAD_S
        while True:
            await self._clock.sleep_until(next_at)
            try:
                is_complete = await self.load()
            except StorageError:
                log.warning("the times of sleeping runs could not be read; trying again", exc_info=True)
                is_complete = False
            next_at = self._horizon - WINDOW_S / 2 if is_complete else self._clock.now() + RELOAD_S

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            self._skip_moved()
            if not self._heap:
                await self._changed.wait()
                continue
            at, now = self._heap[0][0], self._clock.now()
            if at > now:
                await self._wait_until(at)
                continue
            await asyncio.gather(*(self._fire(key) for key in self._take(now)))

    def _take(self, now: float) -> list[Key]:
        """Return the keys whose time has come, the earliest first."""
        keys: list[Key] = []
        while self._heap and self._heap[0][0] <= now and len(keys) < MAX_AT_ONCE:
            _, key = heapq.heappop(self._heap)
            del self._due[key]
            keys.append(key)
            self._skip_moved()
        return keys

    def _skip_moved(self) -> None:
        """Drop the times of keys that have another by now, or none."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)

    async def _wait_until(self, at: float) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep_until(at))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({sleep, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            changed.cancel()
            await asyncio.gather(sleep, changed, return_exceptions=True)
