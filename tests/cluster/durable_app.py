"""An app whose bodies note every call in a file, so that calls are counted whatever dies."""

import asyncio
import os
from pathlib import Path
from typing import Any

from greenroom import App, StepContext, Workflow, step


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


async def make_table(rows: int) -> Any:
    """Return a table of 8 bytes a row."""
    import pyarrow as pa

    return pa.table({"number": list(range(rows))})


async def add_up(table: Any) -> int:
    """Return the sum of the table's column."""
    return int(sum(table["number"].to_pylist()))


def fold(numbers: list[int]) -> int:
    """Return the sum, in a thread."""
    return sum(numbers)


@step(num_cpus=1)
def heavy(value: int) -> int:
    """Tell which process runs this: a Ray task has its own."""
    return os.getpid()


app = App(
    workflows=[
        Workflow("plain", input=int).then(first),
        Workflow("long", input=int).then(first).then(held).then(first),
        Workflow("asking", input=int).then(first).then(ask),
        Workflow("wide", input=list[int]).foreach(where),
        Workflow("table", input=int).then(make_table).then(add_up),
        Workflow("big", input=int).map(lambda count: list(range(count))).then(fold),
        Workflow("heavy", input=int).then(heavy),
    ]
)
