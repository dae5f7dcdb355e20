"""Runs of an agent: asked, streamed, observed, approved, declined, resumed."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.errors import InvalidInput, NotFound, RunCanceled, error_from_json
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.values import Json
from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.bodies import AgentResumeBody, ApprovalBody, ExecutionBody, ObserveBody
from greenroom.serve.caller import Caller, FromCaller
from greenroom.serve.following import NEVER, agent_stream, mapped
from greenroom.serve.known_run import KnownRun, get_run
from greenroom.serve.strict_json import StrictRoute
from greenroom.serve.wire.agent_chunks import AgentChunks
from greenroom.serve.wire.agent_result import agent_result
from greenroom.serve.wire.observed import enveloped
from greenroom.serve.wire.prompts import agent_input, model_settings

router = APIRouter(prefix="/api/agents/{agent_id}", tags=["agent runs"], route_class=StrictRoute)


def _refuse_unsupported(body: ExecutionBody) -> None:
    """Refuse what would silently be left undone, and should not be.

    Raises:
        InvalidInput: The body asks for it.
    """
    if body.require_tool_approval:
        message = "requireToolApproval is not supported; give the tools requires_approval=True in their definition"
        raise InvalidInput(message, {"issues": [{"field": "requireToolApproval", "message": "not supported"}]})
    if body.client_tools:
        message = "clientTools are not supported; define the tools in the application"
        raise InvalidInput(message, {"issues": [{"field": "clientTools", "message": "not supported"}]})


async def _start(caller: Caller, agent_id: str, body: ExecutionBody) -> RunHandle:
    _refuse_unsupported(body)
    options: dict[str, Json] = {}
    if body.output_schema is not None:
        options["output_schema"] = body.output_schema
    if body.max_steps is not None:
        options["max_steps"] = body.max_steps
    if body.instructions:
        options["instructions"] = body.instructions
    if body.model:
        options["models"] = [body.model]
    settings = model_settings(body.model_settings, body.tool_choice)
    if settings:
        options["settings"] = settings
    tracing = body.tracing_options
    trace = caller.trace.overridden(tracing.trace_id, tracing.parent_span_id) if tracing else caller.trace
    memory = body.memory
    return await caller.runtime.start(
        "agent",
        agent_id,
        agent_input(body.messages, system=body.system, context=body.context),
        key=caller.key,
        run_id=body.run_id or None,
        resource_id=(memory.resource if memory is not None else None) or body.resource_id,
        thread_id=(memory.thread_id if memory is not None else None) or body.thread_id,
        request_context=body.request_context,
        options=options,
        trace_id=trace.trace_id,
        parent_span_id=trace.parent_span_id,
    )


async def _reply(agent_id: str, run: RunHandle) -> JsonAnswer:
    """Answer what an agent said once it has, or what it waits for.

    Raises:
        StepError: Its run failed.
        RunCanceled: Somebody canceled it.
    """
    result = await run.result()
    facts = {"run_id": run.run_id, "trace_id": run.trace_id}
    if result.status is RunStatus.FAILED:
        message = result.error.message if result.error is not None else f"agent {agent_id!r} failed"
        code = result.error.code if result.error is not None else None
        raise error_from_json({"code": code or "model_error", "message": message, "facts": facts})
    if result.status is RunStatus.CANCELED:
        raise RunCanceled(f"run {run.run_id} of agent {agent_id!r} was canceled", facts)
    return answer(agent_result(result.view), trace_id=run.trace_id)


@router.post("/generate")
async def generate(caller: FromCaller, agent_id: str, body: ExecutionBody) -> JsonAnswer:
    """Ask an agent and answer what it says; with a tool call that waits for approval, what waits."""
    return await _reply(agent_id, await _start(caller, agent_id, body))


@router.post("/stream")
async def stream(caller: FromCaller, agent_id: str, body: ExecutionBody) -> StreamingResponse:
    """Ask an agent and stream its chunks; the stream ends with the run, or when a tool call waits for approval."""
    run = await _start(caller, agent_id, body)
    chunks = mapped(run, AgentChunks(run.run_id, agent_id))
    return agent_stream(chunks, run, caller.heartbeat_s)


@router.post("/observe")
async def observe(
    caller: FromCaller,
    agent_id: str,
    body: ObserveBody,
    *,
    close_on_suspend: Annotated[bool, Query(alias="closeOnSuspend")] = True,
) -> StreamingResponse:
    """Stream all chunks of a run in envelopes, from `offset` on, then live ones."""
    known = await get_run(caller, body.run_id, "agent", agent_id)
    parks_at = known.event_seq if close_on_suspend else NEVER
    chunks = mapped(known.handle, AgentChunks(body.run_id, agent_id), parks_at=parks_at)
    return agent_stream(enveloped(chunks, body.offset), known.handle, caller.heartbeat_s)


async def _settle(caller: Caller, agent_id: str, body: ApprovalBody, *, is_approved: bool) -> KnownRun:
    """Approve or decline a tool call; return the run as it stood before."""
    known = await get_run(caller, body.run_id, "agent", agent_id)
    agent = caller.runtime.agent(agent_id)
    if is_approved:
        await agent.approve(body.run_id, body.tool_call_id, body.args, body.args_hash)
    else:
        await agent.decline(body.run_id, body.tool_call_id, body.reason)
    return known


def _rest(caller: Caller, agent_id: str, known: KnownRun) -> StreamingResponse:
    """Stream what happens from where a run stood."""
    mapper = AgentChunks(known.handle.run_id, agent_id, view=known.view)
    chunks = mapped(known.handle, mapper, after=known.event_seq)
    return agent_stream(chunks, known.handle, caller.heartbeat_s)


@router.post("/approve-tool-call")
async def approve(caller: FromCaller, agent_id: str, body: ApprovalBody) -> StreamingResponse:
    """Let a tool call run, once, and stream what follows."""
    return _rest(caller, agent_id, await _settle(caller, agent_id, body, is_approved=True))


@router.post("/decline-tool-call")
async def decline(caller: FromCaller, agent_id: str, body: ApprovalBody) -> StreamingResponse:
    """Refuse a tool call and stream how the agent goes on."""
    return _rest(caller, agent_id, await _settle(caller, agent_id, body, is_approved=False))


@router.post("/approve-tool-call-generate")
async def approve_and_wait(caller: FromCaller, agent_id: str, body: ApprovalBody) -> JsonAnswer:
    """Let a tool call run, once, and answer what the agent says."""
    return await _reply(agent_id, (await _settle(caller, agent_id, body, is_approved=True)).handle)


@router.post("/decline-tool-call-generate")
async def decline_and_wait(caller: FromCaller, agent_id: str, body: ApprovalBody) -> JsonAnswer:
    """Refuse a tool call and answer what the agent says."""
    return await _reply(agent_id, (await _settle(caller, agent_id, body, is_approved=False)).handle)


@router.post("/resume-stream")
async def resume(caller: FromCaller, agent_id: str, body: AgentResumeBody) -> StreamingResponse:
    """Resume a tool call that suspended itself, and stream what follows."""
    known = await get_run(caller, body.run_id, "agent", agent_id)
    step = None if body.tool_call_id is None else _path_of(known, body.tool_call_id)
    await known.handle.resume(
        step, body.resume_data, key=caller.key, request_context=body.request_context, suspension=body.suspension
    )
    return _rest(caller, agent_id, known)


def _path_of(known: KnownRun, tool_call_id: str) -> str:
    for call in (known.view.get("agent") or {}).get("tool_calls") or ():
        if call["tool_call_id"] == tool_call_id:
            return str(call["path"])
    message = f"run {known.handle.run_id} has no tool call {tool_call_id!r}"
    raise NotFound(message, {"run_id": known.handle.run_id, "tool_call_id": tool_call_id})
