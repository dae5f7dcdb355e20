"""An app whose bodies note every call in a file, so that calls are counted whatever dies."""

import asyncio
import os
from pathlib import Path

from greenroom import App, StepContext, Workflow


def _note(ctx: StepContext, text: str) -> None:
    with Path(str(ctx.request_context["notes"])).open("a") as file:
        file.write(f"{ctx.path} {text} {os.getpid()}\n")


async def first(value: int, ctx: StepContext) -> int:
    """Note the call and pass the value on."""
    _note(ctx, "called")
    return value + 1


async def held(value: int, ctx: StepContext) -> int:
    """Note the call, then wait until a file says go."""
    _note(ctx, "called")
    while not await asyncio.to_thread(Path(str(ctx.request_context["go"])).exists):  # noqa: ASYNC110 - another process makes the file
        await asyncio.sleep(0.02)
    return value * 10


async def ask(value: int, ctx: StepContext) -> int:
    """Add what a person says."""
    return value + int(await ctx.suspend({"value": value}))


async def where(value: int, ctx: StepContext) -> int:
    """Tell which process runs this, and hold it long enough for others to begin."""
    _note(ctx, "called")
    await asyncio.sleep(0.3)
    return os.getpid()


app = App(
    workflows=[
        Workflow("plain", input=int).then(first),
        Workflow("long", input=int).then(first).then(held).then(first),
        Workflow("asking", input=int).then(first).then(ask),
        Workflow("wide", input=list[int]).foreach(where),
    ]
)
