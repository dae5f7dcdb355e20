"""The result of a workflow run, as the routes that wait answer it."""

from collections.abc import Mapping

from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.step_ids import StepIds
from greenroom.serve.wire.step_results import (
    parked_payload,
    resume_labels,
    shown_payload,
    step_result,
    suspended_below,
    wire_error,
)

_IN_PATH = frozenset({"step", "tool", "agent", "workflow", "map"})


def run_result(view: Mapping[str, Json], plan: Mapping[str, Json] | None) -> dict[str, Json]:
    """Return a run as its waiting caller gets it.

    Args:
        view: The run as the runtime shows it.
        plan: The workflow's plan, where it is known: tells the members of blocks from plain steps.
    """
    ids = StepIds(view["steps"])
    result: dict[str, Json] = {
        "status": view["status"],
        "input": view.get("input"),
        "steps": {"input": view.get("input"), **steps_of(view, ids, members_of(plan), is_stored=False)},
        "stepExecutionPath": _execution_path(view, ids, members_of(plan)),
        "runId": view["run_id"],
        "traceId": view.get("trace_id") or "",
        "usage": usage_of(view),
    }
    match view["status"]:
        case "success":
            result["result"] = view.get("output")
        case "failed":
            result["error"] = wire_error(view.get("error")) or {"message": "the run failed", "name": "Error"}
        case "suspended":
            result |= suspensions(view, ids)
        case "tripwire":
            result["tripwire"] = {"reason": view.get("reason") or ""}
        case _:
            pass
    if view.get("reason"):
        result["reason"] = view["reason"]
    if view.get("state"):
        result["state"] = view["state"]
    if view.get("labels"):
        result["resumeLabels"] = resume_labels(view, ids)
    return result


def members_of(plan: Mapping[str, Json] | None) -> frozenset[str]:
    """Return the names of the steps that stand in a parallel or a branch."""
    nodes = (plan or {}).get("nodes") or ()
    return frozenset(member["name"] for node in nodes for member in node.get("members") or ())


def usage_of(view: Mapping[str, Json]) -> dict[str, int]:
    """Return what the models of a run used, in the wire's names."""
    used: Mapping[str, int] = view.get("usage") or {}
    return {
        "inputTokens": used.get("input_tokens", 0),
        "outputTokens": used.get("output_tokens", 0),
        "totalTokens": used.get("total_tokens", 0),
        "reasoningTokens": used.get("reasoning_tokens", 0),
        "cachedInputTokens": used.get("cached_tokens", 0),
        "costMicros": used.get("cost_micros", 0),
    }


def suspensions(view: Mapping[str, Json], ids: StepIds) -> dict[str, Json]:
    """Return which steps wait, what each top-level one shows, and the token of each suspension by its path."""
    paths: list[list[str]] = []
    payloads: dict[str, Json] = {}
    for waiting in view.get("suspended") or ():
        path = ids.path_of(waiting)
        if path not in paths:
            paths.append(path)
        payloads.setdefault(path[0], shown_payload((view.get("suspend_payload") or {}).get(waiting)))
    return {"suspended": paths, "suspendPayload": payloads, "suspensions": view.get("suspensions") or {}}


def steps_of(
    view: Mapping[str, Json], ids: StepIds, members: frozenset[str], *, is_stored: bool, with_nested: bool = False
) -> dict[str, Json]:
    """Return the steps of a run by their ids on the wire.

    Args:
        members: Names of the steps that stand in a block.
        is_stored: Stored runs always show a step's input; results leave it out where it is what came before.
        with_nested: Whether the steps of nested workflows are listed too.
    """
    found: dict[str, Json] = {}
    for path, step in view["steps"].items():
        if not ids.is_shown(path) or (not with_nested and "/" in path):
            continue
        id = ids.id_of(path)
        is_iteration = path.endswith("]")
        shown = step_result(step, has_payload=is_stored or is_iteration or path in members)
        if step["status"] != "success" and suspended_below(path, view):
            shown["suspendPayload"] = parked_payload(path, view, ids)
        if is_iteration:
            before = (found.get(id) or {}).get("metadata") or {}
            shown["metadata"] = {"iterationCount": before.get("iterationCount", 0) + 1}
        found[id] = shown
    return found


def _execution_path(view: Mapping[str, Json], ids: StepIds, members: frozenset[str]) -> list[str]:
    return [
        ids.id_of(path)
        for path, step in view["steps"].items()
        if "/" not in path and step["kind"] in _IN_PATH and path not in members and not path.endswith("]")
    ]
