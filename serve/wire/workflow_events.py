"""Events of a run as the wire's workflow events.

One mapper reads the events of one run in order. A run that was suspended and resumed gives one segment after the
other, each from `workflow-start` to `workflow-finish`, as the streams of its start and its resumes gave them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_OID, uuid5

from greenroom.runtime.client.results import RunEvent
from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.agent_chunks import AgentChunks
from greenroom.serve.wire.run_result import usage_of
from greenroom.serve.wire.step_ids import StepIds, ancestors, is_below, split_index
from greenroom.serve.wire.step_results import shown_payload, wire_error
from greenroom.serve.wire.times import millis, millis_of

_WAITS = frozenset({"sleep", "signal"})
_CONTAINERS = frozenset({"workflow", "foreach", "agent"})
CLOSING = frozenset({"run_suspended", "run_paused", "run_finished"})
"""Events after which nothing more happens by itself."""


@dataclass(slots=True)
class _Visit:
    """A step that has begun: what its events repeat."""

    call_id: str
    input: Json = None
    started_at: int = 0
    resumed_at: int = 0
    resume_data: Json = None
    is_told_suspended: bool = False


class WorkflowEvents:
    """Maps the events of one run of a workflow.

    Args:
        run_id: The run.
        workflow_id: Its workflow.
        view: The run as it stood where reading begins; None reads from its start.

    Attributes:
        is_open: True between `workflow-start` and `workflow-finish`.
    """

    def __init__(self, run_id: str, workflow_id: str, view: Mapping[str, Json] | None = None) -> None:
        self.run_id = run_id
        self.is_open = False
        self._workflow_id = workflow_id
        self._ids = StepIds()
        self._visits: dict[str, _Visit] = {}
        self._suspended: dict[str, Json] = {}
        self._labels: dict[str, str] = {}
        self._items: dict[str, Json] = {}
        self._agents: dict[str, AgentChunks] = {}
        self._child_ids: dict[str, str] = {}
        self._usage = usage_of({})
        self._has_spent = False
        self._rewinds = 0
        if view is not None:
            self.learn(view)
            self._prime(view)

    def wants_view(self, event: RunEvent) -> bool:
        """Tell whether the run's view is needed to map this event in full."""
        return self._has_spent and event.type in CLOSING

    def learn(self, view: Mapping[str, Json]) -> None:
        """Take what events do not say from the run's view."""
        self._usage = usage_of(view)
        for path, step in view["steps"].items():
            self._ids.learn(path, step["kind"])
            if step.get("run_id"):
                self._child_ids[path] = step["run_id"]

    def _prime(self, view: Mapping[str, Json]) -> None:
        self._rewinds = int(view.get("rewinds") or 0)
        for path, step in view["steps"].items():
            if step["kind"] == "agent" and step["status"] not in {"success", "failed", "canceled", "skipped"}:
                self._agents[path] = AgentChunks(self.run_id, self._ids.id_of(path), path, view)
            self._visits[path] = _Visit(
                call_id=self._call_id(path),
                input=step.get("input"),
                started_at=millis(step.get("started_at")) or 0,
            )
        waiting: Mapping[str, Json] = view.get("suspend_payload") or {}
        self._suspended = {path: shown_payload(payload) for path, payload in waiting.items()}
        self._labels = dict(view.get("labels") or {})

    def map(self, event: RunEvent) -> list[dict[str, Json]]:
        """Return the wire's events for one of ours, none for what the wire does not tell."""
        match event.type:
            case "run_started":
                return self._opened()
            case "run_finished":
                return self._finished(event)
            case "run_suspended":
                return self._opened() + self._parked(event) + self._finish("suspended")
            case "run_paused":
                return [*self._opened(), self._event("workflow-paused", {}), *self._finish("paused")]
            case "run_resumed":
                return self._resumed(event)
            case "run_rewound":
                return self._rewound()
            case _:
                mapped = self._map_step(event)
                return self._opened() + mapped if mapped else []

    def close(self, view: Mapping[str, Json]) -> list[dict[str, Json]]:
        """Return what ends a segment whose last event never came, as the run's view tells it."""
        if not self.is_open:
            return []
        self.learn(view)
        return self._finish(view["status"], view.get("output"), view.get("error"))

    def _call_id(self, path: str) -> str:
        """Return the id of a step's visit, the same in every stream of the run.

        A path is visited once, and once more each time that the run went back.
        """
        again = f":{self._rewinds}" if self._rewinds else ""
        return str(uuid5(NAMESPACE_OID, f"{self.run_id}:{path}{again}"))

    def _event(self, type: str, payload: dict[str, Json]) -> dict[str, Json]:
        return {"type": type, "runId": self.run_id, "from": "WORKFLOW", "payload": payload}

    def _rewound(self) -> list[dict[str, Json]]:
        """Forget what the run left behind when it went back, and begin a segment."""
        self._rewinds += 1
        for left in (self._visits, self._suspended, self._labels, self._items, self._agents):
            left.clear()
        return self._opened()

    def _opened(self) -> list[dict[str, Json]]:
        if self.is_open:
            return []
        self.is_open = True
        return [self._event("workflow-start", {"workflowId": self._workflow_id})]

    def _finished(self, event: RunEvent) -> list[dict[str, Json]]:
        data: Mapping[str, Json] = event.data or {}
        told = [self._event("workflow-canceled", {})] if data["status"] == "canceled" else []
        return self._opened() + told + self._finish(data["status"], data.get("output"), data.get("error"))

    def _finish(self, status: str, output: Json = None, error: Json = None) -> list[dict[str, Json]]:
        self.is_open = False
        payload: dict[str, Json] = {"workflowStatus": status}
        if status == "success":
            payload["finalWorkflowResult"] = output
        payload |= {"output": {"usage": self._usage}, "metadata": {}}
        shown = wire_error(error)
        if shown is not None:
            payload["metadata"] = {"error": shown, "errorMessage": shown["message"]}
        return [self._event("workflow-finish", payload)]

    def _map_step(self, event: RunEvent) -> list[dict[str, Json]]:
        if event.type == "step_started":
            self._ids.learn(event.path, str((event.data or {}).get("kind") or "step"))
        if event.type == "step_suspended":
            return self._suspends(event)
        if event.type == "step_canceled":
            self._suspended.pop(event.path, None)
        agent = self._agent_of(event)
        if agent is not None:
            return self._told_by_agent(event, agent)
        match event.type:
            case "step_started":
                return self._started(event)
            case "step_finished" | "step_failed":
                return self._ended(event)
            case "step_output":
                return [self._output(event.path, event.data)]
            case "foreach_progress":
                return [self._progress(event)]
            case _:
                return []

    def _started(self, event: RunEvent) -> list[dict[str, Json]]:
        data: Mapping[str, Json] = event.data or {}
        visit = _Visit(call_id=self._call_id(event.path), input=data.get("input"), started_at=millis_of(event.at))
        before = self._visits.get(event.path)
        if before is not None and before.resumed_at:
            visit.started_at = before.started_at
            visit.resumed_at = before.resumed_at
            visit.resume_data = data.get("resume_data", before.resume_data)
        self._visits[event.path] = visit
        chunks: list[dict[str, Json]] = []
        if data.get("kind") == "agent":
            self._agents[event.path] = AgentChunks(self.run_id, self._ids.id_of(event.path), event.path)
            chunks = [self._output(event.path, chunk) for chunk in self._agents[event.path].begin(event)]
        if not self._ids.is_shown(event.path):
            return chunks
        if data.get("kind") in _WAITS:
            waiting = {
                "id": self._ids.id_of(event.path),
                "path": event.path,
                "payload": visit.input,
                "startedAt": visit.started_at,
                "status": "waiting",
            }
            return [self._event("workflow-step-waiting", waiting)]
        begun = self._event("workflow-step-start", self._step(event.path, visit) | {"status": "running"})
        return [begun, *chunks]

    def _step(self, path: str, visit: _Visit) -> dict[str, Json]:
        id = self._ids.id_of(path)
        shown: dict[str, Json] = {"id": id, "stepName": id, "path": path}
        if self._ids.kind(path) not in _WAITS:
            shown["stepCallId"] = visit.call_id
        shown |= {"payload": visit.input, "startedAt": visit.started_at}
        if visit.resumed_at:
            shown |= {"resumePayload": visit.resume_data, "resumedAt": visit.resumed_at}
        return shown

    def _ended(self, event: RunEvent) -> list[dict[str, Json]]:
        data: Mapping[str, Json] = event.data or {}
        output = data.get("output")
        if self._ids.foreach_of(event.path) is not None:
            self._items[event.path] = output
        agent = self._agents.pop(event.path, None)
        told = [] if agent is None else self._agent_ended(agent, event)
        if not self._ids.is_shown(event.path):
            return told
        visit = self._visits.pop(event.path, None)
        if visit is None:
            visit = _Visit(call_id=self._call_id(event.path), started_at=millis_of(event.at))
            told.append(self._event("workflow-step-start", self._step(event.path, visit) | {"status": "running"}))
        result = self._step(event.path, visit) | {"endedAt": millis_of(event.at)}
        if event.type == "step_finished":
            result |= {"status": "success", "output": output}
        else:
            result |= {"status": "failed", "error": wire_error(data.get("error"))}
        return [*told, self._event("workflow-step-result", result)]

    def _agent_ended(self, agent: AgentChunks, event: RunEvent) -> list[dict[str, Json]]:
        status = "success" if event.type == "step_finished" else "failed"
        return [self._output(event.path, chunk) for chunk in agent.finish(status, event.data or {}, event)]

    def _progress(self, event: RunEvent) -> dict[str, Json]:
        data: Mapping[str, Json] = event.data or {}
        id = self._ids.id_of(event.path)
        payload: dict[str, Json] = {
            "id": id,
            "path": event.path,
            "completedCount": data["completed"],
            "totalCount": data["total"],
            "currentIndex": data["index"],
            "iterationStatus": data["status"],
        }
        output = self._items.pop(f"{event.path}[{data['index']}]", None)
        if data["status"] == "success":
            payload["iterationOutput"] = output
        return self._event("workflow-step-progress", payload)

    def _output(self, path: str, output: Json) -> dict[str, Json]:
        if isinstance(output, dict) and str(output.get("type", "")).startswith("data-") and "data" in output:
            return {"type": output["type"], "runId": self.run_id, "from": "USER", "data": output["data"]}
        name = self._ids.id_of(path)
        payload: dict[str, Json] = {"stepName": name, "output": output, "runId": self.run_id}
        if name != path:
            payload["path"] = path
        return {"type": "workflow-step-output", "runId": self.run_id, "from": "USER", "payload": payload}

    def _agent_of(self, event: RunEvent) -> AgentChunks | None:
        """Return the outermost agent that an event happened inside of."""
        outermost = self._ids.agent_above(event.path)
        if outermost is None and event.path in self._agents and event.type.startswith("agent_"):
            outermost = event.path
        return self._agents.get(outermost) if outermost is not None else None

    def _told_by_agent(self, event: RunEvent, agent: AgentChunks) -> list[dict[str, Json]]:
        self._has_spent = True
        return [self._output(agent.path, chunk) for chunk in agent.map(event)]

    def _suspends(self, event: RunEvent) -> list[dict[str, Json]]:
        data: Mapping[str, Json] = event.data or {}
        payload = shown_payload(data.get("payload"))
        self._suspended[event.path] = payload
        if data.get("label"):
            self._labels[data["label"]] = event.path
        agent = self._agent_of(event)
        if agent is not None:
            return self._told_by_agent(event, agent)
        if not self._ids.is_shown(event.path):
            return []
        told = self._suspended_event(event.path, payload, event)
        if data.get("suspension"):
            told["payload"]["suspension"] = data["suspension"]
        return [told]

    def _suspended_event(self, path: str, payload: Json, event: RunEvent) -> dict[str, Json]:
        visit = self._visits.setdefault(path, _Visit(call_id=self._call_id(path)))
        visit.is_told_suspended = True
        shown = self._step(path, visit) | {
            "status": "suspended",
            "suspendPayload": payload,
            "suspendedAt": millis_of(event.at),
        }
        return self._event("workflow-step-suspended", shown)

    def _parked(self, event: RunEvent) -> list[dict[str, Json]]:
        """Return the containers of what waits: they are suspended as soon as nothing in them moves any more."""
        told: list[dict[str, Json]] = []
        for leaf, payload in self._suspended.items():
            for above in reversed([*self._containers(leaf)]):
                visit = self._visits.get(above)
                if visit is None or visit.is_told_suspended or not self._ids.is_shown(above):
                    continue
                shown = payload
                if isinstance(payload, dict):
                    shown = payload | {"__workflow_meta": self._meta(above, leaf)}
                told.append(self._suspended_event(above, shown, event))
        return told

    def _containers(self, leaf: str) -> list[str]:
        found: list[str] = []
        for path in (*ancestors(leaf), leaf):
            owner = self._ids.foreach_of(path)
            if owner is not None:
                found.append(owner)
            if path != leaf and self._ids.kind(path) in _CONTAINERS:
                found.append(path)
        return found

    def _meta(self, above: str, leaf: str) -> dict[str, Json]:
        inside = leaf[len(above) + 1 :]
        if self._ids.kind(above) == "foreach":
            labels = {
                label: {"stepId": self._ids.id_of(path), "foreachIndex": split_index(path)[1]}
                for label, path in self._labels.items()
                if is_below(path, above)
            }
            return {"foreachIndex": int(inside.partition("]")[0]), "resumeLabels": labels}
        meta: dict[str, Json] = {"path": self._ids.path_of(inside)}
        return meta | {"runId": self._child_ids[above]} if above in self._child_ids else meta

    def _resumed(self, event: RunEvent) -> list[dict[str, Json]]:
        self._suspended.pop(event.path, None)
        for container in self._containers(event.path):
            if container in self._visits:
                self._visits[container].is_told_suspended = False
        visit = self._visits.get(event.path)
        if visit is not None:
            visit.is_told_suspended = False
            visit.resumed_at = millis_of(event.at)
            visit.resume_data = (event.data or {}).get("data")
        return []
