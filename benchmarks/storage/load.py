"""Many runs at once, each committing its next step as soon as its last one is durable."""

import asyncio
import time
from typing import NamedTuple

from benchmarks.figures import percentile
from benchmarks.storage.contender import Contender
from benchmarks.storage.workload import Bodies, Run

_TICK_S = 0.001


class Load(NamedTuple):
    """What a while of it cost.

    Attributes:
        p99_s: Of the time from a commit's call to its answer.
        lag_p99_s: Of how late the event loop woke a sleeper.
    """

    steps_per_s: float
    p99_s: float
    lag_p99_s: float


async def load(contender: Contender, runs: list[Run], *, warm_up_s: float, measured_s: float) -> Load:
    """Keep every run committing, and measure after the warm-up until the last commit is answered.

    What the store has to do in the background for the steps of the warm-up falls into the measured time, as it does
    when the load never ends.
    """
    begin = time.perf_counter() + warm_up_s
    end = begin + measured_s
    waits: list[float] = []

    async def commit(run: Run) -> None:
        now = time.perf_counter()
        while now < end:
            await contender.step(run)
            called, now = now, time.perf_counter()
            if now > begin:
                waits.append(now - called)

    lags: list[float] = []
    watch = asyncio.create_task(_watch(lags, begin))
    await asyncio.gather(*(commit(run) for run in runs))
    watch.cancel()
    took = time.perf_counter() - begin
    return Load(len(waits) / took, percentile(waits, 0.99), percentile(lags, 0.99))


async def _watch(lags: list[float], begin: float) -> None:
    while True:
        called = time.perf_counter()
        await asyncio.sleep(_TICK_S)
        if called > begin:
            lags.append(max(0.0, time.perf_counter() - called - _TICK_S))


class Numbers:
    """Gives every run of a measurement a number of its own, so that all stores grow as they would."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._next = 0

    def runs(self, count: int) -> list[Run]:
        """Return so many new runs."""
        self._next += count
        return [Run(number, self._bodies) for number in range(self._next - count, self._next)]
