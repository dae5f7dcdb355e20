"""A workflow run as it is kept: one by its id, and as a row of a list."""

from collections.abc import Collection, Mapping

from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.run_result import members_of, steps_of
from greenroom.serve.wire.step_ids import StepIds
from greenroom.serve.wire.step_results import resume_labels, wire_error
from greenroom.serve.wire.times import iso, millis
from greenroom.serve.wire.workflow_record import graph_entries

_ALWAYS = frozenset({"runId", "workflowName", "resourceId", "createdAt", "updatedAt", "status"})


def stored_run(
    view: Mapping[str, Json],
    plan: Mapping[str, Json] | None,
    *,
    fields: Collection[str] = (),
    with_nested: bool = True,
) -> dict[str, Json]:
    """Return one run.

    Args:
        fields: The fields that are wanted; empty gives all. Ids, times and the status always stay.
        with_nested: Whether the steps of nested workflows are listed, under dotted ids.
    """
    ids = StepIds(view["steps"])
    shown: dict[str, Json] = {
        "runId": view["run_id"],
        "workflowName": view["target"],
        "resourceId": view.get("resource_id"),
        "createdAt": iso(view.get("created_at")),
        "updatedAt": iso(view.get("updated_at")),
        "status": view["status"],
        "traceId": view.get("trace_id") or "",
        "payload": view.get("input"),
        "steps": steps_of(view, ids, members_of(plan), is_stored=True, with_nested=with_nested),
        "activeStepsPath": _paths(view, plan, "running"),
        "suspendedPaths": _paths(view, plan, "suspended"),
        "waitingPaths": _paths(view, plan, "waiting"),
        "resumeLabels": resume_labels(view, ids),
        "suspensions": view.get("suspensions") or {},
        "serializedStepGraph": graph_entries((plan or {}).get("nodes") or ()),
    }
    if view["status"] == "success":
        shown["result"] = view.get("output")
    if view.get("error"):
        shown["error"] = wire_error(view["error"])
    if view.get("state"):
        shown["state"] = view["state"]
    if fields:
        wanted = _ALWAYS | set(fields)
        return {name: value for name, value in shown.items() if name in wanted}
    return shown


def run_row(view: Mapping[str, Json], plan: Mapping[str, Json] | None) -> dict[str, Json]:
    """Return one run as a row of a list, with its snapshot."""
    ids = StepIds(view["steps"])
    snapshot: dict[str, Json] = {
        "runId": view["run_id"],
        "status": view["status"],
        "value": view.get("state") or {},
        "context": {
            "input": view.get("input"),
            **steps_of(view, ids, members_of(plan), is_stored=True),
        },
        "activePaths": [],
        "activeStepsPath": _paths(view, plan, "running"),
        "suspendedPaths": _paths(view, plan, "suspended"),
        "waitingPaths": _paths(view, plan, "waiting"),
        "resumeLabels": resume_labels(view, ids),
        "serializedStepGraph": graph_entries((plan or {}).get("nodes") or ()),
        "requestContext": view.get("request_context") or {},
        "timestamp": millis(view.get("updated_at")),
        "tracingContext": {"traceId": view.get("trace_id") or ""},
    }
    if view["status"] == "success":
        snapshot["result"] = view.get("output")
    if view.get("error"):
        snapshot["error"] = wire_error(view["error"])
    return {
        "workflowName": view["target"],
        "runId": view["run_id"],
        "snapshot": snapshot,
        "resourceId": view.get("resource_id"),
        "createdAt": iso(view.get("created_at")),
        "updatedAt": iso(view.get("updated_at")),
    }


def _paths(view: Mapping[str, Json], plan: Mapping[str, Json] | None, status: str) -> dict[str, list[int]]:
    """Return the top-level steps with a status, each with where it stands in the graph."""
    positions: dict[str, list[int]] = {}
    for number, node in enumerate((plan or {}).get("nodes") or ()):
        positions[node["name"]] = [number]
        for inner, member in enumerate(node.get("members") or ()):
            positions[member["name"]] = [number, inner]
    return {
        path: positions.get(path, [])
        for path, step in view["steps"].items()
        if step["status"] == status and "/" not in path and not path.endswith("]")
    }
