"""Model turns against a real HTTP server and the real client: streaming, faults, fallbacks, money."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import pytest

from greenroom.actors.deltas import DeltaWriter
from greenroom.actors.model_turn import MAX_WAIT_S, ModelTurns
from greenroom.actors.openai_client import Ended, ModelClients, ModelFault, TextDelta, Used
from greenroom.actors.rehearsal.script import Fault, Reply, ScriptedCall, ScriptedUsage
from greenroom.actors.rehearsal.server import RehearsalServer
from greenroom.runtime.contracts.entries import Failed, Outcome, Succeeded, TargetKind, Usage
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Scope, WorkItem

USAGE = ScriptedUsage(prompt_tokens=1000, completion_tokens=10)
PRICES = {"input": 1_000_000, "output": 2_000_000}


@pytest.fixture
def server() -> Iterator[RehearsalServer]:
    """A model server without a script."""
    with RehearsalServer() as running:
        yield running


class Stream:
    """A channel that keeps what is published."""

    def __init__(self) -> None:
        self.chunks: list[tuple[str, Json]] = []
        self.first = asyncio.Event()

    def publish(self, type: str, data: Json) -> None:
        self.chunks.append((type, data))
        self.first.set()

    async def write_durably(self, data: Json) -> None:
        raise NotImplementedError

    async def call(self, name: str, kind: TargetKind, target: str, input: Json, options: dict[str, Json]) -> Json:
        raise NotImplementedError

    def text(self, event: str = "agent_text_delta", field: str = "text") -> str:
        """What a reader has in the end: everything since the last reset."""
        kept: list[str] = []
        for kind, data in self.chunks:
            if kind == "agent_stream_reset":
                kept.clear()
            elif kind == event:
                kept.append(data[field])
        return "".join(kept)

    def count(self, event: str) -> int:
        return sum(kind == event for kind, _ in self.chunks)


class Desk:
    """Runs turns against one server."""

    def __init__(self, server: RehearsalServer, **settings: Any) -> None:
        self.server = server
        self.waits: list[float] = []
        self.stream = Stream()
        provider = {"base_url": server.base_url, "prices": PRICES, **settings}
        self.clients = ModelClients({"here": provider, "other": {**provider, "prices": {"*": PRICES}}}, {})
        self.turns = ModelTurns(self.clients, sleep=self.wait)

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def run(self, *models: str, prompt: str = "Hello", **fields: Any) -> Outcome:
        messages = [{"role": "user", "content": prompt}]
        turn = {"models": list(models or ("here/m-1",)), "messages": messages, "agent": "a", **fields}
        item = WorkItem(path="turn[0]", attempt=1, bundle="b", kind="turn", code="a", key="run-1:turn[0]", input=turn)
        try:
            return await self.turns.run_turn(item, Scope(run_id="run-1", workspace="w"), self.stream)
        finally:
            await self.clients.close()


def output_of(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, Succeeded), outcome
    assert isinstance(outcome.output, dict)
    return outcome.output


async def test_a_turn_streams_its_text_and_gives_it_whole(server: RehearsalServer) -> None:
    """The deltas joined are the text of the output; tokens are counted and priced."""
    server.script.add(Reply(text="The stage is set for tonight.", usage=USAGE))
    desk = Desk(server)
    outcome = await desk.run()
    output = output_of(outcome)
    assert output["text"] == desk.stream.text() == "The stage is set for tonight."
    assert (output["finish_reason"], output["model"], output["provider"]) == ("stop", "m-1", "here")
    assert isinstance(outcome, Succeeded)
    assert outcome.usage is not None
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens, outcome.usage.cost_micros) == (1000, 10, 1020)


async def test_tokens_are_gathered(server: RehearsalServer) -> None:
    """The runtime gets far fewer chunks than there are tokens, and none is missing."""
    text = " ".join(f"word{n}" for n in range(200))
    server.script.add(Reply(text=text, per_token_s=0.001))
    desk = Desk(server)
    await desk.run()
    deltas = [data["text"] for kind, data in desk.stream.chunks if kind == "agent_text_delta"]
    assert "".join(deltas) == text
    assert len(deltas) < 100


async def test_tool_calls_are_parsed(server: RehearsalServer) -> None:
    """Arguments are an object; a turn that calls ends with `tool_calls`."""
    calls = (ScriptedCall(name="search", arguments={"query": "a", "limit": 2}), ScriptedCall(name="now"))
    server.script.add(Reply(tool_calls=calls))
    desk = Desk(server)
    parameters = {"type": "object", "properties": {}}
    tools = [{"type": "function", "function": {"name": name, "parameters": parameters}} for name in ("search", "now")]
    output = output_of(await desk.run(tools=tools))
    told = [(call["name"], call["arguments"], call["malformed"]) for call in output["tool_calls"]]
    assert told == [("search", {"query": "a", "limit": 2}, False), ("now", {}, False)]
    assert output["finish_reason"] == "tool_calls"
    assert len({call["id"] for call in output["tool_calls"]}) == 2
    assert desk.stream.count("agent_tool_call_delta") >= 1


async def test_malformed_arguments_are_handed_on_as_text(server: RehearsalServer) -> None:
    """The loop gives them back to the model; nobody guesses what was meant."""
    server.script.add(Reply(tool_calls=(ScriptedCall(name="search", arguments='{"query": "a'),)))
    desk = Desk(server)
    tools = [{"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}]
    (call,) = output_of(await desk.run(tools=tools))["tool_calls"]
    assert (call["arguments"], call["malformed"]) == ('{"query": "a', True)


async def test_structured_output_and_settings_are_sent(server: RehearsalServer) -> None:
    """The schema goes natively, and settings as they are."""
    desk = Desk(server)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    await desk.run(response_schema={"name": "count", "schema": schema}, settings={"temperature": 0.1, "seed": 7})
    body = server.requests[-1].body
    assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "count", "schema": schema}}
    assert (body["temperature"], body["seed"], body["stream_options"]) == (0.1, 7, {"include_usage": True})


async def test_the_key_goes_along_as_a_header() -> None:
    """A provider that knows idempotency keys bills a repeated turn once; a fallback is another request."""
    heads: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        clients = ModelClients({"p": {"base_url": f"http://127.0.0.1:{port}", "headers": {"x-team": "stage"}}}, {})
        turn = {"models": ["p/a", "p/b"], "messages": []}
        item = WorkItem(path="t", attempt=1, bundle="b", kind="turn", code="a", key="run-1:t", input=turn)
        outcome = await ModelTurns(clients).run_turn(item, Scope(run_id="r", workspace="w"), Stream())
        await clients.close()
    assert isinstance(outcome, Failed)
    assert ["idempotency-key: run-1:t\r\n" in head for head in heads] == [True, False]
    assert "idempotency-key: run-1:t:1\r\n" in heads[1]
    assert all("x-team: stage" in head for head in heads)


async def test_every_repetition_of_a_turn_has_the_same_header() -> None:
    """33. Retries inside an attempt, and the attempt that follows a lost one, ask with one key."""
    keys: list[str] = []

    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        keys.extend(line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("idempotency-key"))
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def no_wait(_seconds: float) -> None:
        return

    async with await asyncio.start_server(busy, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        clients = ModelClients({"p": {"base_url": f"http://127.0.0.1:{port}", "max_attempts": 2}}, {})
        turn = {"models": ["p/a"], "messages": []}
        for attempt in (1, 2):
            item = WorkItem(path="t", attempt=attempt, bundle="b", kind="turn", code="a", key="the-key", input=turn)
            await ModelTurns(clients, sleep=no_wait).run_turn(item, Scope(run_id="r", workspace="w"), Stream())
        await clients.close()
    assert keys == ["the-key"] * 4


async def test_a_busy_provider_is_asked_again_when_it_said(server: RehearsalServer) -> None:
    """Retry-After is honoured; the answer then is an ordinary one."""
    server.script.add(Reply(fault=Fault.http(429, retry_after_s=3)), Reply(text="now"))
    desk = Desk(server)
    assert output_of(await desk.run())["text"] == "now"
    assert desk.waits == [3.0]
    assert desk.stream.count("agent_stream_reset") == 0


async def test_a_provider_that_stays_broken_is_left_for_the_next_model(server: RehearsalServer) -> None:
    """Each model has its attempts; the output says which one answered."""
    server.script.add(Reply(fault=Fault.http(500), model="m-1", times=None), Reply(text="from the second", model="m-2"))
    desk = Desk(server, max_attempts=2)
    output = output_of(await desk.run("here/m-1", "other/m-2"))
    assert (output["text"], output["provider"], output["model"]) == ("from the second", "other", "m-2")
    assert [seen.model for seen in server.requests] == ["m-1", "m-1", "m-2"]
    assert len(desk.waits) == 1
    assert 0 < desk.waits[0] <= 0.5


async def test_a_very_long_retry_after_goes_to_the_fallback_at_once(server: RehearsalServer) -> None:
    """Without a fallback the wait is bounded."""
    server.script.add(Reply(fault=Fault.http(429, retry_after_s=600), model="m-1"), Reply(text="two", model="m-2"))
    desk = Desk(server)
    assert output_of(await desk.run("here/m-1", "here/m-2"))["text"] == "two"
    assert desk.waits == []
    server.script.add(Reply(fault=Fault.http(503, retry_after_s=600)), Reply(text="one"))
    alone = Desk(server)
    assert output_of(await alone.run())["text"] == "one"
    assert alone.waits == [MAX_WAIT_S]


async def test_a_refused_request_is_not_repeated(server: RehearsalServer) -> None:
    """A request that is wrong stays wrong; the fault is told with its status."""
    server.script.add(Reply(fault=Fault.http(400, message="bad tools"), times=None))
    desk = Desk(server)
    outcome = await desk.run()
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.retryable) == ("model_error", False)
    assert "400" in outcome.error.message
    assert "bad tools" in outcome.error.message
    assert len(server.requests) == 1


async def test_a_stream_that_breaks_is_restarted_and_readers_are_told(server: RehearsalServer) -> None:
    """What readers hold after the reset is the whole second answer and nothing of the first."""
    server.script.add(
        Reply(text="one two three four five six", fault=Fault.broken(after_chunks=4)), Reply(text="whole")
    )
    desk = Desk(server)
    assert output_of(await desk.run())["text"] == desk.stream.text() == "whole"
    assert desk.stream.count("agent_stream_reset") == 1


async def test_a_stream_that_never_ends_well_fails(server: RehearsalServer) -> None:
    """A part of an answer is never presented as the answer."""
    server.script.add(Reply(text="one two three four five six", fault=Fault.broken(after_chunks=4), times=None))
    desk = Desk(server)
    outcome = await desk.run()
    assert isinstance(outcome, Failed)
    assert outcome.error.retryable
    assert desk.stream.text() == ""
    assert desk.stream.count("agent_stream_reset") == len(server.requests) == 3


async def test_a_stalled_stream_is_given_up(server: RehearsalServer) -> None:
    """Silence longer than the provider's limit counts as a fault."""
    server.script.add(Reply(text="one two three", fault=Fault.stall(after_chunks=2)), Reply(text="whole"))
    desk = Desk(server, timeout_s=0.3)
    assert output_of(await desk.run())["text"] == "whole"
    assert desk.stream.count("agent_stream_reset") == 1


