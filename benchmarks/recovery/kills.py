"""Kill -9, and the time until a run that was going has its next durable step."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.recovery.ticks import Ticks
from greenroom.cli.processes import descendants
from greenroom.runtime.client.link import ACTOR_NAME, NAMESPACE
from greenroom.runtime.client.runtime import RuntimeClient

WARM_TICKS: Final = 5
CALM_S: Final = 1.0
"""Between two kills, when everything is there again: the processes that were just started have settled."""


@dataclass(slots=True, kw_only=True)
class Kills:
    """Kills parts of one runtime, one after the other.

    Args:
        workers: How many step workers there are when all are there.
    """

    runtime: RuntimeClient
    ticks: Ticks
    workers: int

    async def of_workers(self, rounds: int) -> list[float]:
        """Kill the worker that executes the run's step; another one is there."""
        return [await self._worker() for _ in range(rounds)]

    async def of_all_workers(self, rounds: int) -> list[float]:
        """Kill every worker, so that new ones have to be started first."""
        return [await self._round(step_workers) for _ in range(rounds)]

    async def of_the_runtime(self, rounds: int) -> list[float]:
        """Kill the runtime actor."""
        return [await self._runtime() for _ in range(rounds)]

    async def of_runtime_and_workers(self, rounds: int) -> list[float]:
        """Kill the runtime actor and every worker at once."""
        times: list[float] = []
        for _ in range(rounds):
            pid = await runtime_pid()
            times.append(await self._round(lambda pid=pid: [pid, *step_workers()]))
        return times

    async def _worker(self) -> float:
        run = await self._going()
        last = self.ticks.of(run.run_id)[-1]
        return await self._kill(run, [last.pid])

    async def _runtime(self) -> float:
        pid = await runtime_pid()
        return await self._kill(await self._going(), [pid])

    async def _round(self, victims: Any) -> float:
        run = await self._going()
        return await self._kill(run, victims())

    async def _going(self) -> Any:
        """Return a run that is going, with every worker there."""
        while await self._living() < self.workers:  # noqa: ASYNC110 - workers are started elsewhere
            await asyncio.sleep(0.05)
        await asyncio.sleep(CALM_S)
        run = await self.runtime.workflow("ticking").start(0)
        await self.ticks.reach(run.run_id, WARM_TICKS)
        return run

    async def _living(self) -> int:
        return sum(worker["pool"] == "steps" for worker in (await self.runtime.status())["workers"])

    async def _kill(self, run: Any, pids: list[int]) -> float:
        killed_at = time.time()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        under_way = max(tick.number for tick in self.ticks.of(run.run_id))
        # The step under way ends after the kill or is executed again; the next one begins when that is durable.
        begun = await self.ticks.reach(run.run_id, under_way + 1)
        if begun.at < killed_at:
            begun = await self.ticks.reach(run.run_id, under_way + 2)
        await run.cancel()
        return begun.at - killed_at


async def runtime_pid() -> int:
    """Return the process of the runtime actor."""
    import ray  # noqa: PLC0415 - after the configuration, which says what Ray reads from the environment

    actor: Any = ray.get_actor(ACTOR_NAME, namespace=NAMESPACE)
    return int(await actor.begin.remote())


def step_workers() -> list[int]:
    """Return the processes of step workers below this one."""
    return [pid for pid, process in descendants(os.getpid()).items() if "StepWorker" in process.command]
