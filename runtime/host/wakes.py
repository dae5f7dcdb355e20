"""The times that the store knows: of runs that sleep, and of schedules."""

from collections.abc import AsyncIterator

from greenroom.runtime.contracts.records import RunHead, Table
from greenroom.runtime.contracts.schedules import ScheduleRow
from greenroom.runtime.contracts.storage import Query, Storage
from greenroom.runtime.host.timers import Key


def attempt_key(run_id: str, path: str, attempt: int) -> Key:
    """Return the timer's key of an attempt: not of its step, whose next attempt has a time of its own."""
    return ("attempt", run_id, path, str(attempt))


def schedule_key(workspace: str, schedule_id: str) -> Key:
    """Return the timer's key of a schedule."""
    return ("schedule", workspace, schedule_id)


async def stored_times(storage: Storage, low: float | None, high: float) -> AsyncIterator[list[tuple[Key, float]]]:
    """Yield who waits for a time with low < time <= high."""
    runs = Query(where={"is_open": (True,)}, between={"wake_at": (low, high)})
    async for page in storage.scan(Table.RUNS, runs):
        yield [
            ((head.run_id,), head.wake_at) for head in page if isinstance(head, RunHead) and head.wake_at is not None
        ]
    schedules = Query(where={"status": ("active",)}, between={"next_at": (low, high)})
    async for page in storage.scan(Table.SCHEDULES, schedules):
        yield [
            (schedule_key(row.workspace, row.schedule_id), row.next_at)
            for row in page
            if isinstance(row, ScheduleRow) and row.next_at is not None
        ]
