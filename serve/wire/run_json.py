"""Runs of every kind in our own routes: the run as the runtime shows it, with the wire's manner of names and times."""

from collections.abc import Mapping

from greenroom.runtime.client.results import RunEvent, RunSummary
from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.run_result import usage_of
from greenroom.serve.wire.times import millis, millis_of

_STEP_NAMES = {
    "status": "status",
    "kind": "kind",
    "input": "input",
    "output": "output",
    "error": "error",
    "attempts": "attempts",
    "suspend_payload": "suspendPayload",
    "resume_data": "resumeData",
    "run_id": "runId",
}
_STEP_TIMES = {
    "started_at": "startedAt",
    "ended_at": "endedAt",
    "suspended_at": "suspendedAt",
    "resumed_at": "resumedAt",
}


def run_json(view: Mapping[str, Json]) -> dict[str, Json]:
    """Return one run; steps are keyed by path, times are epoch milliseconds."""
    shown: dict[str, Json] = {
        "runId": view["run_id"],
        "kind": view["kind"],
        "target": view["target"],
        "workspace": view.get("workspace") or "",
        "status": view["status"],
        "input": view.get("input"),
        "output": view.get("output"),
        "error": view.get("error"),
        "reason": view.get("reason") or "",
        "steps": {path: step_json(step) for path, step in view["steps"].items()},
        "suspended": view.get("suspended") or [],
        "suspendPayload": view.get("suspend_payload") or {},
        "suspensions": view.get("suspensions") or {},
        "labels": view.get("labels") or {},
        "state": view.get("state") or {},
        "usage": usage_of(view),
        "traceId": view.get("trace_id") or "",
        "bundle": view.get("bundle"),
        "resourceId": view.get("resource_id"),
        "threadId": view.get("thread_id"),
        "parentId": view.get("parent_id"),
        "forkedFrom": _forked_from(view.get("forked_from")),
        "rewinds": view.get("rewinds") or 0,
        "problem": view.get("problem"),
        "createdAt": millis(view.get("created_at")),
        "updatedAt": millis(view.get("updated_at")),
        "finishedAt": millis(view.get("finished_at")),
        "lastEventId": view.get("event_seq") or 0,
    }
    return shown | {"agent": view["agent"]} if view.get("agent") else shown


def _forked_from(fork: Mapping[str, Json] | None) -> dict[str, Json] | None:
    return {"runId": fork["run_id"], "path": fork["path"]} if fork else None


def step_json(step: Mapping[str, Json]) -> dict[str, Json]:
    """Return one step."""
    shown = {name: step.get(key) for key, name in _STEP_NAMES.items()}
    return shown | {name: millis(step.get(key)) for key, name in _STEP_TIMES.items()}


def summary_json(run: RunSummary) -> dict[str, Json]:
    """Return one run as a row of a list."""
    error = None if run.error is None else {"type": run.error.type, "message": run.error.message}
    return {
        "runId": run.run_id,
        "kind": run.kind,
        "target": run.target,
        "status": run.status.value,
        "createdAt": millis_of(run.created_at),
        "updatedAt": millis_of(run.updated_at),
        "finishedAt": millis_of(run.finished_at) or None,
        "resourceId": run.resource_id,
        "parentId": run.parent_id,
        "forkedFrom": run.forked_from,
        "traceId": run.trace_id,
        "error": error,
        "costMicros": run.cost_micros,
    }


def event_json(run_id: str, event: RunEvent) -> dict[str, Json]:
    """Return one event of a run as it is, for readers that follow every kind of run."""
    return {
        "seq": event.seq,
        "type": event.type,
        "runId": run_id,
        "path": event.path,
        "at": millis_of(event.at),
        "data": event.data,
    }
