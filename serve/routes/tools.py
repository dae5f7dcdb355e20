"""Tools: what there is, and one call of one of them."""

from typing import Annotated

from fastapi import APIRouter, Query

from greenroom.runtime.contracts.errors import InvalidInput, RunCanceled, ToolFailed
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.bodies import ExecuteBody
from greenroom.serve.caller import Caller, FromCaller
from greenroom.serve.strict_json import StrictRoute
from greenroom.serve.wire.agent_record import tool_record
from greenroom.serve.wire.step_results import wire_error

router = APIRouter(prefix="/api/tools", tags=["tools"], route_class=StrictRoute)


@router.get("")
async def list_tools(caller: FromCaller) -> JsonAnswer:
    """List the tools of the newest bundle, by id."""
    tools = (await caller.plans.newest(caller.runtime))["tools"]
    return answer({id: tool_record(plan) for id, plan in tools.items()})


@router.get("/{tool_id}")
async def get_tool(caller: FromCaller, tool_id: str) -> JsonAnswer:
    """Return one tool."""
    return answer(tool_record(await caller.plans.get(caller.runtime, "tool", tool_id)))


@router.post("/{tool_id}/execute")
async def execute(
    caller: FromCaller,
    tool_id: str,
    body: ExecuteBody | None = None,
    run_id: Annotated[str | None, Query(alias="runId")] = None,
) -> JsonAnswer:
    """Execute a tool and answer what it returned, as it is."""
    del run_id  # names the caller's own run; the call is a run of its own
    return await execute_tool(caller, tool_id, body or ExecuteBody())


async def execute_tool(caller: Caller, tool_id: str, body: ExecuteBody) -> JsonAnswer:
    """Run a tool as a run of its own and answer its result.

    Arguments that do not fit are answered with 200 and `{"error": true, …}`, as clients of tools expect it.

    Raises:
        NotFound: There is no such tool.
        ToolFailed: It raised, after its retries.
        RunCanceled: Somebody canceled the call.
    """
    tracing = body.tracing_options
    trace = caller.trace.overridden(tracing.trace_id, tracing.parent_span_id) if tracing else caller.trace
    try:
        run = await caller.runtime.tool(tool_id).start(
            body.data,
            key=caller.key,
            request_context=body.request_context,
            trace_id=trace.trace_id,
            parent_span_id=trace.parent_span_id,
        )
    except InvalidInput as error:
        issues = error.facts.get("issues") or []
        return answer({"error": True, "message": error.message, "validationErrors": issues})
    result = await run.result()
    facts = {"run_id": run.run_id, "trace_id": run.trace_id, "error": wire_error(result.view.get("error"))}
    match result.status:
        case RunStatus.SUCCESS:
            return answer(result.output, trace_id=run.trace_id)
        case RunStatus.CANCELED:
            raise RunCanceled(f"the call of tool {tool_id!r} was canceled", facts)
        case RunStatus.SUSPENDED | RunStatus.PAUSED:
            payload = next(iter(result.suspend_payload.values()), None)
            waiting = {"status": "suspended", "runId": run.run_id, "suspendPayload": payload}
            return answer(waiting, trace_id=run.trace_id)
        case _:
            raise ToolFailed(f"tool {tool_id!r} failed: {result.error or result.status}", facts)
