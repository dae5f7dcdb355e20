"""Schedules: what starts by itself. Bodies are strict: an unknown field is an error, as the wire has it."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from greenroom.runtime.client.schedules import ScheduleInfo
from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.schedules import DEFAULT_CATCH_UP, MAX_CATCH_UP, MAX_SCHEDULE_ID, CatchUp, Overlap
from greenroom.runtime.contracts.values import Json
from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.caller import Caller, FromCaller
from greenroom.serve.strict_json import StrictRoute
from greenroom.serve.wire.schedule_record import schedule_record, trigger_record
from greenroom.serve.wire.times import millis

router = APIRouter(prefix="/api/schedules", tags=["schedules"], route_class=StrictRoute)

MAX_TRIGGERS: Final = 500
MAX_MILLIS: Final = 253_402_300_000_000


class StrictBody(BaseModel):
    """A body with the wire's names and no others."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True)


class _Fields(StrictBody):
    """What can be given and changed; an agent's input is its prompt."""

    cron: str | None = None
    every_seconds: float | None = None
    timezone: str = "UTC"
    input_data: Any = None
    prompt: str | None = None
    initial_state: dict[str, Any] | None = None
    request_context: dict[str, Any] | None = None
    resource_id: str | None = None
    thread_id: str | None = None
    name: str = ""
    metadata: dict[str, Any] | None = None
    catch_up: CatchUp = "skip"
    max_catch_up: int = Field(default=DEFAULT_CATCH_UP, ge=1, le=MAX_CATCH_UP)
    overlap: Overlap = "allow"


class CreateScheduleBody(_Fields):
    """Body that makes a schedule, of a workflow or of an agent."""

    id: str | None = Field(default=None, min_length=1, max_length=MAX_SCHEDULE_ID)
    workflow_id: str | None = None
    agent_id: str | None = None


class ChangeScheduleBody(_Fields):
    """Body that changes a schedule; what is missing stays."""


class ResumeScheduleBody(StrictBody):
    """Body of `resume`: what becomes of the times that passed."""

    catch_up: CatchUp = "skip"


_CHANGED = {"every_seconds": "every_s", "input_data": "input", "prompt": "input", "initial_state": "state"}
_EMPTY: dict[str, Json] = {"state": {}, "request_context": {}, "metadata": {}}


def _record(schedule: ScheduleInfo) -> JsonAnswer:
    return answer(schedule_record(schedule.view))


