"""The figures, one after the other: without the parked runs first, then with them."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Row, milliseconds
from benchmarks.parked.lives import Lives
from benchmarks.steal import Steal
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.client.runtime import RuntimeClient

CLIENTS: Final = 100
"""How many runs are started at a time."""

WARM: Final = 400
"""Runs that are started and resumed before memory is looked at: more than the runtime keeps at rest in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How many runs wait, and how many of them are resumed one after the other."""

    runs: int
    sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What one resume took, in seconds from its call: until it was durable, and until bodies ran."""

    acknowledged_s: float
    body_s: float
    next_step_s: float


async def measure(lives: Lives, scale: Scale) -> list[Row]:
    """Return the rows of the table."""
    client = lives.client
    (first,) = await park(client, 1)
    await lives.restart_s(first)
    await warm(client)
    without_bytes, empty_bytes = await lives.resident_bytes(), await lives.stored_bytes()
    begin = time.perf_counter()
    parked = await park(client, scale.runs)
    parking_s = time.perf_counter() - begin
    stored_bytes = await lives.stored_bytes() - empty_bytes
    cold_s = await lives.restart_s(parked[0])
    await warm(client)
    memory_bytes = await lives.resident_bytes() - without_bytes
    sample = random.Random(1).sample(parked, 2 * scale.sample)
    status = await client.status()
    steal = Steal()
    empty_s, alone = await resume_alone(lives, sample[: scale.sample])
    stolen = steal.share()
    used_bytes = await lives.resident_bytes() - without_bytes
    together = await resume_together(client, sample[scale.sample :])
    return [
        Row(name="runs that were started and parked", figure=f"{scale.runs:,}, {scale.runs / parking_s:,.0f} a second"),
        Row(
            name="memory of the runtime for each, after a restart",
            figure=f"{memory_bytes / scale.runs:,.0f} bytes ({memory_bytes / 2**20:+.1f} MiB; "
            f"{status['runs_in_memory']} runs in memory, {status['timers']} timers)",
            aim="at most 1,024 bytes",
        ),
        Row(
            name=f"the same when {len(alone):,} of them were resumed",
            figure=f"{used_bytes / scale.runs:,.0f} bytes ({used_bytes / 2**20:+.1f} MiB, with what the store keeps of "
            "what it has read: 64 MiB at most)",
        ),
        Row(
            name="disk for each, compacted",
            figure=f"{stored_bytes / scale.runs:,.0f} bytes ({stored_bytes / 2**20:.1f} MiB)",
            aim="at most 2,048 bytes",
        ),
        Row(
            name="kill -9 of the runtime, until the next one shows one of them",
            figure=f"{cold_s:.2f} s",
            aim="under 10 s",
        ),
        Row(name="an empty call of the runtime actor, before each resume", figure=milliseconds(empty_s)),
        Row(name="processor time that the machine's host took meanwhile", figure=f"{stolen:.1%}"),
        *rows_of(f"{len(alone):,} resumes one by one", alone, "p99 under 20 ms"),
        *rows_of(f"{len(together):,} resumes, {CLIENTS} at a time", together, ""),
    ]


def rows_of(what: str, resumes: Sequence[Resumed], aim: str) -> list[Row]:
    """Return the rows about some resumes."""
    return [
        Row(name=f"{what}: acknowledged", figure=milliseconds([one.acknowledged_s for one in resumes]), aim=aim),
        Row(name=f"{what}: the body goes on", figure=milliseconds([one.body_s for one in resumes]), aim=aim),
        Row(name=f"{what}: the next step runs", figure=milliseconds([one.next_step_s for one in resumes])),
    ]


async def park(client: RuntimeClient, count: int) -> list[str]:
    """Start runs and return their ids when all of them wait."""
    numbers = iter(range(count))
    parked: list[str] = []

    async def start() -> None:
        for number in numbers:
            run = await client.workflow("review").start({"title": f"Article {number}", "pages": number % 50})
            result = await run.result()
            if result.status != "suspended":
                message = f"run {run.run_id} is {result.status} and not suspended: {result.error}"
                raise RuntimeError(message)
            parked.append(run.run_id)

    await asyncio.gather(*(start() for _ in range(min(CLIENTS, count))))
    return parked


async def warm(client: RuntimeClient) -> None:
    """Let the runtime do everything once: what a process needs at all is not what a parked run costs."""
    await resume_together(client, await park(client, WARM))


async def resume_alone(lives: Lives, run_ids: Sequence[str]) -> tuple[list[float], list[Resumed]]:
    """Resume runs one after the other; return what an empty call took before each, in seconds, and the resumes.

    The empty calls tell what the machine and Ray take of a resume at that time.
    """
    empty_s: list[float] = []
    alone: list[Resumed] = []
    for run_id in run_ids:
        empty_s.append(await lives.empty_call_s())
        alone.append(await resume(lives.client.run_handle(run_id)))
    return empty_s, alone


async def resume_together(client: RuntimeClient, run_ids: Sequence[str]) -> list[Resumed]:
    """Resume runs, many at a time."""
    waiting = iter(run_ids)
    found: list[Resumed] = []

    async def go() -> None:
        for run_id in waiting:
            resumed = await resume(client.run_handle(run_id))
            found.append(resumed)

    await asyncio.gather(*(go() for _ in range(CLIENTS)))
    return found


async def resume(run: RunHandle) -> Resumed:
    """Resume a run that is in the store only, and return what it took when it has ended."""
    begin, begin_at = time.perf_counter(), time.time()
    await run.resume("ask", {"approved": True})
    acknowledged_s = time.perf_counter() - begin
    result = await run.result()
    body_at, next_step_at = result.output
    return Resumed(acknowledged_s=acknowledged_s, body_s=body_at - begin_at, next_step_s=next_step_at - begin_at)
