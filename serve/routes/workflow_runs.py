"""Runs of a workflow: started, streamed, observed, resumed, canceled, deleted.

`create-run` reserves an id and nothing else: a run exists from its start on. A start that is sent again with the same
run id, or the same `Idempotency-Key`, and the same input is the same run; with another input it is refused.
"""

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.errors import RunNotFound
from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.bodies import CancelBody, CreateRunBody, ResumeBody, StartBody
from greenroom.serve.caller import Caller, FromCaller
from greenroom.serve.following import NEVER, mapped, workflow_stream
from greenroom.serve.known_run import KnownRun, get_run
from greenroom.serve.strict_json import StrictRoute
from greenroom.serve.wire.observed import skipped
from greenroom.serve.wire.run_result import run_result
from greenroom.serve.wire.stored_run import stored_run
from greenroom.serve.wire.workflow_events import WorkflowEvents

router = APIRouter(prefix="/api/workflows/{workflow_id}", tags=["workflow runs"], route_class=StrictRoute)

RunId: TypeAlias = Annotated[str, Query(alias="runId", min_length=1, max_length=200)]
OptionalRunId: TypeAlias = Annotated[str | None, Query(alias="runId", max_length=200)]
Fields: TypeAlias = Annotated[str, Query(description="Names of fields, separated by commas.")]


async def _start(caller: Caller, workflow_id: str, run_id: str | None, body: StartBody | None) -> RunHandle:
    given = body or StartBody()
    tracing = given.tracing_options
    trace = caller.trace.overridden(tracing.trace_id, tracing.parent_span_id) if tracing else caller.trace
    return await caller.runtime.workflow(workflow_id).start(
        given.input_data,
        key=caller.key,
        run_id=run_id or None,
        resource_id=given.resource_id,
        request_context=given.request_context,
        state=given.initial_state,
        single_step=given.per_step,
        trace_id=trace.trace_id,
        parent_span_id=trace.parent_span_id,
    )


async def _resume(caller: Caller, workflow_id: str, run_id: str, body: ResumeBody | None) -> KnownRun:
    """Resume a run; return it as it stood before."""
    given = body or ResumeBody()
    known = await get_run(caller, run_id, "workflow", workflow_id)
    await known.handle.resume(
        given.path,
        given.resume_data,
        label=given.label,
        index=given.for_each_index,
        key=caller.key,
        request_context=given.request_context,
        suspension=given.suspension,
    )
    return known


async def _result(caller: Caller, run: RunHandle) -> JsonAnswer:
    """Answer a run once it is finished or parked."""
    view = (await run.result()).view
    return answer(run_result(view, await caller.plans.of_run(caller.runtime, view)), trace_id=run.trace_id)


@router.post("/create-run")
async def create_run(
    caller: FromCaller, workflow_id: str, run_id: OptionalRunId = None, body: CreateRunBody | None = None
) -> JsonAnswer:
    """Reserve the id of a run; `start` with it begins the run."""
    del body
    await caller.plans.get(caller.runtime, "workflow", workflow_id)
    return answer({"runId": run_id or caller.runtime.ids.run_id()})


@router.post("/start")
async def start(
    caller: FromCaller, workflow_id: str, run_id: OptionalRunId = None, body: StartBody | None = None
) -> JsonAnswer:
    """Start a run and answer at once; the run is durable then."""
    run = await _start(caller, workflow_id, run_id, body)
    told = {"message": "Workflow run started", "runId": run.run_id, "traceId": run.trace_id}
    return answer(told, trace_id=run.trace_id)


@router.post("/start-async")
async def start_and_wait(
    caller: FromCaller, workflow_id: str, run_id: OptionalRunId = None, body: StartBody | None = None
) -> JsonAnswer:
    """Start a run and answer its result when it is finished, suspended or paused."""
    return await _result(caller, await _start(caller, workflow_id, run_id, body))


@router.post("/stream")
async def stream(
    caller: FromCaller, workflow_id: str, run_id: OptionalRunId = None, body: StartBody | None = None
) -> StreamingResponse:
    """Start a run and stream its events; the stream ends when the run does, or when it is suspended."""
    run = await _start(caller, workflow_id, run_id, body)
    parks_at = 0 if body is None or body.close_on_suspend else NEVER
    events = mapped(run, WorkflowEvents(run.run_id, workflow_id), parks_at=parks_at)
    return workflow_stream(events, run, caller.heartbeat_s)


