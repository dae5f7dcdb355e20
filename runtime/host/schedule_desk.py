"""The schedules, as requests see them."""

from dataclasses import dataclass
from typing import Any, Final, assert_never

import msgspec

from greenroom.runtime.contracts.errors import AlreadyClaimed, DefinitionError, InvalidInput, RequestError
from greenroom.runtime.contracts.records import Key, RunHead, Table
from greenroom.runtime.contracts.requests import Start
from greenroom.runtime.contracts.schedule_requests import (
    AboutSchedules,
    ChangeSchedule,
    CreateSchedule,
    DeleteSchedule,
    GetSchedule,
    ListSchedules,
    PauseSchedule,
    ResumeSchedule,
    RunSchedule,
    ScheduleHistory,
)
from greenroom.runtime.contracts.schedules import (
    MAX_CATCH_UP,
    MAX_SCHEDULE_ID,
    ScheduleRow,
    Timing,
    TriggerRow,
    too_large,
)
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.cron import check_timing
from greenroom.runtime.core.schedules import Change, ended, is_same, made, paused, resumed, wish
from greenroom.runtime.host.declared import PREFIX
from greenroom.runtime.host.engine import Engine
from greenroom.runtime.host.schedules import Schedules, standing
from greenroom.runtime.host.starting import Starter

MAX_LIST: Final = 500

CHANGEABLE: Final = tuple(
    name for name in CreateSchedule.__struct_fields__ if name not in {"workspace", "schedule_id", "kind", "target"}
)


@dataclass(frozen=True, slots=True)
class ScheduleDesk:
    """Answers requests about schedules."""

    engine: Engine
    schedules: Schedules
    starter: Starter

    async def answer(self, request: AboutSchedules) -> Json:
        """Answer one request.

        Raises:
            NotFound: There is no such schedule in this workspace.
            InvalidInput: A field does not fit; nothing was changed.
            AlreadyClaimed: The id belongs to another schedule.
            RequestError: It stands in the app's definitions and changes with them only.
        """
        match request:
            case CreateSchedule():
                return await self._create(request)
            case ChangeSchedule():
                return await self._change(request)
            case GetSchedule():
                row = await self.schedules.find(request.workspace, request.schedule_id)
                return await self._view(standing(row, request.workspace, request.schedule_id))
            case ListSchedules():
                return await self._list(request)
            case PauseSchedule():
                return await self._steer(request, paused_unless)
            case ResumeSchedule():
                return await self._steer(request, lambda row, now: resumed_unless(row, now, request.catch_up))
            case RunSchedule():
                return await self.schedules.run_now(request.workspace, request.schedule_id, request.key)
            case DeleteSchedule():
                return await self._delete(request)
            case ScheduleHistory():
                return await self._history(request)
            case _:
                assert_never(request)

    async def _create(self, request: CreateSchedule) -> dict[str, Json]:
        _check_id(request.schedule_id)
        request = await self._checked(request)

        def decide(row: ScheduleRow | None, now: float) -> Change | None:
            if row is None or row.status == "ended":
                return made(request, row, now), []
            if is_same(row, request):
                return None
            message = f"schedule {request.schedule_id!r} exists and is another; change it, or take another id"
            raise AlreadyClaimed(message, {"schedule_id": request.schedule_id})

        return await self._view(await self.schedules.change(request.workspace, request.schedule_id, decide))

    async def _change(self, request: ChangeSchedule) -> dict[str, Json]:
        found = await self.schedules.find(request.workspace, request.schedule_id)
        _own(standing(found, request.workspace, request.schedule_id), "changed")
        wanted = await self._checked(_changed(found, request.changes))

        def decide(row: ScheduleRow | None, now: float) -> Change:
            before = standing(row, request.workspace, request.schedule_id)
            _own(before, "changed")
            fields = {name: getattr(wanted, name) for name in request.changes}
            return made(msgspec.structs.replace(wish(before), **fields), before, now), []

        return await self._view(await self.schedules.change(request.workspace, request.schedule_id, decide))

    async def _checked(self, request: CreateSchedule) -> CreateSchedule:
        """Return what a request makes, with defaults applied and without what is never stored."""
        timing = Timing(cron=request.cron, every_s=request.every_s, timezone=request.timezone)
        try:
            check_timing(timing)
        except DefinitionError as error:
            raise InvalidInput(f"Invalid schedule: {error.message}", error.facts) from None
        if not 1 <= request.max_catch_up <= MAX_CATCH_UP:
            raise _invalid("max_catch_up", f"max_catch_up is 1 to {MAX_CATCH_UP}, not {request.max_catch_up}")
        start = Start(
            workspace=request.workspace,
            kind=request.kind,
            target=request.target,
            input=request.input,
            state=request.state,
        )
        if wrong := too_large(request.input):
            raise _invalid("input", wrong)
        _, value, state = await self.starter.checked(start)
        context = self.engine.secrets.public(request.request_context)
        return msgspec.structs.replace(request, input=value, state=state, request_context=context)

    async def _steer(self, request: PauseSchedule | ResumeSchedule, decide: Any) -> dict[str, Json]:
        workspace, schedule_id = request.workspace, request.schedule_id
        row = await self.schedules.change(
            workspace, schedule_id, lambda row, now: decide(standing(row, workspace, schedule_id), now)
        )
        return await self._view(row)

    async def _delete(self, request: DeleteSchedule) -> dict[str, Json]:
        key = f"delete {request.key}"

        def decide(row: ScheduleRow | None, now: float) -> Change | None:
            if request.key and row is not None and row.status == "ended" and row.metadata.get("key") == key:
                return None  # a client asks again when it got no answer
            before = standing(row, request.workspace, request.schedule_id)
            _own(before, "deleted")
            return msgspec.structs.replace(ended(before, now), metadata={"key": key}), []

        await self.schedules.change(request.workspace, request.schedule_id, decide)
        return {"schedule_id": request.schedule_id}

    async def _list(self, request: ListSchedules) -> dict[str, Json]:
        names = ("kind", "target", "resource_id", "thread_id", "name")
        where: dict[str, tuple[Json, ...]] = {
            name: (value,) for name in names if (value := getattr(request, name)) is not None
        }
        where["status"] = (request.status,) if request.status is not None else ("active", "paused")
        if request.status not in {None, "active", "paused"}:
            raise _invalid("status", f"a schedule is active or paused, not {request.status!r}")
        limit = max(1, min(request.limit, MAX_LIST))
        after: Key | None = (request.workspace, request.cursor) if request.cursor else None
        query = Query(workspace=request.workspace, where=where, after=after, limit=limit + 1)
        rows = [
            row
            async for page in self.engine.storage.scan(Table.SCHEDULES, query)
            for row in page
            if isinstance(row, ScheduleRow)
        ]
        return {
            "items": [await self._view(row) for row in rows[:limit]],
            "next_cursor": rows[limit - 1].schedule_id if len(rows) > limit else None,
        }

    async def _history(self, request: ScheduleHistory) -> dict[str, Json]:
        workspace, schedule_id = request.workspace, request.schedule_id
        standing(await self.schedules.find(workspace, schedule_id), workspace, schedule_id)
        limit = max(1, min(request.limit, MAX_LIST))
        query = Query(
            prefix=(workspace, schedule_id),
            between={"at": (request.since_at, request.until_at)} if request.since_at or request.until_at else {},
            after=(workspace, schedule_id, request.before) if request.before is not None else None,
            reverse=True,
            limit=limit + 1,
        )
        rows = [
            row
            async for page in self.engine.storage.scan(Table.TRIGGERS, query)
            for row in page
            if isinstance(row, TriggerRow)
        ]
        return {
            "items": [trigger_view(row) | {"run": await self._run(row.run_id)} for row in rows[:limit]],
            "next_cursor": rows[limit - 1].number if len(rows) > limit else None,
        }

    async def _view(self, row: ScheduleRow | None) -> dict[str, Json]:
        """Return a schedule as JSON, with how its last run is."""
        assert row is not None  # noqa: S101 - a change either has a row or raises
        hidden = {"catching_up", "catching_until_at", "anchor_at"}
        shown = {name: getattr(row, name) for name in row.__struct_fields__ if name not in hidden}
        return shown | {"last_run": await self._run(row.last_run_id)}

    async def _run(self, run_id: str | None) -> dict[str, Json] | None:
        head = await self.engine.storage.get(Table.RUNS, (run_id,)) if run_id is not None else None
        if not isinstance(head, RunHead):
            return None
        error = f"{head.error_type}: {head.error}" if head.error_type else None
        return {
            "run_id": head.run_id,
            "status": head.status,
            "started_at": head.created_at,
            "ended_at": head.finished_at,
            "error": error,
        }


