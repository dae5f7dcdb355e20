"""Schedules and what they did, as the wire has them. Times are epoch milliseconds."""

from collections.abc import Mapping
from typing import Final

from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.times import millis

_OUTCOMES: Final = {"started": "published"}
_KINDS: Final = {"schedule": "schedule-fire", "catch_up": "schedule-fire", "manual": "manual"}

_NAMES: Final = {
    "schedule_id": "id",
    "status": "status",
    "cron": "cron",
    "timezone": "timezone",
    "every_s": "everySeconds",
    "name": "name",
    "resource_id": "resourceId",
    "thread_id": "threadId",
    "metadata": "metadata",
    "catch_up": "catchUp",
    "max_catch_up": "maxCatchUp",
    "overlap": "overlap",
    "is_declared": "declared",
    "last_run_id": "lastRunId",
}
_TIMES: Final = {
    "next_at": "nextFireAt",
    "last_at": "lastFireAt",
    "created_at": "createdAt",
    "updated_at": "updatedAt",
}


def schedule_record(view: Mapping[str, Json]) -> dict[str, Json]:
    """Return one schedule."""
    shown: dict[str, Json] = {name: view.get(key) for key, name in _NAMES.items()}
    shown |= {name: millis(view.get(key)) for key, name in _TIMES.items()}
    if view["kind"] == "agent":
        shown |= {"agentId": view["target"], "prompt": view.get("input")}
    else:
        shown |= {
            "workflowId": view["target"],
            "inputData": view.get("input"),
            "initialState": view.get("state") or None,
            "requestContext": view.get("request_context") or None,
        }
    shown["lastRun"] = _run(view.get("last_run"))
    return {name: value for name, value in shown.items() if value not in (None, "", {}) or name == "nextFireAt"}


def trigger_record(line: Mapping[str, Json]) -> dict[str, Json]:
    """Return one line of a schedule's history."""
    shown = {
        "id": f"{line['schedule_id']}:{line['number']}",
        "scheduleId": line["schedule_id"],
        "runId": line.get("run_id"),
        "scheduledFireAt": millis(line["scheduled_at"]),
        "actualFireAt": millis(line["at"]),
        "outcome": _OUTCOMES.get(line["outcome"], line["outcome"]),
        "triggerKind": _KINDS[line["kind"]],
    }
    optional = {
        "error": line.get("reason") or None,
        "untilFireAt": millis(line.get("until_at")),
        "run": _run(line.get("run")),
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def _run(run: Mapping[str, Json] | None) -> dict[str, Json] | None:
    if run is None:
        return None
    started, ended = run.get("started_at"), run.get("ended_at")
    shown = {
        "status": run["status"],
        "startedAt": millis(started),
        "completedAt": millis(ended),
        "durationMs": millis(ended - started) if ended is not None and started is not None else None,
        "error": run.get("error"),
    }
    return {name: value for name, value in shown.items() if value is not None}