@router.post("/resume")
async def resume(caller: FromCaller, workflow_id: str, run_id: RunId, body: ResumeBody | None = None) -> JsonAnswer:
    """Resume a suspended step and answer at once; the resume is durable then."""
    known = await _resume(caller, workflow_id, run_id, body)
    told = {"message": "Workflow run resumed", "runId": run_id, "traceId": known.handle.trace_id}
    return answer(told, trace_id=known.handle.trace_id)


@router.post("/resume-no-wait")
async def resume_no_wait(
    caller: FromCaller, workflow_id: str, run_id: RunId, body: ResumeBody | None = None
) -> JsonAnswer:
    """Resume a suspended step and answer the run's id."""
    known = await _resume(caller, workflow_id, run_id, body)
    return answer({"runId": run_id, "traceId": known.handle.trace_id}, trace_id=known.handle.trace_id)


@router.post("/resume-async")
async def resume_and_wait(
    caller: FromCaller, workflow_id: str, run_id: RunId, body: ResumeBody | None = None
) -> JsonAnswer:
    """Resume a suspended step and answer the run's result when it is finished or suspended again."""
    return await _result(caller, (await _resume(caller, workflow_id, run_id, body)).handle)


@router.post("/resume-stream")
async def resume_and_stream(
    caller: FromCaller, workflow_id: str, run_id: RunId, body: ResumeBody | None = None
) -> StreamingResponse:
    """Resume a suspended step and stream what happens from there."""
    known = await _resume(caller, workflow_id, run_id, body)
    mapper = WorkflowEvents(run_id, workflow_id, known.view)
    parks_at = 0 if body is None or body.close_on_suspend else NEVER
    events = mapped(known.handle, mapper, after=known.event_seq, parks_at=parks_at)
    return workflow_stream(events, known.handle, caller.heartbeat_s)


@router.post("/observe")
async def observe(
    caller: FromCaller,
    workflow_id: str,
    run_id: RunId,
    *,
    offset: Annotated[int, Query(ge=0)] = 0,
    close_on_suspend: Annotated[bool, Query(alias="closeOnSuspend")] = True,
) -> StreamingResponse:
    """Stream all events of a run from its start, then live ones, to its end or to where it is suspended now."""
    known = await get_run(caller, run_id, "workflow", workflow_id)
    mapper = WorkflowEvents(run_id, workflow_id)
    events = mapped(known.handle, mapper, parks_at=known.event_seq if close_on_suspend else NEVER)
    return workflow_stream(skipped(events, offset), known.handle, caller.heartbeat_s)


@router.get("/runs/{run_id}")
async def get_one(
    caller: FromCaller,
    workflow_id: str,
    run_id: str,
    *,
    fields: Fields = "",
    with_nested: Annotated[bool, Query(alias="withNestedWorkflows")] = True,
) -> JsonAnswer:
    """Return a run as it stands."""
    known = await get_run(caller, run_id, "workflow", workflow_id)
    plan = await caller.plans.of_run(caller.runtime, known.view)
    wanted = [name for name in fields.split(",") if name]
    shown = stored_run(known.view, plan, fields=wanted, with_nested=with_nested)
    return answer(shown, trace_id=known.handle.trace_id)


@router.delete("/runs/{run_id}")
async def delete(caller: FromCaller, workflow_id: str, run_id: str) -> JsonAnswer:
    """Delete a run with everything of it; one in which something moves is refused: cancel it first."""
    try:
        await get_run(caller, run_id, "workflow", workflow_id)
    except RunNotFound as error:
        if caller.key is None or "kind" in error.facts:  # with a key, this may be the same request once more
            raise
    await caller.runtime.run_handle(run_id).delete(key=caller.key)
    return answer({"message": "Workflow run deleted"})


@router.post("/runs/{run_id}/cancel")
async def cancel(caller: FromCaller, workflow_id: str, run_id: str, body: CancelBody | None = None) -> JsonAnswer:
    """Cancel a run; one that has ended stays as it is."""
    known = await get_run(caller, run_id, "workflow", workflow_id)
    is_canceled = await known.handle.cancel(body.reason if body is not None else "")
    told = {"message": "Workflow run cancelled", "runId": run_id, "canceled": is_canceled}
    return answer(told, trace_id=known.handle.trace_id)
