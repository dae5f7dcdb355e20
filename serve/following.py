"""Streams of a run: its events, mapped to the wire and framed, with heartbeats while nothing happens.

A reader pulls: the next page of events is asked for when the last one was taken, so a slow reader holds one page. A
reader that goes away ends its own subscription and nothing else.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, Protocol

from starlette.responses import StreamingResponse

from greenroom.runtime.client.results import RunEvent
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.errors import GreenroomError
from greenroom.runtime.contracts.values import Json
from greenroom.serve.answers import TRACE_HEADER
from greenroom.serve.wire.framing import (
    RECORD_HEARTBEAT,
    RECORD_TYPE,
    SSE_DONE,
    SSE_HEARTBEAT,
    SSE_TYPE,
    numbered_frame,
    record_frame,
    sse_frame,
)
from greenroom.serve.wire.run_json import event_json

PARKED: Final = frozenset({"run_suspended", "run_paused"})
NEVER: Final = 2**63
"""A sequence number that no event reaches: the stream stays open while the run is parked."""

_END: Final = object()

log = logging.getLogger("greenroom.serve")


class Mapper(Protocol):
    """Maps the events of one run to the wire."""

    def wants_view(self, event: RunEvent) -> bool:
        """Tell whether the run's view is needed first."""
        ...

    def learn(self, view: dict[str, Json]) -> None:
        """Take the run's view."""
        ...

    def map(self, event: RunEvent) -> list[dict[str, Json]]:
        """Return the wire's events for one of ours."""
        ...

    def close(self, view: dict[str, Json]) -> list[dict[str, Json]]:
        """Return what is missing at the end."""
        ...


async def mapped(
    run: RunHandle, mapper: Mapper, *, after: int = 0, parks_at: int = 0
) -> AsyncGenerator[dict[str, Json]]:
    """Yield a run's events as the wire has them.

    Args:
        run: The run.
        mapper: Maps its events.
        after: The durable event behind which to begin.
        parks_at: A suspension or pause from this event on ends the stream; earlier ones are history.
    """
    async with aclosing(run.events(after=after)) as events:  # type: ignore[type-var] # it is a generator
        async for event in events:
            if mapper.wants_view(event):
                mapper.learn((await run.get()).view)
            for told in mapper.map(event):
                yield told
            if event.type in PARKED and event.seq >= parks_at:
                return
    for told in mapper.close((await run.get()).view):
        yield told


async def agent_frames(chunks: AsyncGenerator[dict[str, Json]], run_id: str) -> AsyncGenerator[bytes]:
    """Yield an agent's chunks as frames, and what ends them; a failure on the way is told as a chunk."""
    try:
        async with aclosing(chunks) as source:
            async for chunk in source:
                yield sse_frame(chunk)
    except Exception as error:  # noqa: BLE001 - the border: the status is sent already, so the stream itself tells
        failure = {"type": "error", "runId": run_id, "from": "AGENT", "payload": {"error": _told(error)}}
        yield sse_frame(failure)
    yield SSE_DONE


async def record_frames(events: AsyncGenerator[dict[str, Json]], run_id: str) -> AsyncGenerator[bytes]:
    """Yield a workflow's events as records; a failure on the way is told as a record."""
    try:
        async with aclosing(events) as source:
            async for event in source:
                yield record_frame(event)
    except Exception as error:  # noqa: BLE001 - the border, as above
        yield record_frame({"type": "error", "runId": run_id, "from": "WORKFLOW", "payload": {"error": _told(error)}})


async def event_frames(run: RunHandle, after: int) -> AsyncGenerator[bytes]:
    """Yield a run's own events as numbered server-sent events, to the run's end."""
    try:
        async with aclosing(run.events(after=after)) as events:  # type: ignore[type-var] # it is a generator
            async for event in events:
                yield numbered_frame(event.seq, event.type, event_json(run.run_id, event))
    except Exception as error:  # noqa: BLE001 - the border, as above
        yield numbered_frame(0, "error", {"type": "error", "runId": run.run_id, "data": {"error": _told(error)}})


def _told(error: Exception) -> dict[str, Json]:
    if isinstance(error, GreenroomError):
        return {"name": type(error).__name__, "message": error.message, "code": error.code}
    log.error("a stream failed", exc_info=error)
    return {"name": "InternalError", "message": f"the server failed: {type(error).__name__}", "code": "internal_error"}


async def with_heartbeats(frames: AsyncGenerator[bytes], heartbeat: bytes, every_s: float) -> AsyncGenerator[bytes]:
    """Yield frames, and a heartbeat whenever none came for a while."""
    waiting: asyncio.Task[Any] | None = None
    try:
        while True:
            waiting = waiting or asyncio.create_task(_next(frames))
            done, _ = await asyncio.wait({waiting}, timeout=every_s)
            if not done:
                yield heartbeat
                continue
            frame, waiting = waiting.result(), None
            if frame is _END:
                return
            yield frame
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await frames.aclose()


async def _next(frames: AsyncGenerator[bytes]) -> Any:
    return await anext(frames, _END)


def agent_stream(chunks: AsyncGenerator[dict[str, Json]], run: RunHandle, heartbeat_s: float) -> StreamingResponse:
    """Return the answer that streams an agent's chunks."""
    frames = with_heartbeats(agent_frames(chunks, run.run_id), SSE_HEARTBEAT, heartbeat_s)
    return _streaming(frames, SSE_TYPE, run.trace_id)


def workflow_stream(events: AsyncGenerator[dict[str, Json]], run: RunHandle, heartbeat_s: float) -> StreamingResponse:
    """Return the answer that streams a workflow's events."""
    frames = with_heartbeats(record_frames(events, run.run_id), RECORD_HEARTBEAT, heartbeat_s)
    return _streaming(frames, RECORD_TYPE, run.trace_id)


def event_stream(run: RunHandle, after: int, heartbeat_s: float) -> StreamingResponse:
    """Return the answer that streams a run's own events."""
    return _streaming(with_heartbeats(event_frames(run, after), SSE_HEARTBEAT, heartbeat_s), SSE_TYPE, run.trace_id)


def _streaming(frames: AsyncGenerator[bytes], media_type: str, trace_id: str) -> StreamingResponse:
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    if trace_id:
        headers[TRACE_HEADER] = trace_id
    return StreamingResponse(frames, media_type=media_type, headers=headers)
