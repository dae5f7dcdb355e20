"""Failures, retries and limits of time. Lines 25 to 27 of the page on semantics."""

import asyncio
import logging
from typing import Any

import pytest

from greenroom import App, StepContext, Workflow, step
from greenroom.runtime.host.wakes import attempt_key
from tests.host.harness import Harness, calm, run_once


class Rejected(Exception):
    def __init__(self, message: str, amount: int) -> None:
        super().__init__(message)
        self.amount = amount
        self.tags = ["a"]
        self.handle = object()
        self._secret = "x"


async def echo(value: Any) -> Any:
    return value


def chained(error: Exception, *causes: Exception) -> Exception:
    """Return the error with its causes, the nearest first."""
    if causes:
        error.__cause__ = chained(*causes)
    return error


class Flaky:
    """A body that fails some times before it succeeds."""

    def __init__(self, failures: int, error: type[Exception] = OSError) -> None:
        self.calls = 0
        self.failures = failures
        self.error = error

    async def body(self, value: Any) -> Any:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error(f"call {self.calls}")
        return value


async def test_an_error_keeps_type_message_attributes_and_causes() -> None:
    """25. JSON attributes and four levels of causes, at the path of the step."""

    async def fail(value: Any) -> Any:
        raise Rejected("no", 5) from chained(OSError("shallow"), OSError("deep"), KeyError("deepest"))

    result = await run_once(Workflow("w").then(fail).then(echo), 1)
    assert result.status == "failed"
    error = result.error
    assert error is not None
    assert (error.type, error.message, error.path) == ("Rejected", "no", "fail")
    assert error.attributes == {"amount": 5, "tags": ["a"]}
    chain = []
    while error is not None:
        chain.append(error.type)
        error = error.cause
    assert chain == ["Rejected", "OSError", "OSError", "KeyError"]
    assert result.steps["fail"].error == result.error


async def test_the_trace_goes_to_the_log_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    """25. The log has run id, path and trace; what a client sees has no file and no line."""

    async def fail(value: Any) -> Any:
        raise ValueError("no")

    with caplog.at_level(logging.WARNING, "greenroom.step"):
        result = await run_once(Workflow("w").then(fail), 1)
    assert "Traceback" not in str(result.view)
    assert __file__ not in str(result.view)
    record = next(record for record in caplog.records if record.name == "greenroom.step")
    assert (record.run_id, record.path) == (result.run_id, "fail")  # type: ignore[attr-defined]
    assert record.exc_info is not None


async def test_retries_are_made_with_exponential_backoff() -> None:
    """26. n + 1 calls at most; each wait is between half and all of twice the one before."""
    flaky = Flaky(9)
    async with Harness(App(workflows=[Workflow("w").then(step(id="s", retries=3, backoff=10)(flaky.body))])) as harness:
        run = await harness.client.workflow("w").start(1)
        for full in (10, 20, 40):
            await calm()
            calls = flaky.calls
            await harness.clock.advance(full / 2 - 0.01)
            assert flaky.calls == calls
            await harness.clock.advance(full / 2 + 0.01)
            assert flaky.calls == calls + 1
        result = await run.result(timeout_s=5)
    assert result.status == "failed"
    assert flaky.calls == 4
    assert result.steps["s"].attempts == 4
    assert result.error is not None
    assert result.error.message == "call 4"


async def test_a_backoff_has_a_longest_wait() -> None:
    """26. A pair gives the first and the longest wait."""
    flaky = Flaky(9)
    made = step(id="s", retries=5, backoff=(10, 15))(flaky.body)
    async with Harness(App(workflows=[Workflow("w").then(made)])) as harness:
        await harness.client.workflow("w").start(1)
        for _ in range(5):
            await calm()
            await harness.clock.advance(15)
    assert flaky.calls == 6


async def test_success_on_a_later_attempt_is_a_success() -> None:
    """26. The output is the last attempt's."""
    flaky = Flaky(2)
    async with Harness(App(workflows=[Workflow("w").then(step(id="s", retries=2)(flaky.body)).then(echo)])) as harness:
        run = await harness.client.workflow("w").start(7)
        for _ in range(2):
            await calm()
            await harness.clock.advance(60)
        result = await run.result(timeout_s=5)
    assert (result.output, result.steps["s"].attempts) == (7, 3)


