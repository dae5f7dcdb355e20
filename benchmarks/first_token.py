"""Time to first token: what going through the runtime adds to asking the model itself, call by call in turn."""

import time

import openai

from benchmarks.figures import Row, milliseconds, percentile
from greenroom.actors.rehearsal.server import RehearsalServer
from greenroom.runtime.client.runtime import RuntimeClient

PROMPT = "Say something about the theatre."


async def _direct(client: openai.AsyncOpenAI) -> float:
    begin = time.perf_counter()
    stream = await client.chat.completions.create(
        model="writer", messages=[{"role": "user", "content": PROMPT}], stream=True
    )
    elapsed: float | None = None
    async for chunk in stream:
        if elapsed is None and chunk.choices and chunk.choices[0].delta.content:
            elapsed = time.perf_counter() - begin
    if elapsed is None:
        message = "the model said nothing"
        raise RuntimeError(message)
    return elapsed


async def _through(runtime: RuntimeClient) -> float:
    begin = time.perf_counter()
    elapsed: float | None = None
    async for chunk in runtime.agent("writer").stream(PROMPT):
        if chunk.type == "text_delta" and elapsed is None:
            elapsed = time.perf_counter() - begin
    if elapsed is None:
        message = "the agent said nothing"
        raise RuntimeError(message)
    return elapsed


async def added(runtime: RuntimeClient, server: RehearsalServer, repetitions: int) -> list[Row]:
    """Measure both ways in turn and print what the runtime adds at the median."""
    direct: list[float] = []
    through: list[float] = []
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="rehearsal") as client:
        for number in range(repetitions + 3):
            one, other = await _direct(client), await _through(runtime)
            if number >= 3:
                direct.append(one)
                through.append(other)
    more = percentile(through, 0.5) - percentile(direct, 0.5)
    return [
        Row(name="first token, asked directly", figure=milliseconds(direct)),
        Row(name="first token, through the runtime", figure=milliseconds(through)),
        Row(name="added to the first token", figure=f"p50 {more * 1e3:.2f} ms", aim="p50 at most 25 ms"),
    ]
