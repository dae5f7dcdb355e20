"""A workflow as lists and details show it: schemas, steps, graph."""

from collections.abc import Iterable, Mapping

from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.schema_text import schema_text

_SCHEMAS = {
    "inputSchema": "input_schema",
    "outputSchema": "output_schema",
    "resumeSchema": "resume_schema",
    "suspendSchema": "suspend_schema",
}


def workflow_record(
    plan: Mapping[str, Json], workflows: Mapping[str, Json], *, is_partial: bool = False
) -> dict[str, Json]:
    """Return one workflow.

    Args:
        plan: The workflow's plan as JSON.
        workflows: The plans of all workflows, for nested ones.
        is_partial: Leaves the schemas out.
    """
    record: dict[str, Json] = {
        "name": plan["id"],
        "description": plan.get("description") or "",
        "origin": "code",
        "steps": _steps(plan, workflows, is_partial=is_partial),
        "allSteps": _all_steps(plan, workflows, "", (plan["id"],), is_partial=is_partial),
        "stepGraph": graph_entries(plan["nodes"]),
        "options": {"validateInputs": plan.get("validate", True)},
        "isProcessorWorkflow": False,
    }
    if is_partial:
        return record
    for name, key in (
        ("inputSchema", "input_schema"),
        ("outputSchema", "output_schema"),
        ("stateSchema", "state_schema"),
    ):
        if plan.get(key) is not None:
            record[name] = schema_text(plan[key])
    return record


def leaves(nodes: Iterable[Mapping[str, Json]]) -> Iterable[Mapping[str, Json]]:
    """Yield the nodes that are steps, taken out of their blocks."""
    for node in nodes:
        match node["type"]:
            case "parallel" | "branch":
                yield from leaves(node["members"])
            case "loop" | "foreach":
                yield node["body"]
            case _:
                yield node


def _steps(plan: Mapping[str, Json], workflows: Mapping[str, Json], *, is_partial: bool) -> dict[str, Json]:
    return {node["name"]: _step(node, workflows, is_partial=is_partial) for node in leaves(plan["nodes"])}


def _all_steps(
    plan: Mapping[str, Json], workflows: Mapping[str, Json], prefix: str, above: tuple[str, ...], *, is_partial: bool
) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for node in leaves(plan["nodes"]):
        id = f"{prefix}{node['name']}"
        found[id] = _step(node, workflows, is_partial=is_partial)
        inner = workflows.get(node.get("workflow", ""))
        if inner is not None and inner["id"] not in above:
            found |= _all_steps(inner, workflows, f"{id}.", (*above, inner["id"]), is_partial=is_partial)
    return found


def _step(node: Mapping[str, Json], workflows: Mapping[str, Json], *, is_partial: bool) -> dict[str, Json]:
    step: dict[str, Json] = {
        "id": node["name"],
        "description": node.get("description") or "",
        "isWorkflow": node["type"] == "workflow",
    }
    component = {"agent": "AGENT", "workflow": "WORKFLOW"}.get(node["type"], "TOOL" if node.get("tool") else None)
    if component is not None:
        step["component"] = component
    if is_partial:
        return step
    source = workflows.get(node.get("workflow", "")) or node
    for name, key in _SCHEMAS.items():
        if source.get(key) is not None:
            step[name] = schema_text(source[key])
    return step


def graph_entries(nodes: Iterable[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """Return the graph of a workflow, one entry for each part of its sequence."""
    return [_entry(node) for node in nodes]


def _entry(node: Mapping[str, Json]) -> dict[str, Json]:
    match node["type"]:
        case "parallel":
            return {"type": "parallel", "steps": graph_entries(node["members"])}
        case "branch":
            names = node.get("condition_names") or node["conditions"]
            conditions = [{"id": f"condition-{number}", "fn": name} for number, name in enumerate(names)]
            return {
                "type": "conditional",
                "steps": graph_entries(node["members"]),
                "serializedConditions": conditions,
            }
        case "loop":
            return {
                "type": "loop",
                "step": _inner_step(node["body"]),
                "serializedCondition": {"id": f"{node['name']}-condition", "fn": node["code"]},
                "loopType": "dountil" if node["until"] else "dowhile",
            }
        case "foreach":
            options = {"concurrency": node.get("concurrency", 8)}
            return {"type": "foreach", "step": _inner_step(node["body"]), "opts": options}
        case "sleep":
            return _sleep(node)
        case "signal":
            return {"type": "step", "step": _inner_step(node) | {"metadata": {"signal": node["signal"]}}}
        case _:
            return {"type": "step", "step": _inner_step(node)}


def _sleep(node: Mapping[str, Json]) -> dict[str, Json]:
    if node.get("until") is not None or node.get("is_until"):
        return {"type": "sleepUntil", "id": node["name"], "date": node.get("until")}
    seconds = node.get("seconds")
    return {"type": "sleep", "id": node["name"], "duration": None if seconds is None else round(seconds * 1000)}


def _inner_step(node: Mapping[str, Json]) -> dict[str, Json]:
    step: dict[str, Json] = {
        "id": node["name"],
        "description": node.get("description") or "",
        "canSuspend": node.get("suspend_schema") is not None or node.get("resume_schema") is not None,
    }
    component = {"agent": "AGENT", "workflow": "WORKFLOW", "map": "MAPPING"}.get(node["type"])
    return step | {"component": component} if component is not None else step
