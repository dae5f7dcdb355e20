"""A schedule that is left alone for a while: each of its times starts one run, whatever dies when."""

import asyncio
from typing import Final

from greenroom.runtime.client.results import RunResult
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.client.schedules import Trigger
from greenroom.runtime.contracts.ports import Clock

SCHEDULE: Final = "wf_main"
"""The schedule that stands in the definition of `main`."""

LOOK_S: Final = 5.0
MAX_LINES: Final = 500


class Timekeeper:
    """Lets a schedule fire for a while, and once out of turn; then pauses it.

    Args:
        seconds: For how long.
        callers: How many let it run out of turn at the same time, with one key.
    """

    def __init__(self, client: RuntimeClient, clock: Clock, seconds: float, *, callers: int = 1) -> None:
        self._client = client
        self._clock = clock
        self._seconds = seconds
        self._callers = callers
        self.violations: list[str] = []

    async def drive(self) -> dict[str, RunResult]:
        """Return the runs that were started, by the time that each was for, when all of them have ended."""
        schedules, began = self._client.schedules, self._clock.now()
        await self._clock.sleep_until(began + self._seconds / 2)
        await asyncio.gather(*(schedules.run(SCHEDULE, key="out of turn") for _ in range(self._callers)))
        end = began + self._seconds
        await self._clock.sleep_until(end)
        while not await self._has_dealt_with(end):
            await self._clock.sleep_until(self._clock.now() + LOOK_S)
        await schedules.pause(SCHEDULE)
        lines = (await schedules.history(SCHEDULE, limit=MAX_LINES)).items[::-1]
        if [line.number for line in lines] != list(range(1, len(lines) + 1)):
            self.violations.append(f"the schedule's history has the lines {[line.number for line in lines]}")
        found: dict[str, RunResult] = {}
        for line in lines:
            name = self._name(line, end)
            if name in found:
                self.violations.append(f"the schedule started two runs: {name}")
            if name:
                found[name] = await self._client.run_handle(line.run_id or "").result()
        return found

    async def _has_dealt_with(self, at: float) -> bool:
        following = (await self._client.schedules.get(SCHEDULE)).next_at
        return following is None or following.timestamp() > at

    def _name(self, line: Trigger, end: float) -> str:
        """Return what a line is told under; an empty text for a time behind the end."""
        at = line.scheduled_at.timestamp() if line.scheduled_at is not None else 0.0
        if line.outcome != "started":
            self.violations.append(f"the schedule did not start its run of {at}: {line.reason}")
        if line.kind == "manual":
            return "out of turn"
        return str(line.scheduled_at) if at <= end else ""
