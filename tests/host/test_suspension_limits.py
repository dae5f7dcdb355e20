"""How long a suspension lasts. Line 24 of the page on semantics."""

from typing import Any

import pytest

from greenroom import App, StepContext, Workflow, step
from tests.host.harness import Harness
from tests.host.test_suspend_resume import ask, named


async def test_a_suspension_never_times_out_by_itself() -> None:
    """24. Neither the step's nor the run's limit counts parked time."""
    made = step(id="ask", timeout_s=10)(ask)
    async with Harness(App(workflows=[Workflow("w", timeout_s=10).then(made)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        await harness.clock.advance(1_000_000)
        assert (await run.get()).status == "suspended"
        await run.resume("ask", 1)
        assert (await run.result(timeout_s=5)).status == "success"


@pytest.mark.parametrize("is_crashed", [False, True])
async def test_a_suspension_with_a_timeout_fails_its_step(is_crashed: bool) -> None:
    """24. `ctx.suspend(…, timeout_s=)` is a limit of its own."""

    async def body(value: Any, ctx: StepContext) -> Any:
        return await ctx.suspend(timeout_s=60)

    async with Harness(App(workflows=[Workflow("w").then(named("ask", body))])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        await harness.clock.advance(59)
        if is_crashed:
            await harness.crash()
        assert (await run.get()).status == "suspended"
        await harness.clock.advance(1)
        result = await run.get()
    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.code, result.error.path) == ("step_timeout", "ask")


async def test_a_resume_in_time_ends_the_limit_of_a_suspension() -> None:
    """24. The timer of a suspension ends with it."""

    async def body(value: Any, ctx: StepContext) -> Any:
        await ctx.suspend(timeout_s=60)
        await ctx.suspend()

    async with Harness(App(workflows=[Workflow("w").then(named("ask", body))])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        await run.resume("ask", 1)
        await run.result(timeout_s=5)
        await harness.clock.advance(100)
        assert (await run.get()).status == "suspended"
