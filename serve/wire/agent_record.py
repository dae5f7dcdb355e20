"""Agents and tools as lists and details show them."""

from collections.abc import Mapping

from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.schema_text import schema_text


def tool_record(plan: Mapping[str, Json]) -> dict[str, Json]:
    """Return one tool; its schemas are text."""
    record: dict[str, Json] = {
        "id": plan["id"],
        "description": plan.get("description") or "",
        "inputSchema": schema_text(plan.get("input_schema") or {"type": "object", "properties": {}}),
        "requireApproval": bool(plan.get("requires_approval") or plan.get("approval")),
    }
    if plan.get("output_schema") is not None:
        record["outputSchema"] = schema_text(plan["output_schema"])
    return record


def agent_record(plan: Mapping[str, Json], tools: Mapping[str, Json], *, is_partial: bool = False) -> dict[str, Json]:
    """Return one agent.

    Args:
        plan: The agent's plan as JSON.
        tools: The plans of all tools.
        is_partial: Leaves the schemas out.
    """
    provider, _, model = plan["models"][0].partition("/")
    refs: list[Mapping[str, Json]] = list(plan.get("tools") or ())
    return {
        "id": plan["id"],
        "name": plan["id"],
        "description": plan.get("description") or "",
        "instructions": plan.get("instructions") or "",
        "tools": {
            ref["name"]: _without_schemas(_referred(ref, tools)) if is_partial else _referred(ref, tools)
            for ref in refs
            if ref["kind"] == "tool"
        },
        "agents": {ref["name"]: {"id": ref["target"], "name": ref["target"]} for ref in refs if ref["kind"] == "agent"},
        "workflows": {ref["name"]: {"name": ref["target"]} for ref in refs if ref["kind"] == "workflow"},
        "skills": [],
        "workspaceTools": [],
        "browserTools": [],
        "hasBrowser": False,
        "inputProcessors": [],
        "outputProcessors": [],
        "provider": provider,
        "modelId": model,
        "modelVersion": "v2",
        "modelList": [{"id": name, "enabled": True, "model": _model(name)} for name in plan["models"]],
        "supportsMemory": plan.get("memory") is not None,
        "defaultOptions": {"maxSteps": plan.get("max_steps", 8), "modelSettings": plan.get("settings") or {}},
        "defaultGenerateOptionsLegacy": {},
        "defaultStreamOptionsLegacy": {},
        "source": "code",
    }


def _referred(ref: Mapping[str, Json], tools: Mapping[str, Json]) -> dict[str, Json]:
    return tool_record({**(tools.get(ref["target"]) or {}), **ref, "id": ref["target"]})


def _without_schemas(record: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in record.items() if not name.endswith("Schema")}


def _model(name: str) -> dict[str, str]:
    provider, _, model = name.partition("/")
    return {"provider": provider, "modelId": model, "modelVersion": "v2"}
