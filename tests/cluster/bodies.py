"""Bodies that workers of the cluster tests execute, and the app they belong to."""

import os
import sys
import threading
from typing import Any

from greenroom.runtime.definitions.context import StepContext


async def echo(value: Any) -> Any:
    return value


def where(_: Any) -> dict[str, Any]:
    return {"pid": os.getpid(), "in_main_thread": threading.current_thread() is threading.main_thread()}


async def die(_: Any) -> None:
    os._exit(1)


async def leave(_: Any) -> None:
    sys.exit(3)


async def make_large(size: int) -> bytes:
    return b"x" * size


async def measure(value: bytes) -> int:
    return len(value)


async def converse(_: Any, ctx: StepContext) -> Any:
    ctx.write("first")
    ctx.set_state({"pid": os.getpid()})
    answer = await ctx.agent("writer").generate("hello")
    ctx.write("last")
    return answer


async def hang(_: Any, ctx: StepContext) -> None:
    ctx.write(os.getpid())
    await ctx.cancelled.wait()


class Counter:
    """A stateful tool: counts its calls, on one thread."""

    def __init__(self) -> None:
        self.calls = 0
        self.thread = 0

    def setup(self) -> None:
        self.calls = 100
        self.thread = threading.get_ident()

    def __call__(self, step: int) -> dict[str, Any]:
        self.calls += step
        return {"calls": self.calls, "same_thread": self.thread == threading.get_ident()}


class MemoryBlobs:
    """A blob store in its actor's memory."""

    def __init__(self, url: str) -> None:
        assert url == "memory://"
        self.stored: dict[str, bytes] = {}

    def put(self, sha256: str, data: bytes) -> None:
        self.stored[sha256] = data

    def get(self, sha256: str) -> bytes:
        return self.stored[sha256]
