"""Time travel as the wire has it: a run of a workflow goes back to a step, in place."""

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.bodies import AgainBody
from greenroom.serve.caller import Caller, FromCaller
from greenroom.serve.following import mapped, workflow_stream
from greenroom.serve.going_back import rerun_run
from greenroom.serve.known_run import KnownRun, get_run
from greenroom.serve.strict_json import StrictRoute
from greenroom.serve.wire.run_result import run_result
from greenroom.serve.wire.workflow_events import WorkflowEvents

router = APIRouter(prefix="/api/workflows/{workflow_id}", tags=["workflow runs"], route_class=StrictRoute)

RunId: TypeAlias = Annotated[str, Query(alias="runId", min_length=1, max_length=200)]


async def _travel(caller: Caller, workflow_id: str, run_id: str, body: AgainBody) -> KnownRun:
    """Let a run go back; return it as it stood before."""
    known = await get_run(caller, run_id, "workflow", workflow_id)
    await rerun_run(caller, known.handle, body)
    return known


@router.post("/time-travel")
async def travel(caller: FromCaller, workflow_id: str, run_id: RunId, body: AgainBody) -> JsonAnswer:
    """Let a run go back to a step and answer at once; that it does is durable then."""
    known = await _travel(caller, workflow_id, run_id, body)
    told = {"message": "Workflow run time travel started", "runId": run_id, "traceId": known.handle.trace_id}
    return answer(told, trace_id=known.handle.trace_id)


@router.post("/time-travel-async")
async def travel_and_wait(caller: FromCaller, workflow_id: str, run_id: RunId, body: AgainBody) -> JsonAnswer:
    """Let a run go back to a step and answer its result when it is finished, suspended or paused."""
    known = await _travel(caller, workflow_id, run_id, body)
    view = (await known.handle.result()).view
    return answer(run_result(view, await caller.plans.of_run(caller.runtime, view)), trace_id=known.handle.trace_id)


@router.post("/time-travel-stream")
async def travel_and_stream(caller: FromCaller, workflow_id: str, run_id: RunId, body: AgainBody) -> StreamingResponse:
    """Let a run go back to a step and stream what happens from there."""
    known = await _travel(caller, workflow_id, run_id, body)
    mapper = WorkflowEvents(run_id, workflow_id, known.view)
    events = mapped(known.handle, mapper, after=known.event_seq)
    return workflow_stream(events, known.handle, caller.heartbeat_s)
