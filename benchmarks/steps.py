"""Durable steps: how many a second, how long each, and a fan-out.

A step's time is from one recorded outcome to the next of the same run: decision, synced write, dispatch, body, report.
"""

import asyncio
import itertools
import time

from benchmarks.app import STEPS
from benchmarks.figures import Row, milliseconds, percentile
from greenroom.runtime.client.runtime import RuntimeClient

ITEMS = 1000
AIMS = {1: "p50 at most 3 ms", 100: "at least 2,000 steps/s"}


async def _chain(runtime: RuntimeClient) -> list[float]:
    """Run the chain once and return the time of each step after the first."""
    result = await (await runtime.workflow("chain").start(0)).result()
    if result.status != "success":
        message = f"the chain ended as {result.status}: {result.error}"
        raise RuntimeError(message)
    ends = sorted(step.ended_at.timestamp() for step in result.steps.values() if step.ended_at is not None)
    return [later - earlier for earlier, later in itertools.pairwise(ends)]


async def sequential(runtime: RuntimeClient, repetitions: int) -> list[Row]:
    """Measure 1, 10 and 100 concurrent runs of sequential steps."""
    await _chain(runtime)
    rows: list[Row] = []
    for concurrent in (1, 10, 100):
        rates: list[float] = []
        steps: list[float] = []
        for _ in range(repetitions):
            begin = time.perf_counter()
            for times in await asyncio.gather(*(_chain(runtime) for _ in range(concurrent))):
                steps.extend(times)
            rates.append(concurrent * STEPS / (time.perf_counter() - begin))
        figure = f"{percentile(rates, 0.5):,.0f} steps/s; {milliseconds(steps)}"
        rows.append(Row(name=f"durable steps, {concurrent} concurrent", figure=figure, aim=AIMS.get(concurrent, "")))
    return rows


async def fan_out(runtime: RuntimeClient, repetitions: int) -> list[Row]:
    """Measure a foreach of 1,000 empty bodies, from start to result."""
    times: list[float] = []
    for _ in range(repetitions + 1):
        begin = time.perf_counter()
        result = await (await runtime.workflow("each").start(list(range(ITEMS)))).result()
        if result.output != list(range(ITEMS)):
            message = f"the foreach ended as {result.status}: {result.error}"
            raise RuntimeError(message)
        times.append(time.perf_counter() - begin)
    figure = f"median {percentile(times[1:], 0.5):.2f} s"
    return [Row(name=f"foreach of {ITEMS:,} items", figure=figure, aim="at most 3 s")]
