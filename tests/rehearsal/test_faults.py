"""Scripted faults, as the client sees them."""

import asyncio
import json

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionUserMessageParam

from greenroom.actors.rehearsal.script import Fault, Reply, ScriptedCall
from greenroom.actors.rehearsal.server import RehearsalServer

ASK: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Hello there, how are you?"}]
SHORT_S = 0.2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
async def test_a_status_is_raised(
    client: AsyncOpenAI, server: RehearsalServer, status: int, error: type[openai.APIStatusError]
) -> None:
    """The client raises its error for the status, with the scripted message; the next request is answered."""
    server.script.add(Reply(fault=Fault.http(status, retry_after_s=1.5, message="not now")))
    with pytest.raises(error, match="not now") as caught:
        await client.chat.completions.create(model="rehearsal", messages=ASK)
    assert caught.value.status_code == status
    assert (caught.value.response.headers["retry-after"], caught.value.response.headers["retry-after-ms"]) == (
        "2",
        "1500",
    )
    assert (await client.chat.completions.create(model="rehearsal", messages=ASK)).choices
    assert [seen.outcome for seen in server.requests] == ["faulted", "answered"]


async def test_the_clients_own_retries_get_through(server: RehearsalServer) -> None:
    """A client that retries twice survives two failures and honours Retry-After."""
    server.script.add(Reply(fault=Fault.http(429, retry_after_s=0.01), times=2))
    async with AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=2) as client:
        assert (await client.chat.completions.create(model="rehearsal", messages=ASK)).choices
    assert len(server.requests) == 3


async def test_embeddings_and_images_can_fail(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """A fault for another endpoint waits for it."""
    server.script.add(Reply(on="embeddings", fault=Fault.http(500)), Reply(on="images", fault=Fault.http(429)))
    assert (await client.chat.completions.create(model="rehearsal", messages=ASK)).choices
    with pytest.raises(openai.InternalServerError):
        await client.embeddings.create(model="rehearsal", input="x")
    with pytest.raises(openai.RateLimitError):
        await client.images.generate(model="rehearsal", prompt="x")
    assert server.script.pending == 0


async def read(client: AsyncOpenAI, seen: list[ChatCompletionChunk], patience_s: float = 10.0) -> None:
    """Reads a stream into a list, until it ends or fails."""
    patience = openai.Timeout(10.0, read=patience_s)
    stream = await client.chat.completions.create(model="rehearsal", messages=ASK, stream=True, timeout=patience)
    async for chunk in stream:
        seen.append(chunk)  # noqa: PERF401  # what came before the failure is what the test looks at


async def test_a_stalled_stream_sends_its_chunks_and_no_more(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """After k chunks the client runs into its own read timeout."""
    server.script.add(Reply(fault=Fault.stall(after_chunks=3)))
    seen: list[ChatCompletionChunk] = []
    with pytest.raises(openai.APITimeoutError):
        await read(client, seen, SHORT_S)
    assert len(seen) == 3


async def test_a_stalled_answer_times_out(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """Without a stream nothing comes at all."""
    server.script.add(Reply(fault=Fault.stall()))
    with pytest.raises(openai.APITimeoutError):
        await client.chat.completions.create(model="rehearsal", messages=ASK, timeout=SHORT_S)


async def test_a_client_that_leaves_ends_the_stall(server: RehearsalServer) -> None:
    """The server notices that the client went away: nothing is in flight after it."""
    server.script.add(Reply(fault=Fault.stall(after_chunks=1)))
    body = {"model": "rehearsal", "messages": ASK, "stream": True}
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        async with http.stream("POST", "/chat/completions", json=body) as response:
            await anext(response.aiter_bytes())
            assert server.requests[0].outcome == "open"
        async with asyncio.timeout(5.0):
            while server.requests[0].outcome == "open":
                await http.get(server.base_url.removesuffix("/v1") + "/healthz")
    assert server.requests[0].outcome == "client_gone"


async def test_a_broken_stream_is_a_protocol_error(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """The connection closes after k chunks, without an end."""
    server.script.add(Reply(fault=Fault.broken(after_chunks=2)))
    seen: list[ChatCompletionChunk] = []
    with pytest.raises(openai.APIConnectionError):
        await read(client, seen)
    assert len(seen) == 2
    assert server.requests[0].outcome == "faulted"


async def test_a_broken_answer_is_a_connection_error(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """Half a body, then the connection closes."""
    server.script.add(Reply(fault=Fault.broken()))
    with pytest.raises(openai.APIConnectionError):
        await client.chat.completions.create(model="rehearsal", messages=ASK)


async def test_malformed_arguments_are_no_json(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """Arguments are cut by the fault, or sent as scripted."""
    server.script.add(
        Reply(tool_calls=(ScriptedCall(name="f", arguments={"query": "x"}),), fault=Fault.malformed_arguments()),
        Reply(tool_calls=(ScriptedCall(name="f", arguments="{'query':"),)),
    )
    for _ in range(2):
        reply = await client.chat.completions.create(model="rehearsal", messages=ASK)
        (call,) = reply.choices[0].message.tool_calls or []
        assert call.type == "function"
        with pytest.raises(json.JSONDecodeError):
            json.loads(call.function.arguments)


async def test_a_slow_answer_waits_before_its_first_token() -> None:
    """The wait is the fault's, and it comes once."""
    waits: list[float] = []

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)

    with RehearsalServer(sleep=sleep) as server:
        server.script.add(Reply(fault=Fault.slow(30.0), times=2))
        async with AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
            await client.chat.completions.create(model="rehearsal", messages=ASK)
            async for _ in await client.chat.completions.create(model="rehearsal", messages=ASK, stream=True):
                continue
    assert waits == [30.0, 30.0]
