"""A model that says what a test has written: texts, tool calls, faults. No network and no key."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from greenroom.runtime.contracts.entries import ErrorInfo, Failed, Outcome, Succeeded, Usage
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.definitions.context import Channel
from greenroom.runtime.definitions.values import dump

USAGE: Final = Usage(input_tokens=10, output_tokens=5, total_tokens=15, cost_micros=100)
"""What every turn costs."""


class ToolCall(msgspec.Struct, frozen=True):
    """A call of a tool that the model makes."""

    tool: str
    arguments: dict[str, Json]


def tool_call(tool: str, **arguments: Json) -> ToolCall:
    """Return a turn, or a part of one, in which the model calls a tool.

    >>> tool_call("search", query="tea")
    ToolCall(tool='search', arguments={'query': 'tea'})
    """
    return ToolCall(tool, arguments)


Turn: TypeAlias = Any
"""A text; a `ToolCall` or a list of them; an exception, which the turn fails with; a model or dict, said as JSON; or a
function of the request that returns one of these."""

Script: TypeAlias = Sequence[Turn] | Mapping[str, Sequence[Turn]] | Callable[[Json], Turn]


class ScriptedModel:
    """Answers model turns from a script, in the order in which they are asked for the first time.

    A turn that is asked again because a worker died gets the same answer: it is known by its idempotency key.

    Args:
        script: The turns of the only agent; of each agent by its id; or a function of the request.

    Attributes:
        requests: What was asked so far: `agent`, `messages`, `tools` and so on.
        gate: Turns wait for it; open unless a test closes it.
    """

    def __init__(self, script: Script) -> None:
        self.requests: list[Json] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._script = script
        self._given: dict[str, Turn] = {}
        self._next: dict[str, int] = {}

    async def run_turn(self, item: WorkItem, scope: Scope, channel: Channel) -> Outcome:
        """Answer a turn as the script has it."""
        del scope
        request = item.input
        self.requests.append(request)
        await self.gate.wait()
        if item.key in self._given:
            turn = self._given[item.key]
        else:
            turn = self._find(request)
            if not isinstance(turn, Exception):
                self._given[item.key] = turn
        return self._said(turn, len(request["messages"]), channel)

    def _find(self, request: Json) -> Turn:
        if callable(self._script):
            return self._script(request)
        agent = request["agent"] if isinstance(self._script, Mapping) else ""
        turns = self._script.get(agent, ()) if isinstance(self._script, Mapping) else self._script
        number = self._next.get(agent, 0)
        self._next[agent] = number + 1
        if number < len(turns):
            turn = turns[number]
            return turn(request) if callable(turn) else turn
        return LookupError(f"the script has {len(turns)} turns for agent {request['agent']!r}; it asked for one more")

    def _said(self, turn: Turn, position: int, channel: Channel) -> Outcome:
        if isinstance(turn, Exception):
            return Failed(error=ErrorInfo(type="ModelError", message=str(turn), code="model_error"), usage=USAGE)
        calls = [turn] if isinstance(turn, ToolCall) else turn if isinstance(turn, list) else []
        text = "" if calls else turn if isinstance(turn, str) else json.dumps(dump(turn))
        for part in text.split(" ") if text else ():
            channel.publish("agent_text_delta", {"text": part})
        output: Json = {
            "text": text,
            "tool_calls": [
                {"id": f"call-{position}-{number}", "name": call.tool, "arguments": call.arguments, "malformed": False}
                for number, call in enumerate(calls)
            ],
            "finish_reason": "tool_calls" if calls else "stop",
            "model": "scripted/one",
        }
        return Succeeded(output=output, usage=USAGE)
