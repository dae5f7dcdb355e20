"""The result of an agent's run, as `generate` answers it."""

from collections.abc import Mapping
from typing import Final

from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.run_result import usage_of
from greenroom.serve.wire.step_results import shown_payload, wire_error
from greenroom.serve.wire.times import iso

DECLINED: Final = "Tool call was not approved by the user"
APPROVAL_SCHEMA: Final = (
    '{"type":"object","properties":{"approved":{"type":"boolean"},"reason":{"type":"string"}},"required":["approved"]}'
)
ANY_SCHEMA: Final = "{}"

_WORDS: Final = {
    "tool_calls": "tool-calls",
    "max_steps": "tool-calls",
    "content_filter": "content-filter",
    "canceled": "other",
    "tripwire": "other",
}


def finish_word(reason: str) -> str:
    """Return why an agent stopped in the wire's word.

    >>> finish_word("max_steps"), finish_word("stop")
    ('tool-calls', 'stop')
    """
    return _WORDS.get(reason, reason)


def agent_result(view: Mapping[str, Json]) -> dict[str, Json]:
    """Return what an agent answered, or what it waits for."""
    agent: Mapping[str, Json] = view.get("agent") or {}
    is_parked = view["status"] == "suspended"
    messages = [] if is_parked else assistant_messages(view)
    usage = usage_of(view)
    result: dict[str, Json] = {
        "text": "" if is_parked else agent.get("text") or "",
        "usage": usage,
        "totalUsage": usage,
        "steps": [] if is_parked else _steps(view),
        "finishReason": "suspended" if is_parked else finish_word(agent.get("finish_reason") or "stop"),
        "warnings": [],
        "reasoning": [],
        "toolCalls": [tool_call(view, call) for call in agent.get("tool_calls") or ()],
        "toolResults": _tool_results(view),
        "sources": [],
        "files": [],
        "request": {},
        "response": {
            "id": view["run_id"],
            "timestamp": iso(view.get("finished_at") or view.get("updated_at")),
            "modelId": _model(agent),
            "headers": {},
            "messages": messages,
            "uiMessages": [],
            "dbMessages": [],
        },
        "runId": view["run_id"],
        "traceId": view.get("trace_id") or "",
        "messages": [*_prompt(view), *_stored_answer(view)],
        "rememberedMessages": [],
        "usedFallbackValue": False,
    }
    if agent.get("output") is not None:
        result["object"] = agent["output"]
    if view["status"] == "tripwire":
        result |= {"text": "", "finishReason": "other", "tripwire": {"reason": view.get("reason") or ""}}
    if view.get("error"):
        result["error"] = wire_error(view["error"])
    return result | (_suspension(view) if is_parked else {})


def _suspension(view: Mapping[str, Json]) -> dict[str, Json]:
    for waiting in view.get("suspended") or ():
        payload = (view.get("suspend_payload") or {}).get(waiting)
        if isinstance(payload, dict) and "args_hash" in payload:
            shown = {**shown_payload(payload), "resumeSchema": APPROVAL_SCHEMA}
            return {"suspendPayload": shown, "resumeSchema": APPROVAL_SCHEMA}
        call = next((call for call in view["agent"]["tool_calls"] if call.get("path") == waiting), None)
        shown = _named(call) if call is not None else {}
        told = {"suspendPayload": shown | {"suspendPayload": payload}, "resumeSchema": ANY_SCHEMA}
        token = (view.get("suspensions") or {}).get(waiting)
        return told | ({"suspension": token} if token else {})
    return {}


def tool_call(view: Mapping[str, Json], call: Mapping[str, Json]) -> dict[str, Json]:
    """Return a tool call, payload-wrapped."""
    return {"type": "tool-call", "runId": view["run_id"], "from": "AGENT", "payload": _named(call)}


def _named(call: Mapping[str, Json]) -> dict[str, Json]:
    return {"toolCallId": call["tool_call_id"], "toolName": call["tool"], "args": call["arguments"]}


def _outcome(view: Mapping[str, Json], call: Mapping[str, Json]) -> tuple[Json, bool] | None:
    """Return a call's result and whether it is an error; None while it has none."""
    step: Mapping[str, Json] = view["steps"].get(call.get("path") or "") or {}
    match step.get("status"):
        case "success":
            return step.get("output"), False
        case "failed":
            return (step.get("error") or {}).get("message") or "the tool failed", True
        case "skipped":
            return (step.get("error") or {}).get("message") or DECLINED, False
        case _:
            return None


