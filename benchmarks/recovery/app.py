"""What is interrupted: a run of short steps, each of which notes outside the system when it begins and where."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

from greenroom import App, StepContext, Workflow

TICKS_VARIABLE: Final = "BENCH_RECOVERY_TICKS"
"""Names the file, for every process of the cluster."""

STEPS: Final = 400
STEP_S: Final = 0.05


async def tick(value: int, ctx: StepContext) -> int:
    """Note that it begins, and take a while."""
    line = f"{time.time()} {ctx.run_id} {value} {os.getpid()}\n".encode()
    file = os.open(Path(os.environ[TICKS_VARIABLE]), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line)
    finally:
        os.close(file)
    await asyncio.sleep(STEP_S)
    return value + 1


async def ask(value: int, ctx: StepContext) -> int:
    """Wait for a person."""
    return value + int(await ctx.suspend({"value": value}))


def _chain() -> Workflow:
    workflow = Workflow("ticking", input=int)
    for _ in range(STEPS):
        workflow.then(tick)
    return workflow


app = App(workflows=[_chain(), Workflow("asking", input=int).then(ask)])
"""A step begins only when the outcome of the one before is durable, so beginnings tell of durable steps."""
