"""One turn of an agent: asks its models in order, streams the answer, and says what it cost.

Knows the rules of retrying and falling back, not the wire (`openai_client`) and not what becomes of the answer (core).
A turn is presented as complete only if the model said that it ended.
"""

import asyncio
import hashlib
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

import msgspec

from greenroom.actors.deltas import DeltaWriter
from greenroom.actors.openai_client import (
    ChatRequest,
    Delta,
    Ended,
    Model,
    ModelClients,
    ModelFault,
    Refused,
    TextDelta,
    ToolDelta,
    Used,
)
from greenroom.runtime.contracts.entries import ErrorInfo, Failed, Outcome, Succeeded, Usage
from greenroom.runtime.contracts.errors import ModelError
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.definitions.context import Channel

MAX_WAIT_S: Final = 30.0
"""Longest wait before an attempt; a provider that asks for more is left for the next model, if there is one."""

FIRST_WAIT_S: Final = 0.5
MAX_BACKOFF_S: Final = 8.0


class ResponseSchema(msgspec.Struct, frozen=True, kw_only=True):
    """Schema of a structured answer."""

    schema: dict[str, Any]
    name: str = "output"
    strict: bool | None = None


class TurnInput(msgspec.Struct, frozen=True, kw_only=True):
    """Input of a turn: what to ask, and whom.

    Attributes:
        models: `provider/model` names; later ones are fallbacks.
        messages: As the chat completions API has them.
        tools: As the chat completions API has them.
        settings: Sampling parameters, handed on as they are.
    """

    models: tuple[str, ...]
    messages: list[Json]
    tools: list[Json] = []
    response_schema: ResponseSchema | None = None
    settings: dict[str, Json] = {}
    agent: str = ""


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Answer:
    """What one attempt has given so far."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)
    finish_reason: str = ""
    usage: Usage = field(default_factory=Usage)


class ModelTurns:
    """Executes model turns.

    Args:
        sleep: Waits between attempts.
        jitter: Source of the spread of those waits.
    """

    def __init__(
        self,
        clients: ModelClients,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: random.Random | None = None,
    ) -> None:
        self._clients = clients
        self._sleep = sleep
        self._jitter = jitter or random.Random()

    async def run_turn(self, item: WorkItem, scope: Scope, channel: Channel) -> Outcome:
        """Run one turn of an agent and return its outcome with what all of its attempts used.

        Deltas go to the channel; `agent_stream_reset` tells readers that what they got of an answer is void.
        """
        del scope
        try:
            turn = msgspec.convert(item.input, TurnInput)
        except msgspec.ValidationError as error:
            return _failed([f"the turn is malformed: {error}"], Usage(), is_retryable=False)
        faults: list[str] = []
        spent = Usage()
        is_retryable = False
        for index, name in enumerate(turn.models):
            try:
                model = self._clients.find_model(name)
            except ModelError as error:
                faults.append(error.message)
                continue
            request = _request_of(turn, item.key if index == 0 else f"{item.key}:{index}")
            outcome, spent, is_retryable = await self._ask(
                model, request, channel, spent, faults, has_fallback=index + 1 < len(turn.models)
            )
            if outcome is not None:
                return outcome
        return _failed(faults or ["the agent names no model"], spent, is_retryable=is_retryable)

    async def _ask(
        self,
        model: Model,
        request: ChatRequest,
        channel: Channel,
        spent: Usage,
        faults: list[str],
        *,
        has_fallback: bool,
    ) -> tuple[Outcome | None, Usage, bool]:
        """Ask one model until it has answered or its attempts are used up."""
        writer = DeltaWriter(channel)
        is_retryable = False
        for attempt in range(1, model.max_attempts + 1):
            answer = _Answer()
            try:
                await self._listen(model, request, answer, writer)
            except ModelFault as fault:
                spent = spent.plus(answer.usage)
                had_sent = writer.has_sent
                writer.discard()
                if had_sent:
                    channel.publish("agent_stream_reset", {"model": model.name, "reason": str(fault)})
                faults.append(f"{model.provider}/{model.name}: {fault}")
                is_retryable = fault.is_retryable
                wait_s = self._wait_s(fault, attempt)
                if not is_retryable or attempt == model.max_attempts or (wait_s > MAX_WAIT_S and has_fallback):
                    break
                await self._sleep(min(wait_s, MAX_WAIT_S))
            except BaseException:
                writer.discard()
                raise
            else:
                spent = spent.plus(answer.usage)
                return Succeeded(output=_output_of(answer, model, request.key), usage=spent), spent, True
        return None, spent, is_retryable

    async def _listen(self, model: Model, request: ChatRequest, answer: _Answer, writer: DeltaWriter) -> None:
        async for delta in model.stream(request):
            _take(delta, answer, writer)
        if not answer.finish_reason:
            raise ModelFault("the stream ended without a finish reason", is_retryable=True)
        writer.flush()

    def _wait_s(self, fault: ModelFault, attempt: int) -> float:
        if fault.retry_after_s is not None:
            return fault.retry_after_s
        backoff: float = min(FIRST_WAIT_S * 2 ** (attempt - 1), MAX_BACKOFF_S)
        return backoff * self._jitter.uniform(0.5, 1.0)


def _request_of(turn: TurnInput, key: str) -> ChatRequest:
    response_format: Json = None
    if turn.response_schema is not None:
        wanted = turn.response_schema
        schema: dict[str, Json] = {"name": wanted.name, "schema": wanted.schema}
        if wanted.strict is not None:
            schema["strict"] = wanted.strict
        response_format = {"type": "json_schema", "json_schema": schema}
    return ChatRequest(
        messages=turn.messages,
        tools=turn.tools,
        response_format=response_format,
        settings=turn.settings,
        key=key,
    )


def _take(delta: Delta, answer: _Answer, writer: DeltaWriter) -> None:
    match delta:
        case TextDelta(text=text, is_reasoning=True):
            answer.reasoning.append(text)
            writer.add("agent_reasoning_delta", "text", text)
        case TextDelta(text=text):
            answer.text.append(text)
            writer.add("agent_text_delta", "text", text)
        case ToolDelta():
            call = answer.calls.setdefault(delta.index, _Call())
            call.id = call.id or delta.id
            call.name = call.name or delta.name
            call.arguments.append(delta.arguments)
            facts = {"index": delta.index, "id": call.id, "name": call.name}
            writer.add("agent_tool_call_delta", "arguments", delta.arguments, facts)
        case Refused(text=text):
            answer.refusal.append(text)
        case Ended(reason=reason):
            answer.finish_reason = reason
        case Used(usage=usage):
            answer.usage = usage
        case _:
            assert_never(delta)


def _output_of(answer: _Answer, model: Model, key: str) -> Json:
    calls = [_call_of(call, index, key) for index, call in sorted(answer.calls.items())]
    output = {
        "text": "".join(answer.text),
        "tool_calls": calls,
        # Some endpoints end with `stop` although they call tools.
        "finish_reason": "tool_calls" if calls and answer.finish_reason == "stop" else answer.finish_reason,
        "model": model.name,
        "provider": model.provider,
    }
    for name, parts in (("reasoning", answer.reasoning), ("refusal", answer.refusal)):
        if parts:
            output[name] = "".join(parts)
    return output


def _call_of(call: _Call, index: int, key: str) -> Json:
    text = "".join(call.arguments)
    arguments: Json = text
    is_malformed = True
    try:
        # A tool without parameters is often called with nothing at all.
        parsed = json.loads(text) if text.strip() else {}
    except ValueError:
        pass
    else:
        if isinstance(parsed, dict):
            arguments, is_malformed = parsed, False
    # An endpoint that gives no id would make calls of different turns look the same.
    own_id = f"call-{hashlib.sha256(key.encode()).hexdigest()[:12]}-{index}"
    return {"id": call.id or own_id, "name": call.name, "arguments": arguments, "malformed": is_malformed}


def _failed(faults: list[str], spent: Usage, *, is_retryable: bool) -> Failed:
    error = ErrorInfo(
        type="ModelError",
        message=f"No model has answered: {'; '.join(faults)}",
        attributes={"faults": list(faults)},
        code=ModelError.code,
        retryable=is_retryable,
    )
    return Failed(error=error, usage=None if spent == Usage() else spent)
