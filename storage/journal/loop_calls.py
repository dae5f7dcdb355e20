"""The way from the journal's thread back to the event loop."""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import Final

_READY: Final = 1


class LoopCalls:
    """Has the loop make calls that a thread asks for, in the order in which they come, one in each turn of the loop.

    An eventfd wakes the loop. asyncio's own way writes to a socket and reads until it is empty, which takes a tenth of
    the time of a lone append.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[Callable[[], None]] = deque()
        self._is_calling = False
        self._is_rung = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        loop.add_reader(self._bell, self._on_bell)

    def add(self, *calls: Callable[[], None]) -> bool:
        """Return whether the loop will make these calls: False when it is closed. For the thread."""
        self._calls.extend(calls)
        if self._loop.is_closed():
            return False
        if not self._is_rung:
            self.ring()
        return True

    def ring(self) -> None:
        """Wake the loop, which takes longer than it takes to find out whether there is a call. For the thread."""
        self._is_rung = True
        os.eventfd_write(self._bell, _READY)

    def close(self) -> None:
        """Listen no more, once the thread has ended."""
        self._loop.remove_reader(self._bell)
        os.close(self._bell)

    def _on_bell(self) -> None:
        os.eventfd_read(self._bell)
        self._is_rung = False  # before it looks: what is added from here on rings again
        if not self._is_calling and self._calls:
            self._is_calling = True
            self._call_next()

    def _call_next(self) -> None:
        # One in each turn of the loop: those who were answered, and everybody else, have theirs before the next.
        call = self._calls.popleft()
        if self._calls:
            self._loop.call_soon(self._call_next)
        else:
            self._is_calling = False
        call()
