"""Sleeps and signals. Lines 17 and 18 of the page on semantics."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from greenroom import App, InvalidInput, RunFinished, StepContext, Workflow, step
from tests.host.harness import START, Harness, calm, run_once


class Payment(BaseModel):
    amount: int
    currency: str = "EUR"


async def echo(value: Any) -> Any:
    return value


async def test_a_sleeping_run_waits_and_its_input_passes_through() -> None:
    """17. Status `waiting` until the time has come, not a moment earlier."""
    async with Harness(App(workflows=[Workflow("w").then(echo).sleep(60).then(step(id="b")(echo))])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.wait_for("waiting")
        await harness.clock.advance(59.9)
        assert (await run.get()).status == "waiting"
        await harness.clock.advance(0.1)
        result = await run.result(timeout_s=5)
    assert result.output == 7
    assert result.steps["sleep"].output == 7


@pytest.mark.parametrize(
    "flow",
    [
        Workflow("w").sleep(timedelta(seconds=60)),
        Workflow("w").sleep(lambda value: value),
        Workflow("w").sleep(lambda value, ctx: timedelta(seconds=ctx.input)),
        Workflow("w").sleep_until(datetime.fromtimestamp(START + 60, UTC)),
        Workflow("w").sleep_until(lambda value: datetime.fromtimestamp(START + value, UTC)),
        Workflow("w").sleep_until(lambda value: datetime.fromtimestamp(START + value, UTC).isoformat()),
    ],
    ids=["timedelta", "seconds computed", "timedelta computed", "datetime", "datetime computed", "text computed"],
)
async def test_a_sleep_takes_every_form_of_a_time(flow: Workflow) -> None:
    """17. Seconds, a length, a time, or a function of these."""
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(60)
        await run.wait_for("waiting")
        await harness.clock.advance(59)
        assert (await run.get()).status == "waiting"
        await harness.clock.advance(1)
        assert (await run.result(timeout_s=5)).output == 60


async def test_a_restart_sleeps_only_what_remains() -> None:
    """17. The time to wake up is in the journal."""
    async with Harness(App(workflows=[Workflow("w").sleep(60).then(echo)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.wait_for("waiting")
        await harness.clock.advance(40)
        await harness.crash()
        await harness.clock.advance(19)
        assert (await run.get()).status == "waiting"
        await harness.clock.advance(1)
        assert (await run.result(timeout_s=5)).output == 7


async def test_a_sleep_that_ended_while_the_runtime_was_down_ends_at_once() -> None:
    """17. What came due in between fires after the recovery."""
    async with Harness(App(workflows=[Workflow("w").sleep(60).then(echo)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.wait_for("waiting")
        harness.clock.time += 100
        await harness.crash()
        assert (await run.result(timeout_s=5)).output == 7


async def test_cancel_interrupts_a_sleep_at_once() -> None:
    """17, 28. A sleeping run is canceled without waiting, and does not wake up."""
    async with Harness(App(workflows=[Workflow("w").sleep(60).then(echo)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.wait_for("waiting")
        assert await run.cancel()
        assert (await run.get()).status == "canceled"
        await harness.clock.advance(100)
        result = await run.get()
    assert (result.status, result.steps["sleep"].status) == ("canceled", "canceled")
    assert "echo" not in result.steps


@pytest.mark.parametrize("length", [-5, 0, -0.1, timedelta(days=-1)])
async def test_a_negative_sleep_is_none(length: Any) -> None:
    """17. Negative is 0."""
    assert (await run_once(Workflow("w").sleep(length), 7)).output == 7


async def test_a_time_that_is_past_is_no_sleep() -> None:
    """17. Negative is 0, for times and for what is computed, too."""
    past = datetime.fromtimestamp(START - 60, UTC)
    flow = Workflow("w").sleep_until(past).sleep(lambda value: -1).sleep_until(lambda value: past)
    assert (await run_once(flow, 7)).output == 7


@pytest.mark.parametrize("answer", [float("nan"), float("inf"), "soon", None])
async def test_a_sleep_that_is_no_time_fails_its_step(answer: Any) -> None:
    """17. The step fails and says what the function gave."""
    result = await run_once(Workflow("w").sleep(lambda value: answer), 7)
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.path == "sleep"


async def test_a_signal_is_waited_for_and_its_payload_is_the_output() -> None:
    """18. Status `waiting`; the payload is validated with defaults."""
    async with Harness(App(workflows=[Workflow("w").wait_for_signal("paid", Payment).then(echo)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.wait_for("waiting")
        with pytest.raises(InvalidInput):
            await run.signal("paid", {"amount": "much"})
        assert (await run.get()).status == "waiting"
        await run.signal("paid", {"amount": 5})
        result = await run.result(timeout_s=5)
    assert result.output == {"amount": 5, "currency": "EUR"}


async def test_a_signal_that_came_first_is_kept() -> None:
    """18. Also across a crash; it is taken when the wait begins."""
    async with Harness(App(workflows=[Workflow("w").sleep(60).wait_for_signal("paid")])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.wait_for("waiting")
        await run.signal("paid", 1)
        await run.signal("other", 2)
        await harness.crash()
        await harness.clock.advance(60)
        assert (await run.result(timeout_s=5)).output == 1


async def test_two_waiters_of_one_name_take_one_each_in_order() -> None:
    """18. The one that waits longest takes the first."""
    first, second = Workflow("first").wait_for_signal("paid"), Workflow("second").wait_for_signal("paid")
    async with Harness(App(workflows=[Workflow("w").parallel(first, second)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.wait_for("waiting")
        await run.signal("paid", 1)
        await calm()
        assert (await run.get()).status == "waiting"
        await harness.crash()
        await run.signal("paid", 2)
        assert (await run.result(timeout_s=5)).output == {"first": 1, "second": 2}


async def test_kept_signals_are_taken_in_the_order_they_came() -> None:
    """18. Oldest first, each once."""
    flow = (
        Workflow("w").wait_for_signal("go").wait_for_signal("go").map(lambda value, ctx: [value, ctx.step_output("go")])
    )
    async with Harness(App(workflows=[Workflow("main").sleep(1).then(flow)])) as harness:
        run = await harness.client.workflow("main").start(7)
        await run.wait_for("waiting")
        for number in (1, 2, 3):
            await run.signal("go", number)
        await harness.clock.advance(1)
        result = await run.result(timeout_s=5)
    assert (result.steps["w/go"].output, result.steps["w/go#2"].output) == (1, 2)


async def test_a_signal_sent_again_with_its_key_counts_once() -> None:
    """18. The client may repeat it."""
    flow = Workflow("w").wait_for_signal("go").wait_for_signal("go")
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.signal("go", 1, key="k")
        await run.signal("go", 1, key="k")
        await calm()
        assert (await run.get()).status == "waiting"


@pytest.mark.parametrize("is_crashed", [False, True])
async def test_a_signal_that_does_not_come_in_time_fails_the_step(is_crashed: bool) -> None:
    """18. `StepTimeout`, after the time, also when the runtime died meanwhile."""
    async with Harness(App(workflows=[Workflow("w").wait_for_signal("paid", timeout_s=60)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.wait_for("waiting")
        await harness.clock.advance(59)
        if is_crashed:
            await harness.crash()
        assert (await run.get()).status == "waiting"
        await harness.clock.advance(1)
        result = await run.result(timeout_s=5)
        with pytest.raises(RunFinished):
            await run.signal("paid", 1)
    assert result.error is not None
    assert (result.error.type, result.error.code, result.error.path) == ("StepTimeout", "step_timeout", "paid")


@pytest.mark.parametrize("default", [None, 0, {"amount": 0}])
async def test_a_default_is_the_output_when_time_runs_out(default: Any) -> None:
    """18. With `default=` the step succeeds, None being a value."""
    flow = Workflow("w").wait_for_signal("paid", timeout_s=60, default=default)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.wait_for("waiting")
        await harness.clock.advance(60)
        result = await run.result(timeout_s=5)
    assert (result.status, result.output) == ("success", default)


async def test_the_context_of_a_computed_sleep_is_a_steps() -> None:
    """17. The function that computes a length has the context of a step."""

    async def length(value: Any, ctx: StepContext) -> float:
        return float(ctx.state["wait"])

    async with Harness(App(workflows=[Workflow("w").sleep(length)])) as harness:
        run = await harness.client.workflow("w").start(7, state={"wait": 30})
        await run.wait_for("waiting")
        await harness.clock.advance(30)
        assert (await run.result(timeout_s=5)).output == 7


async def test_a_signal_that_is_sent_again_is_acknowledged_also_when_the_run_has_ended() -> None:
    """1. Its sender did not hear that it was taken: the run's end, which it brought about, is no refusal."""
    async with Harness(App(workflows=[Workflow("w").wait_for_signal("go")])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.signal("go", 2, key="k")
        assert (await run.result(timeout_s=5)).status == "success"
        await run.signal("go", 2, key="k")
        with pytest.raises(RunFinished):
            await run.signal("go", 2, key="other")
