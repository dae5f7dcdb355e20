"""Every scenario, crashed at every append of its journal: the result is that of the run that nothing happened to."""

import asyncio
import logging
import random
from collections import Counter
from typing import Any, Literal

import pytest

from greenroom.runtime.client.results import RunResult
from tests.host.crash_store import CrashStore, Moment
from tests.host.harness import Harness
from tests.host.scenarios import NAMES, RUN_ID, SCENARIOS, Scenario, drive
from tests.host.scripted_turns import ScriptedTurns

Victim = Literal["runtime", "workers", "both"]
POOLS = ("steps", "agents")


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


async def _run(
    scenario: Scenario, stops: list[int], moment: Moment, victim: Victim
) -> tuple[dict[str, Any], Counter[str], int]:
    calls: Counter[str] = Counter()
    store = CrashStore(stops, moment)
    turns = ScriptedTurns(scenario.turns) if scenario.turns is not None else None
    async with Harness(scenario.make(calls), storage=store, turns=turns) as harness, asyncio.timeout(4):
        store.hit_through = lambda: harness.strike(POOLS)
        driver = asyncio.ensure_future(drive(harness, scenario))
        while not driver.done():
            hit = asyncio.ensure_future(store.hit.wait())
            await asyncio.wait({driver, hit}, return_when=asyncio.FIRST_COMPLETED)
            hit.cancel()
            if store.hit.is_set():
                if victim != "runtime":
                    harness.strike(POOLS)
                if victim != "workers":
                    await harness.crash()
                store.hit.clear()
        result = driver.result()
        events = [event async for event in (await harness.client.run(RUN_ID)).events()]
    if turns is not None:
        calls["turn"] = len(turns.asked)
    durable = [event for event in events if event.seq]
    assert [event.seq for event in durable] == list(range(1, len(durable) + 1))
    assert durable[-1].type == "run_finished"
    return _shown(result), calls, store.count


def _shown(result: RunResult) -> dict[str, Any]:
    """Return what must not depend on what happened on the way."""
    return {
        "status": result.status,
        "output": result.output,
        "error": result.error,
        "state": result.state,
        "steps": {path: (step.status, step.input, step.output, step.error) for path, step in result.steps.items()},
    }


@pytest.mark.parametrize(
    ("victim", "moment"),
    [("runtime", "before"), ("runtime", "after"), ("both", "before"), ("both", "after"), ("workers", "through")],
)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
async def test_a_crash_at_any_append_gives_the_same_result(scenario: Scenario, victim: Victim, moment: Moment) -> None:
    """30. After any append of any run, killing the runtime, all workers, or both gives the same final result.

    When only the runtime dies, its workers live on and report: every body runs as often as in a run left in peace.
    """
    expected, peaceful, appends = await _run(scenario, [], moment, victim)
    assert appends > 2
    for stop in range(1, appends + 1):
        result, calls, _ = await _run(scenario, [stop], moment, victim)
        assert result == expected, f"crashed {moment} append {stop}"
        if victim == "runtime":
            assert calls == peaceful, f"crashed {moment} append {stop}"
        else:
            extra = {path: count - peaceful[path] for path, count in calls.items()}
            assert max(extra.values()) <= 1, f"crashed {moment} append {stop}: {extra}"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
async def test_many_crashes_give_the_same_result(scenario: Scenario, seed: int) -> None:
    """31. Every few appends, recoveries included, the runtime dies; its workers live on and bodies are not repeated."""
    expected, peaceful, appends = await _run(scenario, [], "after", "runtime")
    chance = random.Random(seed)
    stops = [number for number in range(1, 2 * appends) if chance.random() < 0.4]
    result, calls, _ = await _run(scenario, stops, "after" if seed % 2 else "before", "runtime")
    assert (result, calls) == (expected, peaceful), stops
