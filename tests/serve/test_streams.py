"""Streams over HTTP while things go wrong: silence, readers that leave, failures on the way."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.errors import RuntimeUnavailable
from greenroom.serve.following import with_heartbeats
from tests.serve.reader import Reader
from tests.serve.scripted_link import MOVING, STARTED, ScriptedLink, api_of, event, http_of, polled
from tests.serve.stage import ScriptedTurns, Stage, read_chunks, read_records, said

STREAMS = {
    "workflow": ("POST", "/api/workflows/w/stream", b"\x1e"),
    "agent": ("POST", "/api/agents/a/stream", b": ping\n\n"),
    "events": ("GET", "/api/runs/r/events", b": ping\n\n"),
}
BODY = {"messages": "hi"}


@pytest.mark.parametrize("kind", STREAMS)
async def test_a_silent_stream_beats(kind: str) -> None:
    """A heartbeat in each family's own form, while the runtime has nothing to say."""
    method, path, beat = STREAMS[kind]
    link = ScriptedLink(start=STARTED, get=MOVING, poll=polled(is_ended=False))
    reader = Reader(method, path, b'{"messages":"hi"}' if method == "POST" else b"")
    serving = asyncio.create_task(api_of(link, heartbeat_s=0.001)(reader.scope, reader.receive, reader.send))
    assert [await reader.received.get() for _ in range(2)] == [beat, beat]
    reader.gone.set()
    await serving


@pytest.mark.parametrize("kind", STREAMS)
async def test_a_reader_that_leaves_ends_its_subscription_and_not_the_run(kind: str) -> None:
    """The stream stops asking; no cancel is sent."""
    method, path, _ = STREAMS[kind]
    told = [event(1, "run_started"), event(2, "agent_text_delta", "turn[0]", text="x")]
    link = ScriptedLink(start=STARTED, get=MOVING, poll=polled(told, is_ended=False))
    reader = Reader(method, path, b'{"messages":"hi"}' if method == "POST" else b"")
    before = asyncio.all_tasks()
    serving = asyncio.create_task(api_of(link)(reader.scope, reader.receive, reader.send))
    await reader.received.get()
    reader.gone.set()
    await serving
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert link.asked(requests.Cancel) == []


async def test_a_run_goes_on_when_its_reader_has_gone(stage: Stage, turns: ScriptedTurns) -> None:
    """An agent's answer is finished and kept although nobody reads the stream any more."""
    turns.play(said("all of it"))
    turns.gate = asyncio.Event()
    reader = Reader("POST", "/api/agents/writer/stream", b'{"messages":"hi","runId":"r"}')
    serving = asyncio.create_task(stage.api(reader.scope, reader.receive, reader.send))
    first = b""
    while b"text-delta" not in first:
        first = await reader.received.get()
    reader.gone.set()
    await serving
    turns.gate.set()
    reply = (await stage.post("/api/agents/writer/generate", {"messages": "hi", "runId": "r"})).json()
    assert reply["text"] == "all of it"


async def test_a_slow_reader_holds_one_page_and_asks_for_no_other() -> None:
    """The next page is asked for when the last one was taken."""
    pages = [[event(seq, "run_waiting")] for seq in range(1, 6)]
    link = ScriptedLink(get=MOVING, poll=polled(*pages))
    gate = asyncio.Semaphore(0)
    reader = Reader("GET", "/api/runs/r/events")

    async def slowly(message: Any) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            await gate.acquire()

    serving = asyncio.create_task(api_of(link)(reader.scope, reader.receive, slowly))
    for taken in range(1, 5):
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(link.asked(requests.Poll)) <= taken + 1
        gate.release()
    for _ in range(5):
        gate.release()
    await serving


@pytest.mark.parametrize("kind", STREAMS)
async def test_a_failure_on_the_way_is_told_in_the_stream(kind: str) -> None:
    """The status is sent already; the last record says what happened, and agents' streams still end with [DONE]."""
    method, path, _ = STREAMS[kind]
    pages = iter([{"events": [event(1, "run_started")], "cursor": "c", "is_ended": False, "status": "running"}])

    def poll(_request: requests.Request) -> Any:
        page = next(pages, None)
        if page is None:
            raise RuntimeUnavailable("the runtime has gone")
        return page

    async with http_of(ScriptedLink(start=STARTED, get=MOVING, poll=poll)) as http:
        response = await http.request(method, path, json=BODY if method == "POST" else None)
    assert response.status_code == 200
    if kind == "workflow":
        last = read_records(response.text)[-1]
        assert (last["type"], last["payload"]["error"]["code"]) == ("error", "runtime_unavailable")
    elif kind == "agent":
        last = read_chunks(response.text)[-1]
        assert (last["type"], last["payload"]["error"]["message"]) == ("error", "the runtime has gone")
    else:
        assert response.text.split("\n\n")[-2].startswith("event: error\ndata: ")


async def test_a_stream_that_cannot_begin_has_its_status(stage: Stage) -> None:
    """Unknown runs and wrong input are refused before the first byte."""
    responses: list[httpx.Response] = [
        await stage.get("/api/runs/x/events"),
        await stage.post("/api/workflows/sum/observe?runId=x"),
        await stage.post("/api/workflows/sum/stream", {"inputData": "x"}),
        await stage.post("/api/agents/writer/stream", {"messages": ""}),
    ]
    assert [response.status_code for response in responses] == [404, 404, 400, 400]
    assert all(response.headers["content-type"] == "application/json" for response in responses)


async def test_heartbeats_lose_no_frame_and_close_their_source() -> None:
    """Every frame is passed on in order; the source is closed when the reader stops early."""
    is_closed = False

    async def source() -> AsyncGenerator[bytes]:
        nonlocal is_closed
        try:
            for number in range(3):
                await asyncio.sleep(0.01)
                yield b"%d" % number
        finally:
            is_closed = True

    beating = with_heartbeats(source(), b"-", 0.003)
    assert [frame async for frame in beating if frame != b"-"] == [b"0", b"1", b"2"]
    is_closed = False
    early = with_heartbeats(source(), b"-", 0.001)
    assert await anext(early) == b"-"
    await early.aclose()
    assert is_closed
