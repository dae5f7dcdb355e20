"""Bundles side by side: which take new runs, which runs are moved to another, and workers that nobody needs any more.

A run goes on with the bundle it started with. So an older bundle has its workers as long as an open run needs them;
then they are stopped. `drain` ends the starts on a bundle, `migrate` moves parked runs that fit another.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from greenroom.runtime.contracts.entries import Migrated
from greenroom.runtime.contracts.errors import GreenroomError, NotFound, RunNotFound
from greenroom.runtime.contracts.records import RunHead, Table
from greenroom.runtime.contracts.requests import Drain, Migrate
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.compatible import why_incompatible
from greenroom.runtime.core.dispatch import ALONE
from greenroom.runtime.core.state import RunState
from greenroom.runtime.host.catalog import Catalog
from greenroom.runtime.host.engine import Engine

SWEEP_S: Final = 60.0
"""Time between two looks for workers that nobody needs."""

MAX_NAMED: Final = 1000
"""Most runs that a report names of each kind; it counts all."""

MAX_STOPPED: Final = 100
"""Most stopped workers that the status names."""

log = logging.getLogger("greenroom.versions")


class Versions:
    """Looks after the bundles of one runtime.

    Attributes:
        stopped: Names of workers that were stopped because no open run needed their bundle, newest last.
    """

    def __init__(self, engine: Engine, catalog: Catalog) -> None:
        self._engine = engine
        self._catalog = catalog
        self._task: asyncio.Task[None] | None = None
        self.stopped: deque[str] = deque(maxlen=MAX_STOPPED)

    def start(self) -> None:
        """Begin to look for workers that nobody needs."""
        self._task = asyncio.create_task(self._keep(), name="versions")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _keep(self) -> None:
        while True:
            await self._engine.clock.sleep_until(self._engine.clock.now() + SWEEP_S)
            try:
                await self._stop_idle()
            except GreenroomError:
                log.warning("workers that nobody needs could not be looked for", exc_info=True)

    async def _stop_idle(self) -> None:
        """Stop the workers of older bundles that no open run is pinned to, and those that were for suspects alone."""
        for bundle in self._engine.pools.bundles():
            await self._engine.pools.retire(bundle, ALONE)
            if bundle == self._catalog.newest or await self._has_open(bundle):
                continue
            names = await self._engine.pools.retire(bundle)
            if names:
                log.info("stopped workers of bundle %s, which no open run needs: %s", bundle, ", ".join(names))
            self.stopped.extend(names)

    async def _has_open(self, bundle: str) -> bool:
        async for _ in self._open_heads({"bundle": (bundle,)}, limit=1):
            return True
        return False

    async def _open_heads(
        self, where: dict[str, tuple[Json, ...]], *, workspace: str | None = None, limit: int | None = None
    ) -> AsyncIterator[RunHead]:
        query = Query(workspace=workspace, where={**where, "is_open": (True,)}, limit=limit)
        async for page in self._engine.storage.scan(Table.RUNS, query):
            for head in page:
                if isinstance(head, RunHead):
                    yield head

    async def drain(self, request: Drain) -> dict[str, Json]:
        """Let bundles take no new runs, or take them again; return how many open runs each has left, of all workspaces.

        Raises:
            NotFound: There is no such bundle.
        """
        bundles = [self._catalog.named(request.bundle)] if request.bundle is not None else self._catalog.older()
        told: list[Json] = []
        for bundle in bundles:
            await self._catalog.set_drained(bundle, is_drained=request.is_drained)
            statuses = [head.status async for head in self._open_heads({"bundle": (bundle,)})]
            counts = {status: statuses.count(status) for status in sorted(set(statuses))}
            told.append(
                {
                    "bundle": bundle,
                    "is_newest": bundle == self._catalog.newest,
                    "is_drained": request.is_drained,
                    "open_runs": len(statuses),
                    "statuses": counts,
                }
            )
        return {"bundles": told}

    async def migrate(self, request: Migrate) -> dict[str, Json]:
        """Move the parked runs of a workspace to a bundle, each by a commit of its own; tell why others were not.

        Raises:
            NotFound: There is no such bundle.
        """
        target = self._catalog.named(request.to_bundle) if request.to_bundle is not None else self._catalog.newest
        if target is None:
            raise NotFound("there is no bundle to move runs to: connect with an app first")
        where: dict[str, tuple[Json, ...]] = {}
        if request.from_bundle is not None:
            where["bundle"] = (self._catalog.named(request.from_bundle),)
        moved: list[Json] = []
        kept: list[Json] = []
        counts = {"migrated": 0, "refused": 0}
        async for head in self._open_heads(where, workspace=request.workspace):
            if head.bundle == target:
                continue
            try:
                reason = await self._move(head, target, is_dry_run=request.is_dry_run)
            except RunNotFound:
                continue  # it was deleted meanwhile
            told = {"run_id": head.run_id, "target": head.target, "from": head.bundle}
            counts["refused" if reason else "migrated"] += 1
            chosen = kept if reason else moved
            if len(chosen) < MAX_NAMED:
                chosen.append(told | ({"reason": reason} if reason else {}))
        return {
            "to": target,
            "is_dry_run": request.is_dry_run,
            "migrated": moved,
            "refused": kept,
            "migrated_count": counts["migrated"],
            "refused_count": counts["refused"],
        }

    async def _move(self, head: RunHead, target: str, *, is_dry_run: bool) -> str | None:
        """Move one run; return why not, if not."""
        entry = await self._engine.book.load(head.run_id)
        run = entry.state
        reason = self._why_not_now(run) or why_incompatible(run, self._engine.bundles[target])
        if reason is None and not is_dry_run and run.bundle.id != target:
            await self._engine.record(entry, Migrated(at=self._engine.clock.now(), bundle=target))
        return reason

    def _why_not_now(self, run: RunState) -> str | None:
        """Return why a run cannot be moved at this moment: a worker has something of it, or will have at once."""
        if run.status.is_final:
            return f"it has ended ({run.status}) and its callback still runs"
        attempts = [node for node in run.nodes.values() if node.has_attempt]
        if not attempts and run.status is not RunStatus.PENDING:
            return None
        pools = self._engine.pools
        if run.bundle.id in pools.problems and not any(pools.holds(run.run_id, node.path) for node in attempts):
            return None  # it waits for code that is gone
        return f"it is {run.status}: something runs in it; runs are moved when they are parked"
