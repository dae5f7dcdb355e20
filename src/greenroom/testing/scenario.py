"""A run and how it is driven: what people answer, which signals come, what the model says.

The driver is a caller like any other. It follows the run's events, answers what waits, and knows nothing of crashes.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from greenroom.runtime.client.results import RunEvent, RunResult
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts.errors import AlreadyClaimed, RunFinished, RunNotSuspended
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.definitions.app import App
from greenroom.testing.scripted_model import Script

Answer = Callable[[str, int], Json]
"""What the n-th suspension (from 1) of the step at a path is resumed with."""


def _counted(_path: str, number: int) -> Json:
    return number


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One workflow, `main`, and how a run of it is driven to its end.

    Attributes:
        make: Makes the app; it is given the counter in which bodies count their calls, by path.
        answer: What a suspended step is resumed with.
        in_doubt: What a person says of an interrupted attempt with `effect="once"`: its output, which is then known.
        signals: Sent at once, by name: a signal that comes first is kept.
        script: What the model says.
        cancel_at: The run is canceled when this step has begun.
        is_once: Whether the body at a path has `effect="once"`.
        fires_for_s: For how long the schedule of `main` is left alone, which then starts its runs: at most two hours.
    """

    name: str
    make: Callable[[Counter[str]], App]
    input: Json = None
    answer: Answer = _counted
    in_doubt: Answer = _counted
    signals: dict[str, Json] = field(default_factory=dict)
    state: dict[str, Json] = field(default_factory=dict)
    script: Script | None = None
    cancel_at: str | None = None
    is_once: Callable[[str], bool] = lambda _: False
    fires_for_s: float = 0.0


class Driver:
    """Starts a scenario's run and brings it to its end.

    Args:
        run_id: The run's.
        callers: How many try each start and each resume at the same time, resumes with a key each.

    Attributes:
        seen: The durable events, as they came.
        resumed: Keys of the acknowledged resumes, by path.
        signaled: Names of the acknowledged signals.
    """

    def __init__(self, client: RuntimeClient, scenario: Scenario, *, run_id: str = "run", callers: int = 1) -> None:
        self.run_id = run_id
        self._client = client
        self._scenario = scenario
        self._callers = callers
        self.seen: list[RunEvent] = []
        self.resumed: dict[str, set[str]] = {}
        self.signaled: list[str] = []

    async def drive(self) -> RunResult:
        """Return the run when it has ended."""
        scenario = self._scenario
        starts = [
            self._client.workflow("main").start(scenario.input, run_id=self.run_id, state=dict(scenario.state))
            for _ in range(self._callers)
        ]
        run = (await asyncio.gather(*starts))[0]
        for name, payload in scenario.signals.items():
            await self._signal(run, name, payload)
        acts: list[asyncio.Task[None]] = []
        suspensions: Counter[str] = Counter()
        async for event in run.events():
            if not event.seq:
                continue
            self.seen.append(event)
            if event.type == "step_suspended":
                number = suspensions[event.path] = suspensions[event.path] + 1
                acts.append(asyncio.ensure_future(self._resume(run, event, number)))
            if event.type == "step_started" and event.path == scenario.cancel_at:
                acts.append(asyncio.ensure_future(self._cancel(run)))
        await asyncio.gather(*acts)
        return await run.get()

    async def _resume(self, run: RunHandle, event: RunEvent, number: int) -> None:
        payload = event.data["payload"] if isinstance(event.data, dict) else None
        reason = payload.get("reason") if isinstance(payload, dict) else None
        if reason == "in_doubt":
            data: Json = {"outcome": "done", "output": self._scenario.in_doubt(event.path, number)}
        elif isinstance(payload, dict) and "args_hash" in payload:
            data = {"approved": True}
        else:
            data = self._scenario.answer(event.path, number)
        keys = [f"{event.path}:{number}:{caller}" for caller in range(self._callers)]
        await asyncio.gather(*(self._try(run, event, data, key) for key in keys))

    async def _try(self, run: RunHandle, event: RunEvent, data: Json, key: str) -> None:
        try:
            await run.resume(event.path, data, key=key, suspension=event.data["suspension"])
        except (AlreadyClaimed, RunNotSuspended, RunFinished):
            return
        self.resumed.setdefault(event.path, set()).add(key)

    async def _signal(self, run: RunHandle, name: str, payload: Json) -> None:
        try:
            await run.signal(name, payload, key=name)
        except RunFinished:
            return
        self.signaled.append(name)

    async def _cancel(self, run: RunHandle) -> None:
        await run.cancel("the scenario says so")