def paused_unless(row: ScheduleRow, now: float) -> Change | None:
    """Let a schedule rest, unless it does."""
    return None if row.status == "paused" else paused(row, now)


def resumed_unless(row: ScheduleRow, now: float, catch_up: str) -> Change | None:
    """Let a schedule go on, unless it does."""
    return None if row.status == "active" else resumed(row, now, catch_up)


def trigger_view(row: TriggerRow) -> dict[str, Json]:
    """Return a line of a schedule's history as JSON."""
    return {name: getattr(row, name) for name in row.__struct_fields__ if name != "workspace"}


def _check_id(schedule_id: str) -> None:
    if not schedule_id.strip() or len(schedule_id) > MAX_SCHEDULE_ID or "/" in schedule_id:
        message = f"a schedule's id has 1 to {MAX_SCHEDULE_ID} characters and no /, not {schedule_id[:50]!r}"
        raise _invalid("id", message)
    if schedule_id.startswith(PREFIX):
        raise _invalid("id", f"ids that begin with {PREFIX!r} are those of schedules in definitions; take another")


def _changed(row: ScheduleRow | None, changes: dict[str, Json]) -> CreateSchedule:
    unknown = sorted(set(changes) - set(CHANGEABLE))
    if unknown:
        raise _invalid(unknown[0], f"{unknown[0]!r} of a schedule cannot be changed; {', '.join(CHANGEABLE)} can")
    assert row is not None  # noqa: S101 - the caller found it
    fields = msgspec.to_builtins(wish(row)) | changes
    try:
        return msgspec.convert(fields, CreateSchedule)
    except msgspec.ValidationError as error:
        raise _invalid("root", str(error)) from None


def _own(row: ScheduleRow, verb: str) -> None:
    if row.is_declared:
        message = (
            f"schedule {row.schedule_id!r} stands in the definition of workflow {row.target!r} and is {verb} there; "
            "it can be paused"
        )
        raise RequestError(message, {"schedule_id": row.schedule_id})


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(f"Invalid schedule: {message}", {"issues": [{"field": field, "message": message}]})
