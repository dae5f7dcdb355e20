"""Events and views as the runtime tells them, written short."""

from typing import Any

from greenroom.runtime.client.results import RunEvent, moment
from greenroom.runtime.contracts.values import Json


class Story:
    """The events of one run, numbered as they are told."""

    def __init__(self) -> None:
        self.seq = 0

    def tell(self, type: str, path: str = "", /, **data: Json) -> RunEvent:
        """Return the next durable event; its time in seconds is its number."""
        self.seq += 1
        return RunEvent(seq=self.seq, type=type, path=path, at=moment(float(self.seq)), data=data)

    def hint(self, type: str, path: str = "", /, **data: Json) -> RunEvent:
        """Return an ephemeral event."""
        return RunEvent(seq=0, type=type, path=path, at=moment(float(self.seq or 1)), data=data)


def seen(kind: str = "step", status: str = "success", **more: Json) -> dict[str, Json]:
    """Return a step of a view."""
    return {
        "status": status,
        "kind": kind,
        "id": "",
        "input": None,
        "output": None,
        "error": None,
        "attempts": 1,
        "started_at": 1.0,
        "ended_at": 2.0 if status in {"success", "failed"} else None,
        "suspend_payload": None,
        "suspended_at": None,
        "resume_data": None,
        "resumed_at": None,
        "run_id": None,
        **more,
    }


def view(steps: dict[str, Any] | None = None, *, status: str = "success", **more: Json) -> dict[str, Json]:
    """Return a run as the runtime shows it."""
    return {
        "run_id": "r",
        "kind": "workflow",
        "target": "flow",
        "workspace": "default",
        "status": status,
        "input": None,
        "output": None,
        "error": None,
        "reason": "",
        "steps": steps or {},
        "suspended": [],
        "suspend_payload": {},
        "labels": {},
        "state": {},
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        "trace_id": "t" * 32,
        "bundle": "b",
        "resource_id": None,
        "thread_id": None,
        "request_context": {},
        "created_at": 1.0,
        "updated_at": 2.0,
        "finished_at": 2.0,
        "parent_id": None,
        "event_seq": 0,
        **more,
    }


def types(told: list[dict[str, Json]]) -> list[str]:
    """Return the types of what was told."""
    return [one["type"] for one in told]
