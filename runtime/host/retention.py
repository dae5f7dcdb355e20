"""Letting go of old runs: those that ended longer ago than they are kept are deleted, the oldest first."""

import asyncio
import logging
from typing import Final

from greenroom.runtime.contracts.errors import GreenroomError
from greenroom.runtime.contracts.records import Key, RunHead, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.host.deletion import RunDeletion
from greenroom.runtime.host.engine import Engine

INTERVAL_S: Final = 3600.0
"""Time between two looks for old runs."""

MAX_BATCH: Final = 256
"""Most runs that are deleted by one append."""

log = logging.getLogger("greenroom.retention")


class Retention:
    """Deletes old runs in the background. The store itself lets go of old rows of the other tables.

    Args:
        engine: The runs.
        deletion: Deletes them.
        runs_s: How long a run is kept after its end; None keeps all.
        forgets_ledger: The store lets go of old entries of the ledger, so that balances have to be read again.
    """

    def __init__(self, engine: Engine, deletion: RunDeletion, *, runs_s: float | None, forgets_ledger: bool) -> None:
        self._engine = engine
        self._deletion = deletion
        self._runs_s = runs_s
        self._forgets_ledger = forgets_ledger
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, now and then every hour."""
        if self._runs_s is not None or self._forgets_ledger:
            self._task = asyncio.create_task(self._keep(), name="retention")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _keep(self) -> None:
        while True:
            try:
                await self._look()
            except GreenroomError:
                log.warning("old runs could not be deleted; trying again in %.0f s", INTERVAL_S, exc_info=True)
            await self._engine.clock.sleep_until(self._engine.clock.now() + INTERVAL_S)

    async def _look(self) -> None:
        if self._forgets_ledger:
            self._engine.balances.forget_all()
        if self._runs_s is None:
            return
        cutoff = self._engine.clock.now() - self._runs_s
        deleted = 0
        after: Key | None = None
        while True:
            count = self._engine.book.doomed.count
            heads = await self._old(cutoff, after)
            if self._engine.book.doomed.count != count:
                continue  # an id may have been deleted and used again: what was read is old
            if not heads:
                break
            deleted += await self._deletion.delete_finished(heads, "retention")
            after = heads[-1].order
        if deleted:
            log.info("deleted %d runs that ended more than %.0f days ago", deleted, self._runs_s / 86_400)

    async def _old(self, cutoff: float, after: Key | None) -> list[RunHead]:
        """Return the oldest runs that ended at or before `cutoff`."""
        # A run is made before it ends: the store need not look behind the cutoff.
        between: dict[str, tuple[float | None, float | None]] = {
            "created_at": (None, cutoff),
            "finished_at": (None, cutoff),
        }
        query = Query(where={"is_open": (False,), "parent_id": (None,)}, between=between, after=after, limit=MAX_BATCH)
        return [
            head
            async for page in self._engine.storage.scan(Table.RUNS, query)
            for head in page
            if isinstance(head, RunHead)
        ]