@pytest.mark.parametrize(("of_step", "calls"), [(None, 3), (0, 1), (1, 2)])
async def test_the_workflows_retries_are_the_default(of_step: int | None, calls: int) -> None:
    """26. A step that says nothing takes the workflow's; 0 is something."""
    flaky = Flaky(9)
    flow = Workflow("w", retries=2).then(step(id="s", retries=of_step)(flaky.body))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(7)
        for _ in range(3):
            await calm()
            await harness.clock.advance(60)
        assert (await run.result(timeout_s=5)).status == "failed"
    assert flaky.calls == calls


async def test_only_what_retry_on_names_is_repeated() -> None:
    """26. Other errors fail at once; subclasses count."""
    for error, calls in ((ConnectionError, 2), (ValueError, 1)):
        flaky = Flaky(1, error)
        made = step(id="s", retries=3, retry_on=OSError)(flaky.body)
        async with Harness(App(workflows=[Workflow("w").then(made)])) as harness:
            run = await harness.client.workflow("w").start(7)
            await calm()
            await harness.clock.advance(60)
            result = await run.result(timeout_s=5)
        assert flaky.calls == calls
        assert result.status == ("success" if calls == 2 else "failed")


async def test_a_crash_does_not_reset_retries() -> None:
    """26. They are counted in the journal, and the wait goes on where it was."""
    flaky = Flaky(9)
    async with Harness(App(workflows=[Workflow("w").then(step(id="s", retries=2, backoff=8)(flaky.body))])) as harness:
        run = await harness.client.workflow("w").start(7)
        await calm()
        await harness.crash()
        await calm()
        assert flaky.calls == 1
        await harness.clock.advance(8)
        await harness.crash()
        await harness.clock.advance(16)
        assert (await run.result(timeout_s=5)).status == "failed"
    assert flaky.calls == 3


async def test_waiting_for_a_retry_holds_no_worker() -> None:
    """26. The workers have nothing of the run while it waits; the run is still `running`."""
    flaky = Flaky(1)
    async with Harness(App(workflows=[Workflow("w").then(step(id="s", retries=1)(flaky.body))])) as harness:
        run = await harness.client.workflow("w").start(7)
        await calm()
        status = await harness.client.status()
        assert [worker["load"] for worker in status["workers"]] == [0, 0]
        assert (await run.get()).status == "running"


