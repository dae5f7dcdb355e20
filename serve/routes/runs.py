"""Runs of every kind, in our own shapes: listed, shown, followed with numbered events, steered."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import StreamingResponse

from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.bodies import AgainBody, CancelBody, ResumeBody, SignalBody
from greenroom.serve.caller import FromCaller
from greenroom.serve.following import event_stream
from greenroom.serve.going_back import fork_run, rerun_run
from greenroom.serve.known_run import get_run
from greenroom.serve.strict_json import StrictRoute
from greenroom.serve.wire.run_json import run_json, summary_json

router = APIRouter(prefix="/api/runs", tags=["runs"], route_class=StrictRoute)


@router.get("")
async def list_runs(
    caller: FromCaller,
    *,
    target: Annotated[str | None, Query(description="Id of a workflow, an agent or a tool.")] = None,
    workflow: str | None = None,
    kind: str | None = None,
    status: str | None = None,
    resource_id: Annotated[str | None, Query(alias="resourceId")] = None,
    roots: Annotated[bool, Query(description="Leaves child runs out.")] = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: str | None = None,
) -> JsonAnswer:
    """List runs, newest first; `nextCursor` asks for the next page."""
    page = await caller.runtime.runs(
        workflow=target or workflow,
        kind=kind,
        status=status,
        resource_id=resource_id,
        roots=roots,
        limit=limit,
        cursor=cursor,
    )
    return answer({"runs": [summary_json(run) for run in page], "nextCursor": page.next_cursor})


@router.get("/{run_id}")
async def get_one(caller: FromCaller, run_id: str) -> JsonAnswer:
    """Return a run as it stands, with every step by its path."""
    known = await get_run(caller, run_id)
    return answer(run_json(known.view), trace_id=known.handle.trace_id)


@router.delete("/{run_id}")
async def delete(caller: FromCaller, run_id: str) -> JsonAnswer:
    """Delete a run at once with everything of it; one in which something moves is refused: cancel it first."""
    await caller.runtime.run_handle(run_id).delete(key=caller.key)
    return answer({"runId": run_id, "deleted": True})


@router.get("/{run_id}/events")
async def follow(
    caller: FromCaller,
    run_id: str,
    *,
    after: Annotated[int, Query(ge=0, lt=2**53)] = 0,
    last_event_id: Annotated[int | None, Header(ge=0, lt=2**53)] = None,
) -> StreamingResponse:
    """Stream a run's events, numbered, behind `Last-Event-ID` (or `after`), each once, to the run's end.

    Durable events have an id; those without one (token deltas, progress) are shown once and not kept.
    """
    known = await get_run(caller, run_id)
    begin = after if last_event_id is None else last_event_id
    return event_stream(known.handle, begin, caller.heartbeat_s)


@router.post("/{run_id}/resume")
async def resume(caller: FromCaller, run_id: str, body: ResumeBody | None = None) -> JsonAnswer:
    """Resume a suspended step; the resume is durable when this answers."""
    given = body or ResumeBody()
    known = await get_run(caller, run_id)
    await known.handle.resume(
        given.path,
        given.resume_data,
        label=given.label,
        index=given.for_each_index,
        key=caller.key,
        request_context=given.request_context,
        suspension=given.suspension,
    )
    return answer({"runId": run_id, "resumed": True, "traceId": known.handle.trace_id}, trace_id=known.handle.trace_id)


@router.post("/{run_id}/signal")
async def signal(caller: FromCaller, run_id: str, body: SignalBody) -> JsonAnswer:
    """Send a signal to a run; it is kept until a step waits for it."""
    run = caller.runtime.run_handle(run_id)
    await run.signal(body.name, body.payload, key=caller.key)
    return answer({"runId": run_id, "accepted": True})


@router.post("/{run_id}/fork")
async def fork(caller: FromCaller, run_id: str, body: AgainBody) -> JsonAnswer:
    """Start a run that takes the outcomes before a step over, and executes from there; the run itself is left alone."""
    made = await fork_run(caller, caller.runtime.run_handle(run_id), body)
    told = {"runId": made.run_id, "forkedFrom": run_id, "traceId": made.trace_id}
    return answer(told, trace_id=made.trace_id)


@router.post("/{run_id}/rerun")
async def rerun(caller: FromCaller, run_id: str, body: AgainBody) -> JsonAnswer:
    """Let a run go back to a step and execute from there; its later outcomes stay in its history."""
    await rerun_run(caller, caller.runtime.run_handle(run_id), body)
    return answer({"runId": run_id, "rerun": True})


@router.post("/{run_id}/cancel")
async def cancel(caller: FromCaller, run_id: str, body: CancelBody | None = None) -> JsonAnswer:
    """Cancel a run; `canceled` is false for one that had finished otherwise."""
    run = caller.runtime.run_handle(run_id)
    is_canceled = await run.cancel(body.reason if body is not None else "")
    return answer({"runId": run_id, "canceled": is_canceled})
