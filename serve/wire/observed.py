"""What observers get of a stream: its rest, and for agents each chunk in an envelope with its index."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from greenroom.runtime.contracts.values import Json

T = TypeVar("T")


async def skipped(source: AsyncGenerator[T], offset: int) -> AsyncGenerator[T]:
    """Yield a stream from its `offset`-th item on, counted from 0."""
    index = 0
    async with aclosing(source) as items:
        async for item in items:
            if index >= offset:
                yield item
            index += 1


async def enveloped(source: AsyncGenerator[dict[str, Json]], offset: int) -> AsyncGenerator[dict[str, Json]]:
    """Yield an agent's chunks from `offset` on, each in an envelope that says where in the stream it stands."""
    index = 0
    async with aclosing(source) as chunks:
        async for chunk in chunks:
            if index >= offset:
                run_id = chunk["runId"]
                kind = chunk["type"] if chunk["type"] in {"step-start", "finish"} else "chunk"
                yield {"type": kind, "runId": run_id, "data": chunk, "id": f"{run_id}:{index}", "index": index}
            index += 1
