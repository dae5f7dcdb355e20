"""A store in memory that stops a runtime at a chosen append: right before it is kept, or right after."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

from greenroom.runtime.contracts.records import JournalRow, Record
from greenroom.storage.memory import MemoryStorage

Moment = Literal["before", "after", "through"]
"""Whether what is appended is lost, or kept without an answer, or kept and answered (for deaths of others)."""


class CrashStore(MemoryStorage):
    """Counts the appends that hold journal rows; at those in `stops` the append is never answered.

    Attributes:
        counted: Of which records one in an append makes it count.
        hit_through: Called at an append that goes through.
        hit: Set when such an append was reached: nothing more is kept until the test has crashed the runtime.
    """

    def __init__(self, stops: Sequence[int] = (), moment: Moment = "after") -> None:
        super().__init__()
        self.stops = set(stops)
        self.moment = moment
        self.counted: tuple[type[Record], ...] = (JournalRow,)
        self.count = 0
        self.hit = asyncio.Event()
        self.hit_through: Callable[[], object] = lambda: None

    async def append(self, records: Sequence[Record]) -> int:
        """Keep the records, or stop here."""
        if not any(isinstance(record, self.counted) for record in records):
            return await super().append(records)
        await asyncio.sleep(0)  # a store takes time: others go on meanwhile
        if not self.hit.is_set() or self.moment == "through":
            self.count += 1
            if self.count not in self.stops:
                return await super().append(records)
            self.hit.set()
            if self.moment == "through":
                self.hit_through()
                return await super().append(records)
            if self.moment == "after":
                await super().append(records)
        seq: int = await asyncio.get_running_loop().create_future()
        return seq
