"""Cancelling. Line 28 of the page on semantics."""

import asyncio
import threading
from typing import Any

import pytest

from greenroom import App, StepContext, Workflow, step
from tests.host.crash_store import CrashStore
from tests.host.harness import Harness, calm


async def echo(value: Any) -> Any:
    return value


async def ask(value: Any, ctx: StepContext) -> Any:
    return await ctx.suspend()


class Stuck:
    """An async body that runs until it is cancelled."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.told = asyncio.Event()

    async def body(self, value: Any, ctx: StepContext) -> Any:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ctx.cancelled.is_set():
                self.told.set()
            self.cancelled.set()
            raise


async def test_a_running_step_is_canceled_at_once_and_its_body_is_told() -> None:
    """28. Status, step and reason are there when `cancel` returns; the async body is cancelled."""
    stuck = Stuck()
    async with Harness(App(workflows=[Workflow("w").then(step(id="s")(stuck.body)).then(echo)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await stuck.started.wait()
        assert await run.cancel("enough") is True
        result = await run.get()
        await asyncio.wait_for(stuck.told.wait(), 5)
    assert (result.status, result.reason, result.error) == ("canceled", "enough", None)
    assert result.steps["s"].status == "canceled"
    assert "echo" not in result.steps


async def test_a_cancellation_that_died_with_the_runtime_reaches_the_body() -> None:
    """28. The run is canceled and the runtime dies before it has told the worker: the next one tells it."""
    stuck = Stuck()
    store = CrashStore([2], "after")
    app = App(workflows=[Workflow("w").then(step(id="s")(stuck.body))])
    async with Harness(app, storage=store) as harness:
        run = await harness.client.workflow("w").start(1)
        await stuck.started.wait()
        canceling = asyncio.ensure_future(run.cancel())
        await store.hit.wait()
        await calm()
        assert not stuck.cancelled.is_set()
        await harness.crash()
        store.hit.clear()
        assert await canceling is True
        await asyncio.wait_for(stuck.told.wait(), 5)


async def test_a_body_in_a_thread_sees_the_cancellation() -> None:
    """28. `ctx.cancelled` is set for it; the run does not wait for it."""
    started, told, go = threading.Event(), threading.Event(), threading.Event()

    def body(value: Any, ctx: StepContext) -> Any:
        started.set()
        go.wait(5)
        if ctx.cancelled.is_set():
            told.set()
        return "late"

    async with Harness(App(workflows=[Workflow("w").then(step(id="s")(body))])) as harness:
        run = await harness.client.workflow("w").start(1)
        assert await asyncio.to_thread(started.wait, 5)
        assert await run.cancel()
        assert (await run.get()).status == "canceled"
        await calm()
        go.set()
        assert await asyncio.to_thread(told.wait, 5)
        await calm()
        result = await run.get()
    assert (result.status, result.steps["s"].output) == ("canceled", None)


@pytest.mark.parametrize("is_crashed", [False, True])
async def test_children_are_canceled_too(is_crashed: bool) -> None:
    """28. Nested workflows and children called by a body, also after a restart."""
    stuck = Stuck()

    async def call(value: Any, ctx: StepContext) -> Any:
        return await ctx.workflow("child").run(value)

    child = Workflow("child").then(step(id="s")(stuck.body))
    flow = Workflow("w").parallel(call, Workflow("inner").then(ask), Workflow("sleeper").sleep(60))
    async with Harness(App(workflows=[flow, child])) as harness:
        run = await harness.client.workflow("w").start(1)
        await stuck.started.wait()
        if is_crashed:
            await harness.crash()
        assert await run.cancel()
        result = await run.get()
        await asyncio.wait_for(stuck.cancelled.wait(), 5)
        heads = await harness.client.runs()
    assert {step_result.status for step_result in result.steps.values()} == {"canceled"}
    assert {head.status for head in heads} == {"canceled"}
    assert len(heads) == 4


async def test_a_suspended_run_is_canceled_at_once() -> None:
    """28. Nothing of it is left to resume."""
    async with Harness(App(workflows=[Workflow("w").then(ask)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        await harness.crash()
        assert await run.cancel()
        result = await run.get()
    assert (result.status, result.suspended, result.steps["ask"].status) == ("canceled", [], "canceled")


async def test_canceling_a_finished_run_changes_nothing_and_says_so() -> None:
    """28. False for a run that ended otherwise; repeated cancel is fine and True."""
    async with Harness(App(workflows=[Workflow("w").then(echo), Workflow("a").then(ask)])) as harness:
        done = await harness.client.workflow("w").start(1)
        await done.result(timeout_s=5)
        assert await done.cancel() is False
        assert (await done.get()).status == "success"
        other = await harness.client.workflow("a").start(1)
        await other.result(timeout_s=5)
        assert await other.cancel("first") is True
        assert await other.cancel("second") is True
        assert (await other.get()).reason == "first"


async def test_completion_racing_with_cancel_has_one_winner() -> None:
    """28. Sixteen cancels and a body that ends at the same moment: all of them see the same end."""
    for delay in range(12):
        gate = asyncio.Event()

        async def body(value: Any, gate: asyncio.Event = gate) -> Any:
            await gate.wait()
            return "done"

        async with Harness(App(workflows=[Workflow("w").then(step(id="s")(body))]), storage=CrashStore()) as harness:
            run = await harness.client.workflow("w").start(1)
            await calm()
            gate.set()
            await calm(delay)
            answers = await asyncio.gather(*(run.cancel() for _ in range(16)))
            result = await run.result(timeout_s=5)
            await harness.crash()
            assert (await run.get()).status == result.status
        assert set(answers) == {result.status == "canceled"}


async def test_a_retry_that_waits_is_canceled_at_once() -> None:
    """28. The attempt that would follow is not made."""
    calls: list[int] = []

    @step(retries=3)
    async def fail(value: Any) -> Any:
        calls.append(1)
        raise ValueError("no")

    async with Harness(App(workflows=[Workflow("w").then(fail)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        assert await run.cancel()
        await harness.clock.advance(1000)
        assert (await run.get()).status == "canceled"
    assert calls == [1]


async def test_an_item_that_waits_for_a_slot_is_canceled_with_its_run() -> None:
    """13, 28. Nothing that was queued begins afterwards."""
    stuck = Stuck()

    async def body(value: int, ctx: StepContext) -> Any:
        await ctx.suspend()
        await stuck.body(value, ctx)

    async with Harness(App(workflows=[Workflow("w").foreach(step(id="each")(body), concurrency=1)])) as harness:
        run = await harness.client.workflow("w").start([1, 2])
        await run.result(timeout_s=5)
        await run.resume("each", None)
        await stuck.started.wait()
        assert await run.cancel()
        await calm()
        result = await run.get()
    assert {step_result.status for step_result in result.steps.values()} == {"canceled"}


async def test_abort_cancels_the_whole_run() -> None:
    """28. `ctx.abort()`, also from a nested workflow."""

    async def leave(value: Any, ctx: StepContext) -> Any:
        ctx.abort()

    flow = Workflow("w").parallel(Workflow("inner").then(leave), ask).then(echo)
    async with Harness(App(workflows=[flow])) as harness:
        result = await harness.client.workflow("w").run(1, timeout_s=5)
    assert result.status == "canceled"
    assert "inner/leave" in result.reason
