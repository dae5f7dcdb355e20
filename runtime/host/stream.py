"""The stream of one run in memory: its durable events and, between them, what is ephemeral.

Readers hold a cursor and ask for what comes behind it, so a slow reader costs nothing and slows nobody. A cursor
names this incarnation of the runtime, a position in it, and the last durable event seen: another incarnation goes on
from the durable event.
"""

import asyncio
from bisect import bisect_right

from greenroom.runtime.contracts.events import Event

MAX_PAGE = 512
"""Most events in one answer."""

MAX_EPHEMERAL = 4096
"""Most ephemeral events kept; older ones are dropped, their text is in the durable events that follow."""


class RunStream:
    """Events of one run, in order."""

    __slots__ = ("_changed", "_ephemeral", "_events", "_incarnation", "_positions", "_rested", "is_ended")

    def __init__(self, incarnation: str) -> None:
        self._incarnation = incarnation
        self._events: list[Event] = []
        self._positions: list[int] = []
        self._ephemeral = 0
        self._changed = asyncio.Event()
        self._rested = asyncio.Event()
        self.is_ended = False

    def publish(self, events: list[Event]) -> None:
        """Add events; a durable event that ends a step makes the step's ephemeral ones superfluous."""
        position = self._positions[-1] if self._positions else 0
        for event in events:
            position += 1
            self._events.append(event)
            self._positions.append(position)
            if event.seq == 0:
                self._ephemeral += 1
        if self._ephemeral > MAX_EPHEMERAL:
            self._drop_ephemeral()
        self.wake()

    def wake(self) -> None:
        """Let those who wait look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    def end(self) -> None:
        """Say that nothing comes any more; whoever waits looks again."""
        self.is_ended = True
        self.wake()
        self.rest()

    def rest(self) -> None:
        """Let those who wait for the run's end, or for its being parked, look again."""
        self._rested.set()
        self._rested = asyncio.Event()

    async def wait(self, timeout_s: float, *, for_rest: bool = False) -> None:
        """Return when something changed, or the run came to rest, or after the time."""
        event = self._rested if for_rest else self._changed
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return

    def _drop_ephemeral(self) -> None:
        surplus = self._ephemeral - MAX_EPHEMERAL // 2
        events: list[Event] = []
        positions: list[int] = []
        for event, position in zip(self._events, self._positions, strict=True):
            if event.seq == 0 and surplus > 0:
                surplus -= 1
                self._ephemeral -= 1
                continue
            events.append(event)
            positions.append(position)
        self._events, self._positions = events, positions

    def read(self, cursor: str, after: int) -> tuple[list[Event], str]:
        """Return what comes behind a cursor, or behind the durable event `after` without one, and the next cursor."""
        incarnation, _, rest = cursor.partition(":")
        if incarnation == self._incarnation:
            position, _, seq = rest.partition(":")
            start = bisect_right(self._positions, int(position))
            last_seq = int(seq)
        else:
            last_seq = int(cursor.rpartition(":")[2]) if cursor else after
            start = self._behind(last_seq)
        page = self._events[start : start + MAX_PAGE]
        for event in page:
            last_seq = max(last_seq, event.seq)
        end = start + len(page)
        position_now = self._positions[end - 1] if end else 0
        return page, f"{self._incarnation}:{position_now}:{last_seq}"

    def _behind(self, seq: int) -> int:
        if seq <= 0:
            return 0
        for index in range(len(self._events) - 1, -1, -1):
            if 0 < self._events[index].seq <= seq:
                return index + 1
        return 0
