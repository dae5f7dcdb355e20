"""Events of an agent's run as the wire's chunks, payload-wrapped.

One mapper reads the events of one agent in order, be it a run of its own or a step of a workflow. Text is always
whole: where deltas were lost, the finished turn supplies the rest. A paused stream ends without `finish`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_OID, uuid5

from greenroom.runtime.client.results import RunEvent
from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.agent_result import ANY_SCHEMA, APPROVAL_SCHEMA, DECLINED, assistant_messages, finish_word
from greenroom.serve.wire.run_result import usage_of
from greenroom.serve.wire.step_ids import ancestors, split_index
from greenroom.serve.wire.step_results import wire_error
from greenroom.serve.wire.times import iso, millis_of
from greenroom.serve.wire.turn_chunks import TurnChunks

_SETTLED = frozenset({"success", "failed", "canceled", "skipped"})


@dataclass(slots=True)
class _Call:
    """A tool call of the agent."""

    id: str
    tool: str
    arguments: Json
    path: str


class AgentChunks:
    """Maps the events of one agent.

    Args:
        run_id: The run that chunks name.
        agent_id: The agent.
        path: Where it stands in the run; empty for a run of its own.
        view: The run as it stood where reading begins; None reads from its start.
    """

    def __init__(self, run_id: str, agent_id: str, path: str = "", view: Mapping[str, Json] | None = None) -> None:
        self.path = path
        self._run_id = run_id
        self._agent_id = agent_id
        self._segment = 0
        self._turn: TurnChunks | None = None
        self._turns = 0
        self._calls: dict[str, _Call] = {}
        self._names: dict[str, int] = {}
        self._open: list[str] = []
        self._held: dict[str, Json] | None = None
        self._reason = "stop"
        self._delegates: dict[str, AgentChunks] = {}
        self._view: Mapping[str, Json] = {}
        self._is_over = False
        if view is not None:
            self._prime(view)

    @property
    def is_open(self) -> bool:
        """True until the run has told its end."""
        return not self._is_over

    def wants_view(self, event: RunEvent) -> bool:
        """Tell whether the run's view is needed to map this event in full."""
        return event.type == "run_finished"

    def learn(self, view: Mapping[str, Json]) -> None:
        """Take what events do not say from the run's view."""
        self._view = view

    def _prime(self, view: Mapping[str, Json]) -> None:
        """Take up where the view stands: the turns so far, their calls, and which of those have no result yet."""
        self._segment = int(view.get("event_seq") or 0)
        steps: Mapping[str, Json] = view["steps"]
        while (turn := steps.get(self._below(f"turn[{self._turns}]"))) is not None and turn["status"] == "success":
            output: Mapping[str, Json] = turn.get("output") or {}
            self._turns += 1
            self._open = []
            for made in output.get("tool_calls") or ():
                call = self._new_call(made["id"], made["name"], made.get("arguments"))
                if (steps.get(call.path) or {}).get("status") not in _SETTLED:
                    self._open.append(call.id)
            self._held = {"text": output.get("text") or "", "finish_reason": output.get("finish_reason")}
        if not self._open:
            self._held = None

    def _below(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def _new_call(self, call_id: str, tool: str, arguments: Json, path: str | None = None) -> _Call:
        """Note a tool call; its path follows from how often the tool was called before."""
        number = self._names[tool] = self._names.get(tool, 0) + 1
        name = tool if number == 1 else f"{tool}#{number}"
        call = _Call(id=call_id, tool=tool, arguments=arguments, path=path or self._below(name))
        self._calls[call_id] = call
        return call

    def map(self, event: RunEvent) -> list[dict[str, Json]]:
        """Return the chunks for one event, none for what the wire does not tell."""
        delegate = self._delegate_of(event)
        if delegate is not None:
            return [self._tool_output(delegate.path, chunk) for chunk in delegate.map(event)]
        data: Mapping[str, Json] = event.data if isinstance(event.data, dict) else {}
        match event.type:
            case "run_started":
                return self.begin(event)
            case "agent_text_delta" | "agent_reasoning_delta" | "agent_tool_call_delta" | "agent_stream_reset":
                return self._piece(data, event)
            case "agent_tool_call":
                return self._tool_call(data, event)
            case "agent_step_finish":
                return self._step_finish(data, event)
            case "agent_approval":
                return [self._approval(data)]
            case "agent_tool_result":
                return self._tool_result(data)
            case "step_started" if data.get("kind") == "agent":
                self._delegates[event.path] = AgentChunks(self._run_id, _segment_of(event.path), event.path)
                return [self._tool_output(event.path, chunk) for chunk in self._delegates[event.path].begin(event)]
            case "step_suspended":
                return self._suspended(data, event)
            case "step_output":
                return [self._tool_output(event.path, event.data)]
            case "run_finished":
                return self.finish(data["status"], data, event)
            case _:
                return []

    def begin(self, event: RunEvent) -> list[dict[str, Json]]:
        """Return the chunk a stream begins with."""
        del event
        return [self._chunk("start", {"id": self._agent_id, "messageId": self._message_id()})]

    def close(self, view: Mapping[str, Json]) -> list[dict[str, Json]]:
        """Return what ends a stream whose last event never came, as the run's view tells it."""
        self.learn(view)
        if self._is_over or view["status"] not in {"success", "failed", "canceled", "tripwire"}:
            return []
        return self.finish(view["status"], view, None)

    def _chunk(self, type: str, payload: dict[str, Json], sender: str = "AGENT") -> dict[str, Json]:
        return {"type": type, "runId": self._run_id, "from": sender, "payload": payload}

    def _message_id(self) -> str:
        return str(uuid5(NAMESPACE_OID, f"{self._run_id}:{self.path}:{self._segment}"))

    def _delegate_of(self, event: RunEvent) -> "AgentChunks | None":
        for path in (*ancestors(event.path), event.path):
            delegate = self._delegates.get(path)
            if delegate is not None and (path != event.path or event.type.startswith("agent_")):
                return delegate
        return None

    def _in_turn(self, event: RunEvent | None) -> tuple[TurnChunks, list[dict[str, Json]]]:
        """Return the turn under way, and what begins it if this is the first that is told of it."""
        if self._turn is not None:
            return self._turn, []
        told = self._released(is_continued=True)
        self._turn = TurnChunks(self._chunk, self._turns)
        started = {
            "messageId": self._message_id(),
            "request": {},
            "warnings": [],
            "startedAt": millis_of(event.at) if event is not None else 0,
        }
        return self._turn, [*told, self._chunk("step-start", started)]

    def _released(self, *, is_continued: bool) -> list[dict[str, Json]]:
        held, self._held = self._held, None
        return [] if held is None else [self._step_end(held, is_continued=is_continued)]

    def _piece(self, data: Mapping[str, Json], event: RunEvent) -> list[dict[str, Json]]:
        turn, told = self._in_turn(event)
        match event.type:
            case "agent_text_delta":
                return told + turn.say(str(data.get("text") or ""))
            case "agent_reasoning_delta":
                return told + turn.think(str(data.get("text") or ""))
            case "agent_tool_call_delta":
                return told + turn.call(data)
            case _:
                return told + self._reset(turn, str(data.get("reason") or ""))

    def _reset(self, turn: TurnChunks, reason: str) -> list[dict[str, Json]]:
        """Void what was told of a turn: the model's stream broke and its answer begins anew."""
        told, text_id = turn.void()
        lost: dict[str, Json] = {"messageId": self._message_id(), "textId": text_id, "reason": reason}
        return [*told, {"type": "data-stream-reset", "runId": self._run_id, "from": "AGENT", "data": lost}]

    def _tool_call(self, data: Mapping[str, Json], event: RunEvent) -> list[dict[str, Json]]:
        turn, told = self._in_turn(event)
        told += turn.end()
        call = self._new_call(data["tool_call_id"], data["tool"], data.get("arguments"), data.get("path"))
        self._open.append(call.id)
        return [*told, self._chunk("tool-call", _call_payload(call))]

    def _step_finish(self, data: Mapping[str, Json], event: RunEvent) -> list[dict[str, Json]]:
        turn, told = self._in_turn(event)
        text = str(data.get("text") or "")
        if not text.startswith(turn.text):
            told += self._reset(turn, "what was streamed is not what was answered")
        told += turn.say(text[len(turn.text) :]) + turn.end()
        self._turn = None
        self._turns += 1
        self._reason = str(data.get("finish_reason") or "stop")
        self._held = {"text": text, "finish_reason": self._reason}
        return told

    def _step_end(self, held: Mapping[str, Json], *, is_continued: bool) -> dict[str, Json]:
        raw = str(held.get("finish_reason") or "stop")
        calls = [_tool_call_of(self._run_id, call) for call in self._calls.values()] if is_continued else []
        return self._chunk(
            "step-finish",
            {
                "messageId": self._message_id(),
                "stepResult": {
                    "reason": finish_word(raw),
                    "rawReason": raw,
                    "isContinued": is_continued,
                    "warnings": [],
                },
                "output": {"text": held.get("text") or "", "toolCalls": calls, "steps": []},
                "metadata": {},
                "messages": {"all": [], "user": [], "nonUser": []},
            },
        )

    def _approval(self, data: Mapping[str, Json]) -> dict[str, Json]:
        call = self._calls.get(data["tool_call_id"]) or _Call(
            id=data["tool_call_id"], tool=data["tool"], arguments=data.get("arguments"), path=""
        )
        payload = _call_payload(call) | {"resumeSchema": APPROVAL_SCHEMA, "argsHash": data.get("args_hash") or ""}
        return self._chunk("tool-call-approval", payload)

    def _suspended(self, data: Mapping[str, Json], event: RunEvent) -> list[dict[str, Json]]:
        payload = data.get("payload")
        if isinstance(payload, dict) and "tool_call_id" in payload and "args_hash" in payload:
            return []  # agent_approval told it
        call = self._call_at(event.path)
        if call is None:
            return []
        shown = _call_payload(call) | {"suspendPayload": payload, "resumeSchema": ANY_SCHEMA}
        if data.get("suspension"):
            shown["suspension"] = data["suspension"]
        return [self._chunk("tool-call-suspended", shown)]

    def _call_at(self, path: str) -> _Call | None:
        candidates = {*ancestors(path), path}
        return next((call for call in reversed(self._calls.values()) if call.path in candidates), None)

    def _tool_output(self, path: str, output: Json) -> dict[str, Json]:
        if isinstance(output, dict) and str(output.get("type", "")).startswith("data-") and "data" in output:
            return {"type": output["type"], "runId": self._run_id, "from": "USER", "data": output["data"]}
        call = self._call_at(path)
        payload = {
            "output": output,
            "toolCallId": call.id if call is not None else "",
            "toolName": call.tool if call is not None else _segment_of(path),
        }
        return self._chunk("tool-output", payload, sender="USER")

    def _tool_result(self, data: Mapping[str, Json]) -> list[dict[str, Json]]:
        call = self._calls.get(data["tool_call_id"]) or _Call(
            id=data["tool_call_id"], tool=data["tool"], arguments=None, path=""
        )
        error: Mapping[str, Json] = data.get("error") or {}
        if data.get("declined"):
            reason = error.get("message") or DECLINED
            refused = {"approval": {"id": call.id, "approved": False, "reason": reason}}
            told = [self._chunk("tool-output-denied", _call_payload(call) | refused)]
        elif error:
            told = [self._chunk("tool-error", _call_payload(call) | {"error": _tool_error(error)})]
        else:
            told = [self._chunk("tool-result", _call_payload(call) | {"result": data.get("result")})]
        if call.id in self._open:
            self._open.remove(call.id)
            if not self._open:
                told += self._released(is_continued=True)
        return told

    def finish(self, status: str, data: Mapping[str, Json], event: RunEvent | None) -> list[dict[str, Json]]:
        """Return what ends the stream of a run that is over.

        Args:
            status: The run's.
            data: Its output, error or reason, as `run_finished` or the run's view have them.
        """
        self._is_over = True
        match status:
            case "canceled":
                return [self._chunk("abort", {"reason": data.get("reason") or ""})]
            case "tripwire":
                return [self._chunk("tripwire", {"reason": data.get("reason") or "", "processorId": ""})]
            case "failed":
                turn, told = self._in_turn(event)
                told += turn.end()
                self._held = {"text": turn.text, "finish_reason": "error"}
                error = wire_error(data.get("error")) or {"name": "Error", "message": "the run failed"}
                told.append(self._chunk("error", {"error": error}))
                return [*told, *self._released(is_continued=False), self._finish("error")]
            case _:
                told = []
                output = (self._view.get("agent") or {}).get("output") if self._view else data.get("output")
                if output is not None and not isinstance(output, str):
                    told.append({"type": "object-result", "runId": self._run_id, "from": "AGENT", "object": output})
                reason = str((self._view.get("agent") or {}).get("finish_reason") or self._reason)
                return [*told, *self._released(is_continued=False), self._finish(reason)]

    def _finish(self, raw: str) -> dict[str, Json]:
        agent: Mapping[str, Json] = self._view.get("agent") or {}
        usage = {"usage": usage_of(self._view)} if self._view else {}
        messages = assistant_messages(self._view) if agent else []
        models: Iterable[Json] = [turn.get("model") for turn in agent.get("steps") or () if turn.get("model")]
        return self._chunk(
            "finish",
            {
                "messageId": self._message_id(),
                "stepResult": {"reason": finish_word(raw), "rawReason": raw, "isContinued": False, "warnings": []},
                "output": {
                    "text": agent.get("text") or "",
                    "toolCalls": [_tool_call_of(self._run_id, call) for call in self._calls.values()],
                    "steps": [],
                    **usage,
                },
                **usage,
                "metadata": {"traceId": self._view.get("trace_id") or ""},
                "messages": {"all": messages, "user": [], "nonUser": messages},
                "response": {
                    "id": self._run_id,
                    "timestamp": iso(self._view.get("finished_at")),
                    "modelId": next(reversed([*models]), ""),
                    "messages": messages,
                    "uiMessages": [],
                },
            },
        )


def split_number(name: str) -> str:
    """Return a segment without its number.

    >>> split_number("search#2")
    'search'
    """
    return name.partition("#")[0]


def _segment_of(path: str) -> str:
    return split_number(split_index(path.rpartition("/")[2])[0])


def _call_payload(call: _Call) -> dict[str, Json]:
    return {"toolCallId": call.id, "toolName": call.tool, "args": call.arguments}


def _tool_call_of(run_id: str, call: _Call) -> dict[str, Json]:
    return {"type": "tool-call", "runId": run_id, "from": "AGENT", "payload": _call_payload(call)}


def _tool_error(error: Mapping[str, Json]) -> dict[str, Json]:
    name, message = error.get("type") or "Error", error.get("message") or ""
    return {
        "name": name,
        "message": message,
        "id": "TOOL_EXECUTION_FAILED",
        "domain": "TOOL",
        "category": "USER",
        "details": {},
        "cause": {"name": name, "message": message},
    }
