"""Agents: what there is, what each may call, and whether it remembers."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from greenroom.runtime.contracts.errors import NotFound
from greenroom.runtime.contracts.values import Json
from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.bodies import ExecuteBody
from greenroom.serve.caller import Caller, FromCaller
from greenroom.serve.routes.tools import execute_tool
from greenroom.serve.strict_json import StrictRoute
from greenroom.serve.wire.agent_record import agent_record

router = APIRouter(prefix="/api/agents", tags=["agents"], route_class=StrictRoute)


@router.get("")
async def list_agents(caller: FromCaller, *, partial: Annotated[bool, Query()] = False) -> JsonAnswer:
    """List the agents of the newest bundle, by id."""
    described = await caller.plans.newest(caller.runtime)
    agents, tools = described["agents"], described["tools"]
    return answer({id: agent_record(plan, tools, is_partial=partial) for id, plan in agents.items()})


@router.get("/{agent_id}")
async def get_agent(caller: FromCaller, agent_id: str) -> JsonAnswer:
    """Return one agent."""
    return answer(await _record(caller, agent_id))


async def _record(caller: Caller, agent_id: str) -> dict[str, Json]:
    plan = await caller.plans.get(caller.runtime, "agent", agent_id)
    tools = (await caller.plans.newest(caller.runtime))["tools"]
    return agent_record(plan, tools)


@router.get("/{agent_id}/tools/{tool_id}")
async def get_agent_tool(caller: FromCaller, agent_id: str, tool_id: str) -> JsonAnswer:
    """Return one tool of an agent, by the name it has there or by its id."""
    return answer(await _tool(caller, agent_id, tool_id))


@router.post("/{agent_id}/tools/{tool_id}/execute")
async def execute_agent_tool(
    caller: FromCaller, agent_id: str, tool_id: str, body: ExecuteBody | None = None
) -> JsonAnswer:
    """Execute a tool of an agent and answer what it returned."""
    tool = await _tool(caller, agent_id, tool_id)
    return await execute_tool(caller, tool["id"], body or ExecuteBody())


async def _tool(caller: Caller, agent_id: str, tool_id: str) -> dict[str, Any]:
    tools: dict[str, Any] = (await _record(caller, agent_id))["tools"]
    for name, tool in tools.items():
        if tool_id in {name, tool["id"]}:
            found: dict[str, Any] = tool
            return found
    message = f"agent {agent_id!r} has no tool {tool_id!r}; it has: {', '.join(sorted(tools)) or 'none'}"
    raise NotFound(message, {"kind": "tool", "id": tool_id, "known": sorted(tools)})
