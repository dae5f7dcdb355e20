"""Callbacks. Line 29 of the page on semantics."""

import asyncio
from typing import Any

import pytest

from greenroom import App, StepContext, Workflow
from tests.host.harness import Harness, calm


async def echo(value: Any) -> Any:
    return value


async def fail(value: Any) -> Any:
    raise ValueError("no")


class Told:
    """A callback that notes what it was told."""

    def __init__(self) -> None:
        self.results: list[Any] = []

    async def note(self, result: Any, ctx: StepContext) -> None:
        self.results.append((result, ctx.run_id))


@pytest.mark.parametrize(("body", "status"), [(echo, "success"), (fail, "failed")])
async def test_the_callback_of_the_end_is_called_once(body: Any, status: str) -> None:
    """29. `on_finish` after a success, `on_error` after a failure; each gets the result."""
    finish, error = Told(), Told()
    flow = Workflow("w", on_finish=finish.note, on_error=error.note).then(body)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(7)
        assert (await run.result(timeout_s=5)).status == status
        await calm()
        await harness.crash()
        await calm()
    called, other = (finish, error) if status == "success" else (error, finish)
    assert other.results == []
    assert len(called.results) == 1
    result, run_id = called.results[0]
    assert (result["status"], result["input"], result["run_id"]) == (status, 7, run_id)
    if status == "success":
        assert result["output"] == 7
    else:
        assert (result["error"]["type"], result["error"]["path"]) == ("ValueError", "fail")


async def test_a_result_does_not_wait_for_its_callback_and_a_crash_does_not_lose_it() -> None:
    """29. The callback is a journaled step: begun anew when it was cut short, not when it had ended."""
    gate = asyncio.Event()
    calls: list[str] = []

    async def slow(result: Any) -> None:
        calls.append("begun")
        await gate.wait()
        calls.append("ended")

    async with Harness(App(workflows=[Workflow("w", on_finish=slow).then(echo)])) as harness:
        run = await harness.client.workflow("w").start(7)
        assert (await asyncio.wait_for(run.result(), 2)).status == "success"
        await calm()
        await harness.kill_workers()
        await harness.crash()
        await calm()
        gate.set()
        await calm()
        await harness.crash()
        await calm()
        assert (await run.get()).status == "success"
    assert calls == ["begun", "begun", "ended"]


async def test_a_callback_that_fails_changes_nothing() -> None:
    """29. Its failure is logged; status, output and steps are as they were."""

    async def broken(result: Any) -> None:
        raise RuntimeError("callback")

    async with Harness(App(workflows=[Workflow("w", on_finish=broken).then(echo)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.result(timeout_s=5)
        await calm()
        result = await run.get()
        await harness.crash()
        assert (await run.get()) == result
    assert (result.status, result.output, result.error, list(result.steps)) == ("success", 7, None, ["echo"])


async def test_a_canceled_run_calls_neither() -> None:
    """29. Cancelling is no failure and no success."""

    async def ask(value: Any, ctx: StepContext) -> Any:
        await ctx.suspend()

    told = Told()
    async with Harness(App(workflows=[Workflow("w", on_finish=told.note, on_error=told.note).then(ask)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.result(timeout_s=5)
        await run.cancel()
        await calm()
    assert told.results == []


@pytest.mark.parametrize(("body", "status"), [(echo, "success"), (fail, "failed")])
async def test_a_nested_workflow_has_callbacks_of_its_own(body: Any, status: str) -> None:
    """29. They are called once, with the nested run's result; a failure of one changes nothing."""
    finish, error = Told(), Told()
    inner = Workflow("inner", on_finish=finish.note, on_error=error.note).then(body)
    async with Harness(App(workflows=[Workflow("w").then(inner)])) as harness:
        run = await harness.client.workflow("w").start(7)
        result = await run.result(timeout_s=5)
        await calm()
        await harness.crash()
        await calm()
    assert result.status == status
    called, other = (finish, error) if status == "success" else (error, finish)
    assert other.results == []
    assert [told["status"] for told, _ in called.results] == [status]
    assert called.results[0][0]["run_id"] == result.steps["inner"].run_id
