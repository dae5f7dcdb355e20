"""Streams: the order and the content of their chunks."""

import httpx
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionFunctionToolParam

from greenroom.actors.rehearsal.script import Reply, Script, ScriptedCall
from greenroom.actors.rehearsal.server import RehearsalServer

TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search documents.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}


async def test_text_comes_in_pieces_after_the_role(client: AsyncOpenAI) -> None:
    """Role first, several pieces, the reason of the end last; joined they are the whole answer."""
    whole = await client.chat.completions.create(model="rehearsal", messages=[{"role": "user", "content": "Hello you"}])
    stream = await client.chat.completions.create(
        model="rehearsal", messages=[{"role": "user", "content": "Hello you"}], stream=True
    )
    chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert deltas[0].role == "assistant"
    assert len(deltas) > 4
    assert "".join(delta.content or "" for delta in deltas) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]
    assert {chunk.id for chunk in chunks} == {whole.id}
    assert all(chunk.usage is None for chunk in chunks)


async def test_usage_comes_last_when_asked_for(client: AsyncOpenAI) -> None:
    """With `include_usage` the last chunk has no choice and the usage of the whole; the others say null."""
    stream = await client.chat.completions.create(
        model="rehearsal",
        messages=[{"role": "user", "content": "Hello"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


async def test_tool_calls_come_in_fragments(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """Id and name come once per call, arguments in fragments that join to the JSON text."""
    long = {"query": "a long query that does not fit into a single fragment"}
    server.script.add(
        Reply(tool_calls=(ScriptedCall(name="search", arguments=long), ScriptedCall(name="search", arguments="{}")))
    )
    async with client.chat.completions.stream(
        model="rehearsal", messages=[{"role": "user", "content": "Go"}], tools=[TOOL]
    ) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls or []
    assert [call.function.arguments for call in calls] == [
        '{"query": "a long query that does not fit into a single fragment"}',
        "{}",
    ]
    assert len({call.id for call in calls}) == 2
    assert final.choices[0].finish_reason == "tool_calls"
    assert sum(event.type == "tool_calls.function.arguments.delta" for event in events) > 2


async def test_the_stream_ends_with_done(server: RehearsalServer) -> None:
    """The bytes are server-sent events that end with `[DONE]`, the same each time."""
    body = {"model": "rehearsal", "stream": True, "messages": [{"role": "user", "content": "Grüße, 世界"}]}
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        first, second = [await http.post("/chat/completions", json=body) for _ in range(2)]
    assert first.headers["content-type"].startswith("text/event-stream")
    assert first.text.endswith("data: [DONE]\n\n")
    assert "世界" in first.text
    assert first.content == second.content


async def test_pacing_waits_for_each_token() -> None:
    """The waits add up to the first token's and one for each estimated token."""
    waits: list[float] = []

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)

    script = Script([Reply(text="one two three four five six seven", times=None)])
    with RehearsalServer(script, tokens_per_s=10.0, first_token_s=2.0, sleep=sleep) as server:
        async with AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
            stream = await client.chat.completions.create(
                model="rehearsal", messages=[{"role": "user", "content": "Go"}], stream=True
            )
            pieces = [chunk async for chunk in stream if chunk.choices[0].delta.content]
    assert len(pieces) == len(waits) == 2
    assert waits[0] > 2.0 > waits[1] > 0
    assert sum(waits) >= 2.0 + 33 / 4 / 10
