"""Schedules that stand in an app's definitions: they come, change and go with the newest bundle, in one append."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.plan import BundlePlan
from greenroom.runtime.contracts.records import Record, Table
from greenroom.runtime.contracts.schedule_requests import CreateSchedule
from greenroom.runtime.contracts.schedules import SchedulePlan, ScheduleRow, Timing
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.core.cron import check_timing
from greenroom.runtime.core.schedules import ended, is_same, made
from greenroom.runtime.host.doomed import workspace_name
from greenroom.runtime.host.engine import Engine
from greenroom.runtime.host.schedules import Schedules

PREFIX: Final = "wf_"


def declared_id(workflow_id: str, plan: SchedulePlan) -> str:
    """Return the id of a schedule in a definition, as the wire has it.

    >>> declared_id("briefing", SchedulePlan()), declared_id("briefing", SchedulePlan(id="weekly"))
    ('wf_briefing', 'wf_briefing__weekly')
    """
    return f"{PREFIX}{workflow_id}" + (f"__{plan.id}" if plan.id else "")


class DeclaredSchedules:
    """Brings the schedules of definitions into the store."""

    def __init__(self, engine: Engine, schedules: Schedules) -> None:
        self._engine = engine
        self._schedules = schedules
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def changes(self, plan: BundlePlan, workspace: str) -> AsyncGenerator[list[Record], None]:
        """Give what is to be appended with a bundle; the block appends it, before anything else, or raises.

        New schedules begin, changed ones are counted from now on, those that are gone end. A pause outlives it all.

        Args:
            plan: The bundle.
            workspace: Where its schedules start their runs.

        Raises:
            DefinitionError: This runtime cannot tell when one of them fires.
        """
        wanted = _wanted(plan, workspace)
        doomed = self._engine.book.doomed
        async with self._lock, AsyncExitStack() as held:
            names = sorted({(row.workspace, row.schedule_id) for row in await self._standing()} | set(wanted))
            for name in names:
                await held.enter_async_context(self._schedules.hold(*name))
            while True:
                count = await doomed.settled(*{workspace_name(owner) for owner, _ in names})
                found = {name: await self._schedules.find(*name) for name in names}
                if doomed.count == count:
                    break
            rows = self._changed(found, wanted)
            yield [*rows]
            for row in rows:
                self._schedules.set_timer(row)

    def _changed(
        self, found: dict[tuple[str, str], ScheduleRow | None], wanted: dict[tuple[str, str], CreateSchedule]
    ) -> list[ScheduleRow]:
        now = self._engine.clock.now()
        rows: list[ScheduleRow] = []
        for name, row in found.items():
            request = wanted.get(name)
            if request is not None:
                if row is None or row.status == "ended" or not (row.is_declared and is_same(row, request)):
                    rows.append(made(request, row, now, is_declared=True))
            elif row is not None and row.is_declared and row.status != "ended":
                rows.append(ended(row, now))
        return rows

    async def _standing(self) -> list[ScheduleRow]:
        query = Query(where={"is_declared": (True,), "status": ("active", "paused")})
        return [
            row
            async for page in self._engine.storage.scan(Table.SCHEDULES, query)
            for row in page
            if isinstance(row, ScheduleRow)
        ]


def _wanted(plan: BundlePlan, workspace: str) -> dict[tuple[str, str], CreateSchedule]:
    wanted: dict[tuple[str, str], CreateSchedule] = {}
    for workflow in plan.workflows.values():
        for schedule in workflow.schedules:
            request = CreateSchedule(
                workspace=workspace,
                schedule_id=declared_id(workflow.id, schedule),
                kind="workflow",
                target=workflow.id,
                cron=schedule.cron,
                every_s=schedule.every_s,
                timezone=schedule.timezone,
                input=schedule.input,
                catch_up=schedule.catch_up,
                max_catch_up=schedule.max_catch_up,
                overlap=schedule.overlap,
            )
            try:
                check_timing(Timing(cron=request.cron, every_s=request.every_s, timezone=request.timezone))
            except DefinitionError as error:
                raise DefinitionError(f"workflow {workflow.id!r}: {error.message}", error.facts) from None
            wanted[workspace, request.schedule_id] = request
    return wanted
