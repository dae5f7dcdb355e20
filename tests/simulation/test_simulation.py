"""Seeded schedules with crashes at every commit boundary: what the simulator promises, and its short form."""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from greenroom import App, StepContext, Workflow, step
from greenroom.runtime.host.batch import Move, make_ready
from greenroom.runtime.host.desk import WorkerDesk
from greenroom.runtime.host.engine import Engine
from greenroom.testing.event_loop import Stuck, run_simulated
from greenroom.testing.scenario import Scenario
from greenroom.testing.simulation import Simulation
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.schedules import replay_command, simulation_of, sweep
from tests.tree import ROOT

SHORT = 10_000
"""Schedules of the form that belongs in CI."""


@pytest.mark.slow
def test_no_schedule_of_the_short_form_goes_wrong() -> None:
    """30, 31. Crashed at any commit, recoveries included, every run ends as if nothing had happened to it.

    The long form is `make simulate ARGS="--seeds 1000000"`.
    """
    report = sweep(0, SHORT, jobs=2)
    assert report.seeds == SHORT
    assert report.deaths > SHORT
    assert {replay_command(seed): wrong for seed, wrong in report.wrong.items()} == {}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_every_scenario_withstands_some_seeds(scenario: Scenario) -> None:
    """30. Each construct of a workflow is crashed, whatever the draw of the short form."""
    simulation = Simulation(scenario)
    assert {seed: wrong for seed in range(6) if (wrong := simulation.check(seed))} == {}


def test_a_seed_gives_the_same_schedule_again() -> None:
    """Also in other processes, with other hashes: what a seed has shown once it shows whenever it is replayed."""
    seeds = (3, 12, 131, 60_180)  # in the last one, reports of several runs come at once to a runtime that has none
    here = [simulation_of(seed).tell(seed).trace for seed in seeds]
    assert here == [simulation_of(seed).tell(seed).trace for seed in seeds]
    probe = "from tests.simulation.schedules import simulation_of as s; print(*(s(n).tell(n).trace for n in {}))"
    for hashes in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", probe.format(seeds)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"))), "PYTHONHASHSEED": hashes},
            check=True,
            capture_output=True,
            text=True,
        )
        assert there.stdout.split() == here


def test_a_seed_that_goes_wrong_is_told_with_the_command_that_replays_it() -> None:
    """The command runs that seed alone, tells what became of it, and its exit code says whether it was right."""
    command = replay_command(12).split()
    shown = subprocess.run([sys.executable, *command[1:]], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert simulation_of(12).tell(12).trace in shown


def test_a_runtime_that_repeats_work_is_found_out() -> None:
    """The simulator sees what it is for: a result that depends on how often a body ran is a violation."""

    def make(calls: Counter[str]) -> App:
        runs = Counter[str]()

        async def count(value: int, ctx: StepContext) -> int:
            runs[ctx.run_id] += 1
            return runs.total()

        return App(workflows=[Workflow("main", input=int).then(step(id="count")(count))])

    simulation = Simulation(Scenario(name="counting", make=make, input=1))
    assert any("output is" in line for seed in range(10) for line in simulation.check(seed))


def test_a_runtime_that_gives_steps_to_workers_that_died_with_theirs_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """30. Workers die at once and the news comes one by one: a step dies once with all of them."""
    monkeypatch.setattr(WorkerDesk, "doubt", lambda _desk: None)
    lines = (line for seed in range(1000) for line in simulation_of(seed).check(seed))
    assert any("its pool's workers less often" in line for line in lines)


def test_a_runtime_that_gives_steps_what_is_not_durable_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """3. What an attempt is given is put together with its commit: memory may be ahead of the store later."""
    perform = Engine._perform

    def perform_late(engine: Engine, move: Move) -> None:
        move.ready = [make_ready(move.entry.state, ready.node) for ready in move.ready if ready.node.has_attempt]
        perform(engine, move)

    monkeypatch.setattr(Engine, "_perform", perform_late)
    lines = (line for seed in range(1000) for line in simulation_of(seed).check(seed))
    assert any("before it was durable" in line for line in lines)


def test_a_run_that_never_ends_is_found_out() -> None:
    """A schedule in which nothing will ever happen again does not hang the simulator."""

    def make(calls: Counter[str]) -> App:
        return App(workflows=[Workflow("main", input=int).wait_for_signal("never")])

    (wrong, *_) = Simulation(Scenario(name="waiting", make=make, input=1)).check(0)
    assert wrong.startswith("the run does not end")


def test_virtual_time_passes_at_once() -> None:
    """A day of sleeping costs no time, and sleepers wake in the order of their times."""
    woken: list[int] = []

    async def sleep(seconds: int) -> None:
        await asyncio.sleep(seconds)
        woken.append(seconds)

    async def main() -> float:
        await asyncio.gather(*(sleep(seconds) for seconds in (7200, 60, 3600)))
        return asyncio.get_running_loop().time()

    assert run_simulated(main(), random.Random(1)) == pytest.approx(7200)
    assert woken == [60, 3600, 7200]


def test_a_loop_in_which_nothing_can_happen_says_so() -> None:
    """A wait for something outside would last for ever on virtual time."""

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        run_simulated(main())


def test_waits_until_deadlines_that_are_close_end() -> None:
    """A timer that is due too early is set again, and two of them never let the time pass (seed 149456)."""

    async def wait(deadline: float) -> int:
        loop, rounds = asyncio.get_running_loop(), 0
        while (left := deadline - loop.time()) > 0 and rounds < 10:
            rounds += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await asyncio.Event().wait()
        return rounds

    async def work() -> list[int]:
        return await asyncio.gather(*(wait(1.0 + number * 3e-7) for number in range(3)))

    assert run_simulated(work()) == [1, 1, 1]
