"""One step of a run as results and stored runs show it."""

from collections.abc import Mapping

from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.step_ids import StepIds, is_below, split_index
from greenroom.serve.wire.times import millis


def wire_error(error: Json) -> dict[str, Json] | None:
    """Return a user's error with the names JavaScript's errors have; None stays None."""
    if not isinstance(error, dict):
        return None
    shown: dict[str, Json] = {"message": error.get("message") or "", "name": error.get("type") or "Error"}
    for key in ("code", "path", "attributes"):
        if error.get(key):
            shown[key] = error[key]
    cause = wire_error(error.get("cause"))
    return shown | {"cause": cause} if cause is not None else shown


def step_result(step: Mapping[str, Json], *, has_payload: bool) -> dict[str, Json]:
    """Return one step's part of a result.

    Args:
        step: From the run's view.
        has_payload: False leaves the input out, as results do where it is the output of the step before.
    """
    shown: dict[str, Json] = {"status": step["status"]}
    if has_payload:
        shown["payload"] = step.get("input")
    if step.get("started_at"):
        shown["startedAt"] = millis(step["started_at"])
    if step["status"] == "success":
        shown["output"] = step.get("output")
    if step.get("error"):
        shown["error"] = wire_error(step["error"])
    if step["status"] == "suspended" and step.get("suspended_at"):
        shown["suspendPayload"] = shown_payload(step.get("suspend_payload"))
        shown["suspendedAt"] = millis(step["suspended_at"])
    if step.get("resumed_at"):
        shown["resumePayload"] = step.get("resume_data")
        shown["resumedAt"] = millis(step["resumed_at"])
    if step.get("ended_at"):
        shown["endedAt"] = millis(step["ended_at"])
    return shown


def shown_payload(payload: Json) -> Json:
    """Return what a suspended step shows; a tool call that waits for approval in the names that agents' streams use.

    >>> shown_payload({"tool_call_id": "c", "tool": "t", "arguments": {}, "args_hash": "h"})
    {'toolCallId': 'c', 'toolName': 't', 'args': {}, 'argsHash': 'h'}
    """
    if not isinstance(payload, dict) or "args_hash" not in payload or "tool_call_id" not in payload:
        return payload
    return {
        "toolCallId": payload["tool_call_id"],
        "toolName": payload["tool"],
        "args": payload["arguments"],
        "argsHash": payload["args_hash"],
    }


def suspended_below(path: str, view: Mapping[str, Json]) -> list[str]:
    """Return the paths that wait for a resume at or below a step."""
    return [waiting for waiting in view.get("suspended") or () if is_below(waiting, path)]


def parked_payload(path: str, view: Mapping[str, Json], ids: StepIds) -> Json:
    """Return what a suspended step shows: its own payload, or that of the first part that waits, and where that is."""
    waiting = suspended_below(path, view)
    if not waiting:
        return None
    first = waiting[0]
    payload = shown_payload((view.get("suspend_payload") or {}).get(first))
    if first == path or not isinstance(payload, dict):
        return payload
    return payload | {"__workflow_meta": _meta(path, first, view, ids)}


def _meta(path: str, first: str, view: Mapping[str, Json], ids: StepIds) -> dict[str, Json]:
    steps: Mapping[str, Json] = view.get("steps") or {}
    if ids.kind(path) == "foreach":
        index = int(first[len(path) + 1 :].partition("]")[0])
        done = [steps.get(f"{path}[{number}]", {}).get("output") for number in range(index)]
        return {"foreachIndex": index, "foreachOutput": done, "resumeLabels": resume_labels(view, ids, path)}
    step = steps.get(path) or {}
    inside = first[len(path) + 1 :]
    meta: dict[str, Json] = {"path": ids.path_of(inside)}
    return meta | {"runId": step["run_id"]} if step.get("run_id") else meta


def resume_labels(view: Mapping[str, Json], ids: StepIds, path: str = "") -> dict[str, Json]:
    """Return the labels that steps wait under: label to step id, and index where it is an item of a foreach."""
    found: dict[str, Json] = {}
    for label, at in (view.get("labels") or {}).items():
        if path and not is_below(at, path):
            continue
        shown: dict[str, Json] = {"stepId": ids.id_of(at)}
        if ids.foreach_of(at) is not None:
            shown["foreachIndex"] = split_index(at)[1]
        found[label] = shown
    return found