@router.get("")
async def list_schedules(
    caller: FromCaller,
    *,
    agent_id: Annotated[str | None, Query(alias="agentId")] = None,
    workflow_id: Annotated[str | None, Query(alias="workflowId")] = None,
    status: Literal["active", "paused"] | None = None,
    thread_id: Annotated[str | None, Query(alias="threadId")] = None,
    resource_id: Annotated[str | None, Query(alias="resourceId")] = None,
    name: str | None = None,
) -> JsonAnswer:
    """List schedules."""
    found: list[ScheduleInfo] = []
    cursor: str | None = None
    while True:
        page = await caller.runtime.schedules.list(
            workflow=workflow_id,
            agent=agent_id,
            status=status,
            thread_id=thread_id,
            resource_id=resource_id,
            name=name,
            cursor=cursor,
            limit=MAX_TRIGGERS,
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return answer({"schedules": [schedule_record(schedule.view) for schedule in found]})


@router.post("")
async def create_schedule(caller: FromCaller, body: CreateScheduleBody) -> JsonAnswer:
    """Make a schedule; the same again under its id, or with its key, is the same schedule."""
    if (body.workflow_id is None) == (body.agent_id is None):
        message = "give either workflowId or agentId"
        raise InvalidInput(message, {"issues": [{"field": "workflowId", "message": message}]})
    schedule = await caller.runtime.schedules.create(
        id=body.id or _fresh_id(caller, "schedule" if body.agent_id is None else "agent"),
        workflow=body.workflow_id,
        agent=body.agent_id,
        cron=body.cron,
        every=body.every_seconds,
        timezone=body.timezone,
        input=body.input_data if body.agent_id is None else body.prompt,
        state=body.initial_state,
        request_context=body.request_context,
        resource_id=body.resource_id,
        thread_id=body.thread_id,
        name=body.name,
        metadata=body.metadata,
        catch_up=body.catch_up,
        max_catch_up=body.max_catch_up,
        overlap=body.overlap,
    )
    return _record(schedule)


def _fresh_id(caller: Caller, kind: str) -> str:
    if caller.key is None:
        return f"{kind}_{caller.runtime.ids.run_id()}"
    return f"{kind}_{hashlib.sha256(caller.key.encode()).hexdigest()[:32]}"


@router.get("/{schedule_id}")
async def get_schedule(caller: FromCaller, schedule_id: str) -> JsonAnswer:
    """Return one schedule."""
    return _record(await caller.runtime.schedules.get(schedule_id))


@router.patch("/{schedule_id}")
async def change_schedule(caller: FromCaller, schedule_id: str, body: ChangeScheduleBody) -> JsonAnswer:
    """Change a schedule; a new cron line counts from now on."""
    given = body.model_dump(exclude_unset=True)
    changes = {_CHANGED.get(name, name): value for name, value in given.items()}
    if changes.get("cron") is not None:
        changes.setdefault("every_s", None)
    elif changes.get("every_s") is not None:
        changes.setdefault("cron", None)
    changes |= {name: empty for name, empty in _EMPTY.items() if name in changes and changes[name] is None}
    return _record(await caller.runtime.schedules.update(schedule_id, **changes))


@router.delete("/{schedule_id}")
async def delete_schedule(caller: FromCaller, schedule_id: str) -> JsonAnswer:
    """End a schedule; what it started goes on."""
    await caller.runtime.schedules.delete(schedule_id, key=caller.key)
    return answer({"message": "Schedule deleted"})


@router.post("/{schedule_id}/pause")
async def pause_schedule(caller: FromCaller, schedule_id: str) -> JsonAnswer:
    """Let a schedule fire no more until it is resumed."""
    return _record(await caller.runtime.schedules.pause(schedule_id))


@router.post("/{schedule_id}/resume")
async def resume_schedule(caller: FromCaller, schedule_id: str, body: ResumeScheduleBody | None = None) -> JsonAnswer:
    """Let a paused schedule fire again."""
    catch_up: CatchUp = body.catch_up if body is not None else "skip"
    return _record(await caller.runtime.schedules.resume(schedule_id, catch_up=catch_up))


@router.post("/{schedule_id}/run")
async def run_schedule(caller: FromCaller, schedule_id: str) -> JsonAnswer:
    """Start now what a schedule starts; two requests with one key are one run."""
    key = caller.key or caller.runtime.ids.run_id()
    run = await caller.runtime.schedules.run(schedule_id, key=key)
    started = (await run.get()).view["created_at"]
    shown = {"scheduleId": schedule_id, "claimId": key, "runId": run.run_id, "scheduledFireAt": millis(started)}
    return answer(shown)


@router.get("/{schedule_id}/triggers")
async def list_triggers(
    caller: FromCaller,
    *,
    schedule_id: str,
    limit: Annotated[int, Query(ge=1, le=MAX_TRIGGERS)] = 100,
    since: Annotated[float | None, Query(ge=0, le=MAX_MILLIS, alias="fromActualFireAt")] = None,
    until: Annotated[float | None, Query(ge=0, le=MAX_MILLIS, alias="toActualFireAt")] = None,
) -> JsonAnswer:
    """List what a schedule did, newest first; times are epoch milliseconds."""
    page = await caller.runtime.schedules.history(
        schedule_id,
        limit=limit,
        since=datetime.fromtimestamp((since - 0.5) / 1000, UTC) if since is not None else None,  # from then on
        until=datetime.fromtimestamp((until + 0.5) / 1000, UTC) if until is not None else None,
    )
    return answer({"triggers": [trigger_record(line.view) for line in page]})
