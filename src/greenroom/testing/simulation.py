"""One number, one schedule: runs of a scenario are crashed, stalled and recovered as it says, and must not show it.

The result is compared with that of the run that nothing happened to; `Witness` looks at everything on the way.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any, Final

from greenroom.runtime.client.results import RunResult
from greenroom.testing.clock import LoopClock
from greenroom.testing.event_loop import Stuck, run_simulated
from greenroom.testing.fake_runtime import FakeRuntime
from greenroom.testing.scenario import Driver, Scenario
from greenroom.testing.scheduled import Timekeeper
from greenroom.testing.scripted_model import ScriptedModel
from greenroom.testing.seeded_faults import SeededFaults
from greenroom.testing.witness import Witness

RUNS: Final = (1, 1, 1, 1, 1, 1, 1, 1, 1, 3)
"""How many runs there are at a time, one as likely as the other: several share commits and workers."""

CALLERS: Final = (1, 1, 3)
"""How many callers try the same thing."""

WORKERS: Final = (1, 2, 3)
"""How many workers each pool has."""

MAX_SETTLE_S: Final = 60
"""Virtual time after the end in which everything must come to rest: callbacks, messages under way, cancels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What became of one schedule.

    Attributes:
        results: What of each run must not depend on what happened on the way.
        calls: How often each body ran.
        timeouts: How many attempts of each step did not end within their time.
        deaths: How often the runtime died.
        worker_deaths: How often workers of a pool died, any number at once.
        commits: How many commits there were, the lost ones among them.
        trace: Hash of everything that happened.
        violations: What must not have been.
    """

    results: list[dict[str, Any]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    timeouts: Counter[str] = field(default_factory=Counter)
    deaths: int = 0
    worker_deaths: int = 0
    commits: int = 0
    trace: str = ""
    violations: tuple[str, ...] = ()


class Simulation:
    """One scenario under any number of seeds.

    Args:
        scenario: What runs.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._calls: Counter[str] = Counter()
        self._app = scenario.make(self._calls)
        self._peaceful: Story | None = None

    @property
    def peaceful(self) -> Story:
        """What becomes of a run to which nothing happens."""
        if self._peaceful is None:
            self._peaceful = self.tell(None)
        return self._peaceful

    def check(self, seed: int) -> list[str]:
        """Return what goes wrong under a seed: nothing, it is hoped."""
        return self.examine(seed)[0]

    def examine(self, seed: int) -> tuple[list[str], Story]:
        """Return what goes wrong under a seed, and the story."""
        peaceful, story = self.peaceful, self.tell(seed)
        return [*peaceful.violations, *self._compare(story)], story

    def tell(self, seed: int | None) -> Story:
        """Return what becomes of the run under a seed; without one nothing goes wrong."""
        chance = random.Random(seed) if seed is not None else None
        witness, complaints = Witness(), list[str]()
        self._calls.clear()
        logging.disable(logging.CRITICAL)  # the runtime rightly tells of everything that dies
        try:
            story = run_simulated(self._tell(chance, witness), chance, complaints)
            return replace(story, violations=(*story.violations, *complaints))
        except Stuck as stuck:
            return Story(trace=witness.trace, violations=(*witness.violations, f"the run does not end: {stuck}"))
        finally:
            logging.disable(logging.NOTSET)

    async def _tell(self, chance: random.Random | None, witness: Witness) -> Story:
        scenario = self._scenario
        model = ScriptedModel(scenario.script) if scenario.script is not None else None
        faults = SeededFaults(chance) if chance is not None else None
        fake = FakeRuntime(
            self._app,
            workers=chance.choice(WORKERS) if chance is not None else 1,
            clock=LoopClock(),
            model=model,
            faults=faults,
            on_kept=witness.kept,
            on_dispatch=witness.dispatched,
        )
        count, callers = (chance.choice(RUNS), chance.choice(CALLERS)) if chance is not None else (1, 1)
        async with fake:
            if scenario.fires_for_s:
                drivers, results = [], await self._let_fire(fake, callers, witness)
            else:
                drivers = [Driver(fake.client, scenario, run_id=f"run{n}", callers=callers) for n in range(count)]
                ended = await asyncio.gather(*(driver.drive() for driver in drivers))
                results = [("", result) for result in ended]
            if faults is not None:
                faults.is_calm = True
            await _afterwards(fake, [result for _, result in results], witness)
            witness.check_deaths(faults.dead if faults is not None else Counter())
            for driver, (_, result) in zip(drivers, results, strict=bool(drivers)):
                witness.violations += _unlike(driver, result, witness)
        calls = Counter(self._calls)
        for request in model.requests if model is not None else ():
            calls[f"a turn of {request['agent']} after {len(request['messages'])} messages"] += 1
        return Story(
            results=[{"of": of} | _shown(result) for of, result in results],
            calls=calls,
            timeouts=witness.timeouts,
            deaths=fake.deaths,
            worker_deaths=faults.dead.total() if faults is not None else 0,
            commits=fake.commits.count,
            trace=witness.trace,
            violations=tuple(witness.violations),
        )

    async def _let_fire(self, fake: FakeRuntime, callers: int, witness: Witness) -> list[tuple[str, RunResult]]:
        keeper = Timekeeper(fake.client, fake.clock, self._scenario.fires_for_s, callers=callers)
        fired = await keeper.drive()
        witness.violations += keeper.violations
        return sorted(fired.items())

    def _compare(self, story: Story) -> list[str]:
        """Return what is wrong with a story, seen beside that of the run to which nothing happened."""
        wrong = list(story.violations)
        expected = self.peaceful.results or [{}]
        for result, peace in zip(story.results, cycle(expected), strict=False):
            for name, value in peace.items():
                if result[name] != value:
                    wrong.append(f"{name} is {result[name]!r} and without faults {value!r}")
        runs = len(story.results)
        if runs % len(expected):
            wrong.append(f"there were {runs} runs and without faults {len(expected)}")
        rounds = runs // len(expected)
        for path in sorted(story.calls):
            surplus = story.calls[path] - rounds * self.peaceful.calls[path]
            late = max(0, story.timeouts[path] - rounds * self.peaceful.timeouts[path])  # a stall may outlast a timeout
            if runs and surplus > runs * story.worker_deaths + late:
                why = f"workers died {story.worker_deaths} times, {late} attempts more were too late"
                wrong.append(f"{path!r} ran {surplus} times too often; {why}")
            if runs and self._scenario.is_once(path) and story.calls[path] > runs:
                wrong.append(f'{path!r} has effect="once" and ran {story.calls[path]} times in {runs} runs')
        return wrong


