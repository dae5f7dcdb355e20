"""The whole way of a request, in this process: the HTTP application over a real runtime whose models are scripted."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from greenroom import App
from greenroom.runtime.client.plain import plain_client
from greenroom.runtime.contracts.config import ServeSection
from greenroom.runtime.contracts.entries import ErrorInfo, Failed, Outcome, Succeeded, Usage
from greenroom.runtime.contracts.values import Json
from greenroom.serve.api import create_api
from tests.host.harness import Harness

USAGE = Usage(input_tokens=10, output_tokens=5, cost_micros=7)


def said(text: str) -> dict[str, Json]:
    """Return a turn that answers with text."""
    return {"text": text, "tool_calls": [], "finish_reason": "stop", "model": "scripted"}


def called(*calls: tuple[str, str, Json]) -> dict[str, Json]:
    """Return a turn that calls tools: `(call id, name, arguments)`."""
    made = [{"id": id, "name": name, "arguments": arguments, "malformed": False} for id, name, arguments in calls]
    return {"text": "", "tool_calls": made, "finish_reason": "tool_calls", "model": "scripted"}


class ScriptedTurns:
    """Plays model turns in order; a text is an error of the model."""

    def __init__(self, *turns: dict[str, Json] | str) -> None:
        self.turns: list[dict[str, Json] | str] = list(turns)
        self.asked: list[Json] = []
        self.gate: asyncio.Event | None = None

    def play(self, *turns: dict[str, Json] | str) -> None:
        """Set the turns that come next."""
        self.turns = list(turns)

    async def run_turn(self, item: Any, scope: Any, channel: Any) -> Outcome:
        """Play the next turn; its text is streamed word by word."""
        del scope
        self.asked.append(item.input)
        turn = self.turns.pop(0)
        if isinstance(turn, str):
            return Failed(error=ErrorInfo(type="ModelError", message=turn, code="model_error"), usage=None)
        words = turn["text"].split(" ")
        for number, word in enumerate(words if turn["text"] else []):
            if number == 1 and self.gate is not None:
                await self.gate.wait()
            channel.publish("agent_text_delta", {"text": word if number == 0 else f" {word}"})
        for index, call in enumerate(turn["tool_calls"]):
            facts = {"index": index, "id": call["id"], "name": call["name"]}
            channel.publish("agent_tool_call_delta", {**facts, "arguments": json.dumps(call["arguments"])})
        return Succeeded(output=turn, usage=USAGE)


class Stage:
    """A runtime and an HTTP client of it."""

    def __init__(self, harness: Harness, http: httpx.AsyncClient, api: Any) -> None:
        self.harness = harness
        self.http = http
        self.api = api

    async def post(self, path: str, body: Json = None, **options: Any) -> httpx.Response:
        """Send a POST; without a body it has none, and no content type."""
        return await self.http.post(path, **({} if body is None else {"json": body}), **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET."""
        return await self.http.get(path, **options)

    async def records(self, path: str, body: Json = None, **options: Any) -> list[dict[str, Json]]:
        """Return the events of a workflow's stream, read to its end."""
        response = await self.post(path, body, **options)
        assert response.status_code == 200, response.text
        return read_records(response.text)

    async def chunks(self, path: str, body: Json = None, **options: Any) -> list[dict[str, Json]]:
        """Return the chunks of an agent's stream, read to its end."""
        response = await self.post(path, body, **options)
        assert response.status_code == 200, response.text
        return read_chunks(response.text)


def read_records(text: str) -> list[dict[str, Json]]:
    """Read a workflow's stream as the client does."""
    assert text == "" or text.endswith("\x1e")
    return [json.loads(record) for record in text.split("\x1e") if record]


def read_chunks(text: str) -> list[dict[str, Json]]:
    """Read an agent's stream as the client does: every frame begins with `data: `, the last one is `[DONE]`."""
    frames = text.split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""]
    return [json.loads(frame.removeprefix("data: ")) for frame in frames[:-2] if not frame.startswith(":")]


@asynccontextmanager
async def staged(app: App, turns: Any = None, **settings: Any) -> AsyncGenerator[Stage]:
    """Open a stage with an app."""
    async with Harness(app, turns=turns) as harness:
        client = plain_client(harness.client.link)
        api = create_api(lambda _workspace: client, ServeSection(**settings))
        transport = httpx.ASGITransport(api)
        async with httpx.AsyncClient(transport=transport, base_url="http://stage", timeout=10) as http:
            yield Stage(harness, http, api)
