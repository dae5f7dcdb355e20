"""More runs in motion than there may be: new ones are refused. See docs/limits.md."""

from typing import Any

import pytest

from greenroom import (
    AlreadyClaimed,
    App,
    RateLimited,
    StepContext,
    Workflow,
    every,
    step,
)
from tests.host.gate import Gate
from tests.host.harness import Harness, calm


async def test_too_many_runs_in_motion_are_refused_with_a_time_to_come_back() -> None:
    """Nothing is recorded; what was accepted goes on; parked runs do not count; a known key is answered."""
    gate = Gate()

    async def ask(value: int, ctx: StepContext) -> Any:
        return await ctx.suspend({"about": value})

    app = App(workflows=[Workflow("w").then(gate.step()), Workflow("asks").then(step(ask))])
    async with Harness(app, max_running=2, max_running_of={"small": 1}) as harness:
        client, small = harness.client, harness.of_workspace("small")
        parked = [await client.workflow("asks").start(number) for number in range(5)]
        await calm()
        await small.workflow("w").start(1, key="k")
        with pytest.raises(RateLimited, match="workspace 'small' has 1 runs in motion, and 1 are its limit"):
            await small.workflow("w").start(2)
        await client.workflow("w").start(3)
        with pytest.raises(RateLimited, match="2 runs are in motion, and 2 are the limit") as caught:
            await client.workflow("w").start(4, run_id="free")
        assert (caught.value.facts["retry_after_s"], caught.value.retryable) == (1.0, True)
        await small.workflow("w").start(1, key="k")
        await parked[0].resume("ask", "yes")
        assert (await parked[0].result(timeout_s=5)).status == "success"
        await gate.let_go(0)
        assert (await client.workflow("w").start(5, run_id="free")).run_id == "free"
        assert harness.host.status()["running"] == 2


async def test_the_count_of_runs_in_motion_survives_a_restart() -> None:
    """A runtime that comes up under load does not take twice as much."""
    gate = Gate()
    async with Harness(App(workflows=[Workflow("w").then(gate.step())]), max_running=1) as harness:
        await harness.client.workflow("w").start(1)
        await calm()
        await harness.crash()
        with pytest.raises(RateLimited):
            await harness.client.workflow("w").start(2)
        await gate.let_go(0)
        assert (await harness.client.workflow("w").start(2)).run_id


async def test_a_schedule_whose_run_is_refused_tries_again() -> None:
    """Its time is not lost at once: it starts its one run when there is room soon, or is missed as its policy says."""
    gate = Gate()
    flow = Workflow("w", schedule=every(minutes=5)).then(gate.step())
    async with Harness(App(workflows=[flow]), max_running=1) as harness:
        await harness.client.workflow("w").start(1)
        await harness.clock.advance(300.0)
        await harness.clock.advance(5.0)
        assert len(gate.began) == 1
        await gate.let_go(0)
        await harness.clock.advance(5.0)
        assert len(gate.began) == 2


async def test_a_start_that_is_refused_leaves_its_key_free() -> None:
    """The same key with another input is no conflict then."""
    gate = Gate()
    async with Harness(App(workflows=[Workflow("w").then(gate.step())]), max_running=1) as harness:
        await harness.client.workflow("w").start(1)
        with pytest.raises(RateLimited):
            await harness.client.workflow("w").start(2, key="k")
        await calm()
        await gate.let_go(0)
        await harness.client.workflow("w").start(3, key="k")
        with pytest.raises(AlreadyClaimed):
            await harness.client.workflow("w").start(2, key="k")