async def test_a_step_that_takes_too_long_is_stopped() -> None:
    """27. After `timeout_s` the step fails with `StepTimeout`; the body is cancelled."""
    cancelled = asyncio.Event()

    @step(timeout_s=30)
    async def slow(value: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with Harness(App(workflows=[Workflow("w").then(slow)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        await harness.clock.advance(29.9)
        assert (await run.get()).status == "running"
        await harness.clock.advance(0.1)
        result = await run.result(timeout_s=5)
        await asyncio.wait_for(cancelled.wait(), 5)
    assert result.error is not None
    assert (result.error.type, result.error.code, result.error.path) == ("StepTimeout", "step_timeout", "slow")


async def test_the_time_of_a_lost_attempt_does_not_end_the_next_one() -> None:
    """24. Its worker died as its time was over, and the next attempt is there when the timer comes to it."""

    @step(timeout_s=30)
    async def slow(value: Any) -> Any:
        await asyncio.Event().wait()

    async with Harness(App(workflows=[Workflow("w").then(slow)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        await harness.clock.advance(29.9)
        harness.strike(only=run.run_id)
        await calm()
        engine = harness.host._engine
        assert engine is not None
        await engine._fire(attempt_key(run.run_id, "slow", 1))
        shown = await run.get()
        assert (shown.steps["slow"].attempts, shown.steps["slow"].status) == (2, "running")
        await harness.clock.advance(29.9)
        assert (await run.get()).status == "running"
        await harness.clock.advance(0.2)
        assert (await run.result(timeout_s=5)).status == "failed"


async def test_a_stuck_body_that_ignores_its_cancellation_cannot_hold_the_run() -> None:
    """27. The runtime enforces the limit: what a stuck worker does later changes nothing."""
    gate = asyncio.Event()

    @step(timeout_s=30)
    async def stuck(value: Any) -> Any:
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    async with Harness(App(workflows=[Workflow("w").then(stuck)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        await harness.clock.advance(30)
        assert (await run.result(timeout_s=5)).status == "failed"
        gate.set()
        await calm()
        result = await run.get()
    assert (result.status, result.steps["stuck"].output) == ("failed", None)


async def test_a_timeout_is_a_failure_that_is_retried() -> None:
    """26, 27. Each attempt has the whole time; waits between them do not count."""
    calls: list[int] = []

    @step(timeout_s=30, retries=1, backoff=40)
    async def slow(value: Any, ctx: StepContext) -> Any:
        calls.append(ctx.attempt)
        if ctx.attempt == 1:
            await asyncio.Event().wait()
        return "second"

    async with Harness(App(workflows=[Workflow("w").then(slow)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        await harness.clock.advance(30)
        await harness.clock.advance(40)
        assert (await run.result(timeout_s=5)).output == "second"
    assert calls == [1, 2]


async def test_a_crash_does_not_lift_the_limit_of_a_running_step() -> None:
    """27. An attempt that a living worker still has is limited by the next runtime too."""

    @step(timeout_s=30)
    async def slow(value: Any) -> Any:
        await asyncio.Event().wait()

    async with Harness(App(workflows=[Workflow("w").then(slow)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        await harness.crash()
        await calm()
        await harness.clock.advance(30)
        assert (await run.result(timeout_s=5)).status == "failed"


async def test_the_limit_of_a_dead_attempt_does_not_hit_the_next() -> None:
    """27. Each attempt's time begins when its body does."""

    @step(timeout_s=30)
    async def slow(value: Any, ctx: StepContext) -> Any:
        if ctx.attempt == 1:
            await asyncio.Event().wait()
        await gate.wait()
        return ctx.attempt

    gate = asyncio.Event()
    async with Harness(App(workflows=[Workflow("w").then(slow)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        await harness.clock.advance(20)
        await harness.kill_workers()
        await calm()
        await harness.clock.advance(20)
        gate.set()
        assert (await run.result(timeout_s=5)).output > 1


async def test_a_run_that_takes_too_long_fails() -> None:
    """27. The workflow's `timeout_s` ends it with `StepTimeout` and stops what runs."""
    cancelled = asyncio.Event()

    async def slow(value: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with Harness(App(workflows=[Workflow("w", timeout_s=60).sleep(40).then(slow)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.wait_for("waiting")
        await harness.clock.advance(40)
        await harness.crash()
        await harness.clock.advance(19.9)
        assert (await run.get()).status == "running"
        await harness.clock.advance(0.1)
        result = await run.result(timeout_s=5)
        await asyncio.wait_for(cancelled.wait(), 5)
    assert result.error is not None
    assert (result.error.type, result.error.code) == ("StepTimeout", "step_timeout")
    assert result.steps["slow"].status == "canceled"


async def test_parked_time_does_not_count_towards_a_runs_limit() -> None:
    """24, 27. Time before and after a suspension is added up, the suspension itself is not."""

    async def ask(value: Any, ctx: StepContext) -> Any:
        return await ctx.suspend()

    flow = Workflow("w", timeout_s=60).sleep(40).then(ask).sleep(40)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.wait_for("waiting")
        await harness.clock.advance(40)
        await run.wait_for("suspended")
        await harness.clock.advance(10_000)
        await harness.crash()
        await run.resume("ask", 1)
        await run.wait_for("waiting")
        await harness.clock.advance(19)
        assert (await run.get()).status == "waiting"
        await harness.clock.advance(1)
        assert (await run.result(timeout_s=5)).status == "failed"


async def test_a_nested_workflow_has_a_limit_of_its_own() -> None:
    """27. It fails the nested workflow as a step."""
    inner = Workflow("inner", timeout_s=10).sleep(20)
    async with Harness(App(workflows=[Workflow("w").parallel(inner, echo, allow_failure=True)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.wait_for("waiting")
        await harness.clock.advance(10)
        assert (await run.result(timeout_s=5)).output == {"inner": None, "echo": 1}
