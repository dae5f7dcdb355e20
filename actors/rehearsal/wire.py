"""The wire: turns, vectors and refusals in the shapes of OpenAI's HTTP API. Pure; what is sent is decided elsewhere."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from greenroom.actors.rehearsal.brain import Turn
from greenroom.actors.rehearsal.embedding import pack
from greenroom.actors.rehearsal.tokens import Usage, count_tokens, fragments, pieces

DONE: Final = b"data: [DONE]\n\n"
MODELS: Final = ("rehearsal", "rehearsal/embedding", "rehearsal/image")


class Refused(Exception):
    """A request gets an error instead of an answer; a plain exception, as it never leaves the server.

    Args:
        status: the HTTP status.
        message: what is wrong and what to do.
        code: OpenAI's word for it, None where it has none.
        param: the field that is wrong.
        headers: to send along.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Gives the error in OpenAI's shape."""
        kinds = {401: "authentication_error", 429: "rate_limit_error"}
        server_side = 500
        kind = "server_error" if self.status >= server_side else kinds.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "code": self.code, "param": self.param}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What surrounds a turn: the identity of the answer and its usage."""

    id: str
    created: int
    model: str
    usage: Usage

    def head(self, kind: str) -> dict[str, Any]:
        """Gives the fields every part of the answer begins with."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One server-sent event and how many tokens it takes to say it."""

    data: bytes = field(repr=False)
    tokens: int = 0


def usage_json(usage: Usage) -> dict[str, int]:
    """Gives usage with its total."""
    total = usage.prompt_tokens + usage.completion_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": total,
    }


def completion_tokens(turn: Turn) -> int:
    """Gives the estimated tokens of a turn."""
    return count_tokens(turn.text or "") + sum(count_tokens(call.name + call.arguments) for call in turn.calls)


def completion(turn: Turn, envelope: Envelope) -> dict[str, Any]:
    """Gives a whole `chat.completion`."""
    message: dict[str, Any] = {"role": "assistant", "content": turn.text, "refusal": None}
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": _call_id(envelope, index),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for index, call in enumerate(turn.calls)
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": turn.finish_reason}
    return {**envelope.head("chat.completion"), "choices": [choice], "usage": usage_json(envelope.usage)}


def frames(turn: Turn, envelope: Envelope, *, has_usage: bool) -> list[Frame]:
    """Gives the events of a stream: role, text or tool calls in pieces, the reason of the end, usage, `[DONE]`.

    Args:
        turn: what is said.
        envelope: the identity of the answer and its usage.
        has_usage: add the event with the usage, and `usage: null` to the others, as `include_usage` asks.
    """
    deltas: list[tuple[dict[str, Any], int]] = [({"role": "assistant", "content": None if turn.calls else ""}, 0)]
    deltas += [({"content": piece}, count_tokens(piece)) for piece in pieces(turn.text or "")]
    for index, call in enumerate(turn.calls):
        opening = {"id": _call_id(envelope, index), "type": "function"}
        deltas.append(
            (_call_delta(index, {**opening, "function": {"name": call.name, "arguments": ""}}), count_tokens(call.name))
        )
        deltas += [
            (_call_delta(index, {"function": {"arguments": part}}), count_tokens(part))
            for part in fragments(call.arguments)
        ]
    head = envelope.head("chat.completion.chunk")
    absent = {"usage": None} if has_usage else {}
    made = [_frame({**head, "choices": [_choice(delta, None)], **absent}, tokens=tokens) for delta, tokens in deltas]
    made.append(_frame({**head, "choices": [_choice({}, turn.finish_reason)], **absent}))
    if has_usage:
        made.append(_frame({**head, "choices": [], "usage": usage_json(envelope.usage)}))
    return [*made, Frame(data=DONE)]


def _choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _call_delta(index: int, call: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, **call}]}


def _call_id(envelope: Envelope, index: int) -> str:
    return f"call_{envelope.id.removeprefix('chatcmpl-')[:20]}{index:02d}"


def _frame(payload: dict[str, Any], *, tokens: int = 0) -> Frame:
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return Frame(data=f"data: {text}\n\n".encode("utf-8", "replace"), tokens=tokens)


def embeddings(vectors: list[list[float]], *, model: str, tokens: int, is_packed: bool) -> dict[str, Any]:
    """Gives the list of vectors, as numbers or as base64."""
    data = [
        {"object": "embedding", "index": index, "embedding": pack(vector) if is_packed else vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def models(created: int) -> dict[str, Any]:
    """Gives the models by name; any other name is answered as well."""
    return {"object": "list", "data": [model(name, created) for name in MODELS]}


def model(name: str, created: int) -> dict[str, Any]:
    """Gives one model."""
    return {"id": name, "object": "model", "created": created, "owned_by": "greenroom-rehearsal"}
