"""How a schedule changes: made, fired, paused, resumed, ended. Each change is a new row, and a line of its history."""

from typing import Any, TypeAlias

from msgspec.structs import replace

from greenroom.runtime.contracts.schedule_requests import CreateSchedule
from greenroom.runtime.contracts.schedules import ScheduleRow, TriggerRow
from greenroom.runtime.core.cron import next_fire
from greenroom.runtime.core.firing import Firing

Change: TypeAlias = tuple[ScheduleRow, list[TriggerRow]]
"""The row as it is now, and what is new in its history."""


def made(request: CreateSchedule, before: ScheduleRow | None, now: float, *, is_declared: bool = False) -> ScheduleRow:
    """Return the row of a new schedule, or of one that its definition changes.

    It keeps its history and its pause. When it fires by other times than before, they are counted from now on.

    Args:
        request: What it is to be.
        before: The row with its id, ended or not.
        now: The time.
        is_declared: It stands in the app's definitions.
    """
    stands = before is not None and before.status != "ended"
    fields: dict[str, Any] = {name: getattr(request, name) for name in _DEFINED}
    row = ScheduleRow(
        workspace=request.workspace,
        schedule_id=request.schedule_id,
        kind=request.kind,
        target=request.target,
        status=before.status if before is not None and stands else "active",
        created_at=before.created_at if before is not None and stands else now,
        updated_at=now,
        anchor_at=round(now, 3),
        is_declared=is_declared,
        last_at=before.last_at if before is not None else None,
        last_run_id=before.last_run_id if before is not None else None,
        triggers=before.triggers if before is not None else 0,
        **fields,
    )
    if before is not None and stands and row.timing.is_like(before.timing):
        kept: dict[str, Any] = {name: getattr(before, name) for name in _PLACE}
        return replace(row, **kept)
    return replace(row, next_at=next_fire(row.timing, _dealt_with(row, now)))


def is_same(row: ScheduleRow, request: CreateSchedule) -> bool:
    """Tell whether a schedule is already what a request wants it to be."""
    return all(getattr(row, name) == getattr(request, name) for name in ("kind", "target", *_DEFINED))


def wish(row: ScheduleRow) -> CreateSchedule:
    """Return the request that would make a schedule like this."""
    kind: Any = row.kind
    fields: dict[str, Any] = {name: getattr(row, name) for name in _DEFINED}
    return CreateSchedule(workspace=row.workspace, schedule_id=row.schedule_id, kind=kind, target=row.target, **fields)


def fired(
    row: ScheduleRow, due: Firing, now: float, *, run_id: str | None = None, reason: str = "", outcome: str = "skipped"
) -> Change:
    """Move a schedule on behind a firing, and tell what became of it.

    Args:
        row: The schedule as it was.
        due: The firing.
        now: The time.
        run_id: What was started.
        reason: Why nothing was.
        outcome: `started`, `skipped` or `failed`.
    """
    told: list[TriggerRow] = []
    if due.missed_from is not None:
        told.append(_passed_over(row, now, due.missed_from, due.missed_until, "nobody could fire in time"))
    if due.at is not None:
        told.append(
            TriggerRow(
                workspace=row.workspace,
                schedule_id=row.schedule_id,
                number=row.triggers + len(told) + 1,
                at=now,
                scheduled_at=due.at,
                kind="catch_up" if due.is_missed else "schedule",
                outcome=outcome,
                run_id=run_id,
                reason=reason,
            )
        )
    is_behind = due.next_at is not None and due.next_at <= now
    until_at: float | None = None
    if is_behind and (row.catching_up or row.catch_up) == "all":
        is_counted = row.catching_until_at is not None and due.at is not None and due.at <= row.catching_until_at
        until_at = row.catching_until_at if is_counted else now
    moved = replace(
        row,
        next_at=due.next_at,
        last_at=due.at if due.at is not None and outcome == "started" else row.last_at,
        last_run_id=run_id or row.last_run_id,
        catching_up=row.catching_up if is_behind else None,
        catching_until_at=until_at,
        triggers=row.triggers + len(told),
        updated_at=now,
    )
    return moved, told


def run_now(row: ScheduleRow, now: float, run_id: str) -> Change:
    """Tell that somebody let a schedule start something out of turn."""
    told = TriggerRow(
        workspace=row.workspace,
        schedule_id=row.schedule_id,
        number=row.triggers + 1,
        at=now,
        scheduled_at=now,
        kind="manual",
        outcome="started",
        run_id=run_id,
    )
    return replace(row, last_run_id=run_id, triggers=row.triggers + 1, updated_at=now), [told]


def paused(row: ScheduleRow, now: float) -> Change:
    """Let a schedule rest; where it stood is kept."""
    return replace(row, status="paused", updated_at=now), []


def resumed(row: ScheduleRow, now: float, catch_up: str) -> Change:
    """Let a schedule go on, with a policy for the times that passed while it rested."""
    active = replace(row, status="active", updated_at=now)
    if row.next_at is None or row.next_at > now:
        return active, []
    if catch_up != "skip":
        return replace(active, catching_up=catch_up, catching_until_at=None), []
    told = _passed_over(row, now, row.next_at, now, "the schedule was paused")
    following = next_fire(row.timing, _dealt_with(row, now))
    moved = replace(active, next_at=following, catching_up=None, catching_until_at=None, triggers=row.triggers + 1)
    return moved, [told]


def ended(row: ScheduleRow, now: float) -> ScheduleRow:
    """Return what stays of a schedule: when it fired last, so that the next of its name fires no time again."""
    return ScheduleRow(
        workspace=row.workspace,
        schedule_id=row.schedule_id,
        kind=row.kind,
        target=row.target,
        status="ended",
        created_at=row.created_at,
        updated_at=now,
        last_at=row.last_at,
        triggers=row.triggers,
    )


_DEFINED = (
    *("cron", "every_s", "timezone", "input", "state", "request_context", "resource_id", "thread_id", "options"),
    *("name", "metadata", "catch_up", "max_catch_up", "overlap"),
)
"""Fields that a request and a row have in common."""

_PLACE = ("anchor_at", "next_at", "catching_up", "catching_until_at")
"""Fields that tell where a schedule stands in its times."""


def _dealt_with(row: ScheduleRow, now: float) -> float:
    """Return the moment behind which the next fire time is: now, or the last that fired if the clock went back."""
    return now if row.last_at is None else max(now, row.last_at)


def _passed_over(row: ScheduleRow, now: float, first: float, until: float | None, reason: str) -> TriggerRow:
    return TriggerRow(
        workspace=row.workspace,
        schedule_id=row.schedule_id,
        number=row.triggers + 1,
        at=now,
        scheduled_at=first,
        until_at=until,
        kind="schedule",
        outcome="skipped",
        reason=reason,
    )