def _tool_results(view: Mapping[str, Json], turn: int | None = None) -> list[dict[str, Json]]:
    found: list[dict[str, Json]] = []
    for call in (view.get("agent") or {}).get("tool_calls") or ():
        outcome = _outcome(view, call)
        if outcome is None or (turn is not None and call["turn"] != turn):
            continue
        payload = {**_named(call), "result": outcome[0], "isError": outcome[1]}
        found.append({"type": "tool-result", "runId": view["run_id"], "from": "AGENT", "payload": payload})
    return found


def _steps(view: Mapping[str, Json]) -> list[dict[str, Json]]:
    agent: Mapping[str, Json] = view.get("agent") or {}
    steps: list[dict[str, Json]] = []
    for number, turn in enumerate(agent.get("steps") or ()):
        calls = [tool_call(view, call) for call in agent.get("tool_calls") or () if call["turn"] == number]
        steps.append(
            {
                "stepType": "tool-result" if number else "initial",
                "text": turn.get("text") or "",
                "reasoning": [],
                "toolCalls": calls,
                "toolResults": _tool_results(view, number),
                "content": [{"type": "text", "text": turn["text"]}] if turn.get("text") else [],
                "finishReason": finish_word(turn.get("finish_reason") or "stop"),
                "usage": {},
                "sources": [],
                "files": [],
                "warnings": [],
                "request": {},
                "response": {"modelId": turn.get("model") or ""},
            }
        )
    return steps


def assistant_messages(view: Mapping[str, Json]) -> list[dict[str, Json]]:
    """Return what an agent said and what its tools answered, as messages that a next request may repeat."""
    agent: Mapping[str, Json] = view.get("agent") or {}
    messages: list[dict[str, Json]] = []
    for number, turn in enumerate(agent.get("steps") or ()):
        calls = [call for call in agent.get("tool_calls") or () if call["turn"] == number]
        parts: list[dict[str, Json]] = [{"type": "text", "text": turn["text"]}] if turn.get("text") else []
        parts.extend({"type": "tool-call", **_named(call)} for call in calls)
        messages.append({"role": "assistant", "content": parts})
        results = [_result_part(call, outcome) for call in calls if (outcome := _outcome(view, call)) is not None]
        if results:
            messages.append({"role": "tool", "content": results})
    return messages


def _result_part(call: Mapping[str, Json], outcome: tuple[Json, bool]) -> dict[str, Json]:
    result, is_error = outcome
    return {
        "type": "tool-result",
        "toolCallId": call["tool_call_id"],
        "toolName": call["tool"],
        "result": result,
        "isError": is_error,
    }


def _prompt(view: Mapping[str, Json]) -> list[dict[str, Json]]:
    given = view.get("input")
    if isinstance(given, dict):
        given = given.get("messages") or given.get("prompt") or given
    asked: list[Json] = given if isinstance(given, list) else [{"role": "user", "content": given}]
    return [
        _stored(
            view, f"{view['run_id']}:{number}", str(message.get("role", "user")), _text_parts(message.get("content"))
        )
        for number, message in enumerate(asked)
        if isinstance(message, dict)
    ]


def _text_parts(content: Json) -> list[dict[str, Json]]:
    if isinstance(content, list):
        return [part if isinstance(part, dict) else {"type": "text", "text": str(part)} for part in content]
    return [{"type": "text", "text": content if isinstance(content, str) else ""}]


def _stored_answer(view: Mapping[str, Json]) -> list[dict[str, Json]]:
    agent: Mapping[str, Json] = view.get("agent") or {}
    parts: list[dict[str, Json]] = []
    for number, turn in enumerate(agent.get("steps") or ()):
        parts.append({"type": "step-start"})
        if turn.get("text"):
            parts.append({"type": "text", "text": turn["text"]})
        parts.extend(
            {"type": "tool-invocation", "toolInvocation": _invocation(view, call)}
            for call in agent.get("tool_calls") or ()
            if call["turn"] == number
        )
    return [_stored(view, f"{view['run_id']}:answer", "assistant", parts)] if parts else []


def _invocation(view: Mapping[str, Json], call: Mapping[str, Json]) -> dict[str, Json]:
    shown: dict[str, Json] = {"state": "call", **_named(call)}
    outcome = _outcome(view, call)
    return shown if outcome is None else shown | {"state": "result", "result": outcome[0]}


def _stored(view: Mapping[str, Json], id: str, role: str, parts: list[dict[str, Json]]) -> dict[str, Json]:
    return {
        "id": id,
        "role": role,
        "createdAt": iso(view.get("created_at")),
        "threadId": view.get("thread_id"),
        "resourceId": view.get("resource_id"),
        "content": {"format": 2, "parts": parts},
    }


def _model(agent: Mapping[str, Json]) -> str:
    models = [turn["model"] for turn in agent.get("steps") or () if turn.get("model")]
    return models[-1] if models else ""
