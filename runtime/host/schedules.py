"""Schedules at work: each fire is one append, of the schedule moved on and the run it starts.

Nothing of a schedule is kept in memory but the time of those that fire within the wheel's window. A fire reads the
row, decides, and appends; a crash before the append leaves the time to be dealt with, one after it leaves nothing.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from greenroom.runtime.contracts.errors import GreenroomError, NotFound, RunStillRunning, StorageError
from greenroom.runtime.contracts.records import Record, RunHead, Table
from greenroom.runtime.contracts.requests import Start
from greenroom.runtime.contracts.schedules import ScheduleRow
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.firing import Firing, firing
from greenroom.runtime.core.schedules import Change, fired, run_now
from greenroom.runtime.host.doomed import workspace_name
from greenroom.runtime.host.engine import Engine
from greenroom.runtime.host.named_locks import NamedLocks
from greenroom.runtime.host.starting import Beside, Overtaken, Starter
from greenroom.runtime.host.timers import Key
from greenroom.runtime.host.wakes import schedule_key

RETRY_S: Final = 5.0
"""Wait before a fire that could not be taken now is tried again."""

CONTEXT_KEY: Final = "schedule"
"""Under this key of its request context a run finds which schedule started it, and for which time."""

log = logging.getLogger("greenroom.schedules")


class Schedules:
    """Fires schedules, and changes their rows one change at a time."""

    def __init__(self, engine: Engine, starter: Starter) -> None:
        self._engine = engine
        self._starter = starter
        self._locks = NamedLocks()
        engine.fire_schedule = self.fire

    @asynccontextmanager
    async def hold(self, workspace: str, schedule_id: str) -> AsyncGenerator[None, None]:
        """Have a schedule until the block ends: nobody else changes or fires it."""
        async with self._locks.hold(f"{workspace} {schedule_id}"):
            yield

    async def find(self, workspace: str, schedule_id: str) -> ScheduleRow | None:
        """Return a schedule's row, ended or not."""
        row = await self._engine.storage.get(Table.SCHEDULES, (workspace, schedule_id))
        return row if isinstance(row, ScheduleRow) else None

    async def change(
        self, workspace: str, schedule_id: str, decide: Callable[[ScheduleRow | None, float], Change | None]
    ) -> ScheduleRow | None:
        """Change a schedule as `decide` says, given its row and the time; None leaves it as it is.

        Returns:
            The row as it is then, durable.
        """
        doomed = self._engine.book.doomed
        async with self.hold(workspace, schedule_id):
            while True:
                count = await doomed.settled(workspace_name(workspace))
                row = await self.find(workspace, schedule_id)
                if doomed.count != count:
                    continue  # what was read before a deletion must not be written behind it
                change = decide(row, self._engine.clock.now())
                if change is None:
                    return row
                await self._keep(change)
                return change[0]

    async def run_now(self, workspace: str, schedule_id: str, key: str) -> dict[str, Json]:
        """Start what a schedule starts, out of turn.

        Raises:
            NotFound: There is no such schedule, or nothing that it could start.
            RunStillRunning: It starts one run at a time, and the last is still open.
        """
        async with self.hold(workspace, schedule_id):
            while True:
                count = await self._engine.book.doomed.settled(workspace_name(workspace))
                row = standing(await self.find(workspace, schedule_id), workspace, schedule_id)
                now = self._engine.clock.now()
                request = _start(row, now, f"schedule {schedule_id} run {key}")
                try:
                    known = await self._engine.storage.get(Table.KEYS, (workspace, request.key or ""))
                    if known is None and (why := await self._busy(row)):
                        raise RunStillRunning(f"{why}; it allows one run at a time", {"run_id": row.last_run_id})
                    beside = Beside(count, lambda run_id: _records(run_now(row, now, run_id)))  # noqa: B023 - at once
                    answer = await self._starter.start(request, beside)
                except Overtaken:
                    continue
                return {"schedule_id": schedule_id, "run_id": answer["run_id"], "at": now}

    async def fire(self, key: Key) -> None:
        """Deal with a schedule whose time has come."""
        _, workspace, schedule_id = key
        try:
            async with self.hold(workspace, schedule_id):
                while not await self._try_to_fire(workspace, schedule_id):
                    pass
        except StorageError:
            raise  # the runtime starts over from the store, or the wheel fires this again
        except Exception as error:  # whatever is wrong with this one, the time is not dealt with
            if not isinstance(error, GreenroomError):
                log.exception("schedule %s could not fire", schedule_id)
            self._engine.wheel.set(key, self._engine.clock.now() + RETRY_S)

    async def _try_to_fire(self, workspace: str, schedule_id: str) -> bool:
        """Return True when the next fire time has been dealt with, False when everything must be read again."""
        doomed = self._engine.book.doomed
        count = await doomed.settled(workspace_name(workspace))
        row = await self.find(workspace, schedule_id)
        now = self._engine.clock.now()
        if row is None or row.status != "active":
            return True
        due = firing(row, now)
        if due is None:
            self.set_timer(row)
            return True
        why = await self._busy(row) if due.at is not None and row.overlap == "skip" else ""
        if due.at is None or why:
            return await self._keep_unless(count, fired(row, due, now, reason=why))
        return await self._start(row, due, now, count)

    async def _start(self, row: ScheduleRow, due: Firing, now: float, count: int) -> bool:
        at = due.at if due.at is not None else now
        request = _start(row, at, f"schedule {row.schedule_id} {_iso(at)}")

        def started(run_id: str) -> Change:
            return fired(row, due, now, run_id=run_id, outcome="started")

        try:
            answer = await self._starter.start(request, Beside(count, lambda run_id: _records(started(run_id))))
        except Overtaken:
            return False
        except StorageError:
            raise
        except GreenroomError as error:
            if error.retryable:
                raise
            log.warning("schedule %s could not start %s %r: %s", row.schedule_id, row.kind, row.target, error)
            return await self._keep_unless(count, fired(row, due, now, reason=error.message, outcome="failed"))
        change = started(str(answer["run_id"]))
        if not answer["is_new"]:
            return await self._keep_unless(count, change)
        self.set_timer(change[0])
        return True

    async def _busy(self, row: ScheduleRow) -> str:
        """Return why a schedule that starts one run at a time starts none, or an empty text."""
        if row.overlap != "skip" or row.last_run_id is None:
            return ""
        head = await self._engine.storage.get(Table.RUNS, (row.last_run_id,))
        if not isinstance(head, RunHead) or RunStatus(head.status).is_final:
            return ""
        return f"run {head.run_id} of schedule {row.schedule_id!r} is still open ({head.status})"

    async def _keep_unless(self, count: int, change: Change) -> bool:
        """Make a change durable, unless something was deleted since `count`."""
        if self._engine.book.doomed.count != count:
            return False
        await self._keep(change)
        return True

    async def _keep(self, change: Change) -> None:
        await self._engine.append(_records(change))
        self.set_timer(change[0])

    def set_timer(self, row: ScheduleRow) -> None:
        """Let a schedule fire at its next time, which is durable."""
        at = row.next_at if row.status == "active" else None
        self._engine.wheel.set(schedule_key(row.workspace, row.schedule_id), at, is_stored=True)


def standing(row: ScheduleRow | None, workspace: str, schedule_id: str) -> ScheduleRow:
    """Return a schedule that has not ended.

    Raises:
        NotFound: It has, or there never was one.
    """
    if row is None or row.status == "ended":
        message = f"no schedule {schedule_id!r} in workspace {workspace!r}"
        raise NotFound(message, {"schedule_id": schedule_id})
    return row


def _records(change: Change) -> Sequence[Record]:
    row, told = change
    return [row, *told]


def _start(row: ScheduleRow, at: float, key: str) -> Start:
    kind: Any = row.kind
    told = {CONTEXT_KEY: {"id": row.schedule_id, "at": _iso(at)}}
    return Start(
        workspace=row.workspace,
        kind=kind,
        target=row.target,
        input=row.input,
        key=key,
        resource_id=row.resource_id,
        request_context=told | row.request_context,
        state=row.state,
        thread_id=row.thread_id,
        options=row.options,
    )


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