def _shown(result: RunResult) -> dict[str, Any]:
    return {
        "status": result.status,
        "output": result.output,
        "error": result.error,
        "state": result.state,
        "steps": {path: (step.status, step.input, step.output, step.error) for path, step in result.steps.items()},
    }


async def _afterwards(fake: FakeRuntime, results: Sequence[RunResult], witness: Witness) -> None:
    """Look at what is left when the runs have ended and everything is calm."""
    wrong = witness.violations
    wrong += await _left_over(fake, witness)
    witness.check_books()
    await fake.crash()
    for result in results:
        again = await (await fake.client.run(result.run_id)).get()
        if _shown(again) != _shown(result):
            wrong.append(f"{result.run_id} read from its journal is not what was in memory")
    # They have told the new runtime what they have in hand, and its word to stop is on its way.
    await fake.clock.sleep_until(fake.clock.now() + 1.0)
    for worker in fake.spawner.living:
        wrong += [f"{worker.name} still runs {place}" for place in worker.running]


def _unlike(driver: Driver, result: RunResult, witness: Witness) -> list[str]:
    """Return where what a caller was told is not what is in the store."""
    wrong: list[str] = []
    numbers = [event.seq for event in driver.seen]
    if numbers != list(range(1, len(numbers) + 1)):
        wrong.append(f"the reader saw the events {numbers}")
    if not driver.seen or driver.seen[-1].type != "run_finished":
        wrong.append("the last event is not run_finished")
    if witness.heads[driver.run_id].status != result.status:
        wrong.append(f"the run's row says {witness.heads[driver.run_id].status}, the result {result.status}")
    for path, keys in driver.resumed.items():
        kept = witness.resumed[driver.run_id, path]
        if kept != len(keys):
            wrong.append(f"resumes {keys} of {path!r} were acknowledged, {kept} are in the journal")
    signaled = sorted(key for key in witness.signaled.get(driver.run_id, ()) if key)
    if sorted(driver.signaled) != signaled:
        wrong.append(f"signals {driver.signaled} were acknowledged, {signaled} are in the journal")
    return wrong


async def _left_over(fake: FakeRuntime, witness: Witness) -> list[str]:
    """Return what still moves or waits some time after the end, when every message has arrived."""
    found: list[str] = []
    for _ in range(MAX_SETTLE_S):
        await fake.clock.sleep_until(fake.clock.now() + 1.0)
        status = await fake.client.status()
        if status["state"] != "running":
            found = [f"the runtime is {status['state']}"]
            continue
        found = [f"{head.run_id} is still open" for head in witness.heads.values() if head.is_open]
        found += [f"{head.run_id} waits for {head.wake_at}" for head in witness.heads.values() if head.wake_at]
        found += [f"{status['timers']} timers are left over"] * bool(status["timers"])
        found += [f"{worker['name']} has a load" for worker in status["workers"] if worker["load"]]
        if not found:
            break
    return found
