"""Model turns that a test has written: what each turn of an agent answers."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from greenroom.runtime.contracts.entries import ErrorInfo, Failed, Outcome, Succeeded, Usage
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.definitions.context import Channel

USAGE = Usage(input_tokens=10, output_tokens=5, total_tokens=15, cost_micros=100)


def said(text: str) -> Json:
    """Return a turn that answers with a text."""
    return {"text": text, "tool_calls": [], "finish_reason": "stop", "model": "scripted/one"}


def called(*calls: tuple[str, Json], ids: list[str] | None = None, text: str = "") -> Json:
    """Return a turn that calls tools, given as pairs of a name and arguments."""
    found = [
        {"id": ids[number] if ids else f"call-{name}-{number}", "name": name, "arguments": arguments}
        for number, (name, arguments) in enumerate(calls)
    ]
    return {"text": text, "tool_calls": found, "finish_reason": "tool_calls", "model": "scripted/one"}


class ScriptedTurns:
    """Executes model turns from a script.

    Attributes:
        asked: The requests so far, with the agent, in order.
        gate: Turns wait for it; open unless a test closes it.
    """

    def __init__(self, script: dict[str, list[Any]] | list[Any] | Callable[[Json], Any]) -> None:
        self.script = script
        self.asked: list[Json] = []
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def run_turn(self, item: WorkItem, scope: Scope, channel: Channel) -> Outcome:
        """Answer with what the script has for this turn of this agent: by the turns it has made before."""
        request = item.input
        self.asked.append(request)
        self.started.set()
        await self.gate.wait()
        answer = self._answer(request)
        if isinstance(answer, Exception):
            return Failed(error=ErrorInfo(type="ModelError", message=str(answer), code="model_error"), usage=USAGE)
        for part in answer["text"].split(" ") if answer["text"] else ():
            channel.publish("agent_text_delta", {"text": part})
        return Succeeded(output=json.loads(json.dumps(answer)), usage=USAGE)

    def _answer(self, request: Json) -> Any:
        if callable(self.script):
            return self.script(request)
        turns = self.script[request["agent"]] if isinstance(self.script, dict) else self.script
        return turns[sum(1 for message in request["messages"] if message["role"] == "assistant")]
