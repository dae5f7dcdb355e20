"""The brain: what rehearsal answers to a chat request.

Pure: no I/O, no clock, no randomness; the same request always gives the same turn.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from greenroom.actors.rehearsal.conversation import Conversation, read_conversation
from greenroom.actors.rehearsal.fields import Family, Spot, family_of
from greenroom.actors.rehearsal.fill import fill
from greenroom.actors.rehearsal.prose import answer
from greenroom.actors.rehearsal.request import ChatRequest, Json, JsonSchemaFormat, TextFormat
from greenroom.actors.rehearsal.tokens import CHARS_PER_TOKEN
from greenroom.actors.rehearsal.toolbox import Call, choose_calls

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]

MAX_NAMED_KEYS: Final = 24

_NAMED_KEY = re.compile(r"[`\"'](?P<name>[a-z][a-zA-Z0-9_]{0,40})[`\"']")
_PLURALS: Final = (Family.QUOTE, Family.SOURCE, Family.TITLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer of the model: text or tool calls, and why it ended."""

    text: str | None = None
    calls: tuple[Call, ...] = ()
    finish_reason: FinishReason = "stop"


def think(request: ChatRequest, seed: str = "") -> Turn:
    """Gives the turn for a request: tool calls, a structured answer, or text; cut at its limits.

    Args:
        request: a checked request.
        seed: the request's fingerprint.

    Raises:
        UnsatisfiableSchema: the answer's or a tool's schema is invalid or has no instance that rehearsal can find.
    """
    conversation = read_conversation(request, seed)
    if calls := choose_calls(request, conversation):
        return limit(Turn(calls=calls, finish_reason="tool_calls"), request)
    match request.response_format:
        case JsonSchemaFormat(json_schema=wanted):
            text = _dump(fill(wanted.schema_, conversation))
        case TextFormat(type="json_object"):
            about = replace(conversation, ask=_NAMED_KEY.sub("", conversation.ask))
            text = _dump(fill(_schema_of_named_keys(conversation), about))
        case _:
            text = answer(conversation)
    return limit(Turn(text=text), request)


def _dump(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _schema_of_named_keys(conversation: Conversation) -> dict[str, Json]:
    """Gives a schema with the keys that the request names in quotes; an answer and its sources if it names none."""
    said = f"{conversation.ask}\n{conversation.instructions}"
    names = list(dict.fromkeys(_NAMED_KEY.findall(said)))[:MAX_NAMED_KEYS] or ["answer", "sources"]
    return {"type": "object", "properties": {name: _property(name) for name in names}, "required": names}


def _property(name: str) -> dict[str, Json]:
    is_list = name.endswith("s") and family_of(Spot(name=name)) in _PLURALS
    return {"type": "array", "items": {"type": "string"}} if is_list else {"type": "string"}


def limit(turn: Turn, request: ChatRequest) -> Turn:
    """Cuts a turn at the request's stop sequences and its bound on tokens, which ends it with `length`."""
    text = turn.text
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    if text is not None:
        text = text[: min([hit for stop in stops if stop and (hit := text.find(stop)) >= 0], default=len(text))]
        turn = replace(turn, text=text)
    if request.max_answer_tokens is None:
        return turn
    budget = request.max_answer_tokens * CHARS_PER_TOKEN
    if text is not None:
        return turn if len(text) <= budget else replace(turn, text=text[:budget], finish_reason="length")
    kept: list[Call] = []
    for call in turn.calls:
        kept.append(replace(call, arguments=call.arguments[:budget]))
        budget -= len(call.arguments)
        if budget < 0:
            return replace(turn, calls=tuple(kept), finish_reason="length")
    return turn
