"""Work that goes on when the request that asked for it is gone."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

from greenroom.runtime.contracts.errors import RuntimeUnavailable

T = TypeVar("T")


class OwnTasks:
    """Runs coroutines in tasks of their own.

    Each has a context of its own too: work begun inside a Ray call would be cancelled with that call.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work returns; it is done to its end even when nobody waits any more.

        Raises:
            RuntimeUnavailable: It was stopped; how far it had come is not known.
        """
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            message = "the runtime stopped while it worked on this; ask again in a moment"
            raise RuntimeUnavailable(message, {"retry_after_s": 1.0, "in_doubt": True}) from None

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it is told; nobody need

    async def stop(self) -> None:
        """Cancel what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
