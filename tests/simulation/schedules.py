"""From a seed to its schedule, and from many seeds to a report.

Eight seeds in a row share a scenario, so that what it gives without faults is found out once.
"""

import gc
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, lru_cache
from multiprocessing import get_context

from greenroom.testing.scenario import Scenario
from greenroom.testing.simulation import Simulation
from tests.simulation.generated import generate
from tests.simulation.scenarios import SCENARIOS

SHARED = 8
"""Seeds in a row with one scenario."""

CHUNK = 200
"""Seeds a process takes at a time."""


@dataclass(kw_only=True)
class Report:
    """What became of many seeds.

    Attributes:
        wrong: What went wrong, by seed.
        seconds: How long it took.
    """

    seeds: int = 0
    deaths: int = 0
    worker_deaths: int = 0
    commits: int = 0
    seconds: float = 0.0
    wrong: dict[int, list[str]] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One line."""
        rate = self.seeds / self.seconds if self.seconds else 0.0
        return (
            f"{self.seeds} schedules in {self.seconds:.0f} s ({rate:.0f}/s): {self.deaths} deaths of the runtime, "
            f"{self.worker_deaths} of workers, {self.commits} commits, {len(self.wrong)} violations"
        )

    def add(self, other: "Report") -> None:
        """Add what another process has seen."""
        self.seeds += other.seeds
        self.deaths += other.deaths
        self.worker_deaths += other.worker_deaths
        self.commits += other.commits
        self.wrong |= other.wrong


def scenario_of(seed: int) -> Scenario:
    """Return the scenario of a seed."""
    number = seed // SHARED
    chance = random.Random(f"scenario {number}")
    return chance.choice(SCENARIOS) if chance.random() < 0.4 else generate(number)


@cache
def _fixed(place: int) -> Simulation:
    return Simulation(SCENARIOS[place])


@lru_cache(maxsize=4)
def _simulation(number: int) -> Simulation:
    scenario = scenario_of(number * SHARED)
    fixed = next((place for place, known in enumerate(SCENARIOS) if known is scenario), None)
    return Simulation(scenario) if fixed is None else _fixed(fixed)


def simulation_of(seed: int) -> Simulation:
    """Return the simulation that the seed is one schedule of."""
    return _simulation(seed // SHARED)


def replay_command(seed: int) -> str:
    """Return what to type to see this seed again."""
    return f".venv/bin/python -m tests.simulation --seed {seed}"


def describe(seed: int) -> tuple[str, bool]:
    """Return what becomes of one seed, in words, and whether it is right."""
    simulation = simulation_of(seed)
    wrong, story = simulation.examine(seed)
    calls = Counter(story.calls)
    lines = [
        f"seed {seed}, scenario {scenario_of(seed).name!r}",
        f"{story.deaths} deaths of the runtime, {story.worker_deaths} of workers, {story.commits} commits",
        *(f"status {result['status']}, output {result['output']!r}" for result in story.results),
        f"calls {dict(sorted(calls.items()))}",
        f"trace {story.trace}",
        *(f"WRONG: {line}" for line in wrong),
    ]
    return "\n".join(lines), not wrong


def run_chunk(first: int, count: int) -> Report:
    """Run some seeds in this process, which is then to end: the cycles that schedules leave behind stay."""
    gc.disable()  # to look for them costs a tenth
    report = Report(seeds=count)
    for seed in range(first, first + count):
        try:
            wrong, story = simulation_of(seed).examine(seed)
        except Exception as error:  # noqa: BLE001 - the replay shows where it comes from
            report.wrong[seed] = [repr(error)]
            continue
        report.deaths += story.deaths
        report.worker_deaths += story.worker_deaths
        report.commits += story.commits
        if wrong:
            report.wrong[seed] = wrong
    return report


def sweep(first: int, count: int, jobs: int, say: Callable[[str], object] = lambda _: None) -> Report:
    """Run seeds in several processes and return what became of them."""
    total = Report()
    began = time.perf_counter()
    starts = range(first, first + count, CHUNK)
    sizes = [min(CHUNK, first + count - start) for start in starts]
    server = get_context("forkserver")
    server.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(jobs, mp_context=server, max_tasks_per_child=1) as pool:
        for done, report in enumerate(pool.map(run_chunk, starts, sizes), start=1):
            total.add(report)
            total.seconds = time.perf_counter() - began
            for seed in report.wrong:
                say(f"wrong: {replay_command(seed)}")
            if done % 25 == 0:
                say(total.summary)
    total.seconds = time.perf_counter() - began
    return total