async def test_an_unreachable_endpoint_fails_as_a_model_error() -> None:
    """Nothing listens: the error says so after its attempts."""
    server = RehearsalServer()
    with server:
        base_url = server.base_url
    desk = Desk(server)
    desk.clients = ModelClients({"here": {"base_url": base_url}}, {})
    desk.turns = ModelTurns(desk.clients, sleep=desk.wait)
    outcome = await desk.run()
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.retryable, len(desk.waits)) == ("model_error", True, 2)


@pytest.mark.parametrize("name", ["elsewhere/m-1", "m-1", "here/"])
async def test_an_unknown_provider_lists_those_there_are(server: RehearsalServer, name: str) -> None:
    """A misspelt model is told with what would do."""
    outcome = await Desk(server).run(name)
    assert isinstance(outcome, Failed)
    assert (outcome.error.type, outcome.error.code, outcome.error.retryable) == ("ModelError", "model_error", False)
    assert "here, other" in outcome.error.message


async def test_a_missing_key_names_its_variable(server: RehearsalServer) -> None:
    """The key is looked up where agents run."""
    outcome = await Desk(server, api_key_env="ACME_KEY").run()
    assert isinstance(outcome, Failed)
    assert "ACME_KEY" in outcome.error.message


async def test_a_cancelled_turn_lets_go_of_the_provider(server: RehearsalServer) -> None:
    """Nobody pays for tokens after a cancel."""
    server.script.add(Reply(text="word " * 500, per_token_s=0.02))
    desk = Desk(server)
    running = asyncio.create_task(desk.run())
    await asyncio.wait_for(desk.stream.first.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert desk.stream.text().count("word") < 500


class PaidForNothing:
    """A model whose first stream breaks after the provider has counted its tokens."""

    provider, name, max_attempts = "here", "m-1", 2

    def __init__(self) -> None:
        self.asked = 0

    def find_model(self, _: str) -> Any:
        return self

    async def stream(self, _: Any) -> AsyncIterator[Any]:
        self.asked += 1
        yield Used(Usage(input_tokens=10, cost_micros=3))
        if self.asked == 1:
            raise ModelFault("cut", is_retryable=True)
        yield TextDelta("whole")
        yield Ended("stop")


async def test_what_a_failed_attempt_cost_is_counted() -> None:
    """Every paid attempt is in the usage of the turn."""
    stream, model = Stream(), PaidForNothing()

    async def no_wait(_: float) -> None: ...

    turns = ModelTurns(cast("ModelClients", model), sleep=no_wait)
    turn = {"models": ["here/m-1"], "messages": []}
    item = WorkItem(path="t", attempt=1, bundle="b", kind="turn", code="a", key="k", input=turn)
    outcome = await turns.run_turn(item, Scope(run_id="r", workspace="w"), stream)
    assert isinstance(outcome, Succeeded)
    assert outcome.usage == Usage(input_tokens=20, cost_micros=6)


async def test_the_first_delta_goes_out_at_once_and_later_ones_are_gathered() -> None:
    """Readers see the first token early; pieces of one thing within the interval become one chunk, in order."""
    now = 100.0
    stream = Stream()
    writer = DeltaWriter(stream, clock=lambda: now)
    writer.add("agent_text_delta", "text", "a")
    assert stream.chunks == [("agent_text_delta", {"text": "a"})]
    for piece in "bc":
        writer.add("agent_text_delta", "text", piece)
    writer.add("agent_tool_call_delta", "arguments", "{", {"id": "1"})
    assert len(stream.chunks) == 1
    now += 0.03
    writer.add("agent_tool_call_delta", "arguments", "}", {"id": "1"})
    assert stream.chunks[1:] == [
        ("agent_text_delta", {"text": "bc"}),
        ("agent_tool_call_delta", {"id": "1", "arguments": "{}"}),
    ]


async def test_gathered_deltas_go_out_by_themselves() -> None:
    """A model that pauses does not hold back what it has said."""
    stream = Stream()
    writer = DeltaWriter(stream)
    writer.add("agent_text_delta", "text", "a")
    writer.add("agent_text_delta", "text", "b")
    stream.first.clear()
    await asyncio.wait_for(stream.first.wait(), 5)
    assert stream.text() == "ab"
