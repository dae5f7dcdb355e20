"""Foreach. Lines 13, 15 and 21 of the page on semantics."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from greenroom import App, StepContext, Workflow, step
from tests.host.harness import Harness, calm, run_once


async def echo(value: Any) -> Any:
    return value


async def ask(value: Any, ctx: StepContext) -> Any:
    return [value, await ctx.suspend({"about": value})]


class Gates:
    """Bodies that wait until the test lets them go."""

    def __init__(self) -> None:
        self.open: dict[Any, asyncio.Event] = {}
        self.started: list[Any] = []
        self.running = 0
        self.most = 0

    async def body(self, value: Any) -> Any:
        self.started.append(value)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.open.setdefault(value, asyncio.Event()).wait()
        finally:
            self.running -= 1
        return value

    async def let(self, value: Any) -> None:
        self.open.setdefault(value, asyncio.Event()).set()
        await calm()


async def test_order_and_falsy_values_are_kept() -> None:
    """13. The output has an entry for each item, in their order, whatever ends first."""
    gates = Gates()
    flow = Workflow("w").foreach(step(id="each")(gates.body))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start([3, 0, "", None, False])
        await calm()
        for value in (False, None, "", 0, 3):
            await gates.let(value)
        assert (await run.result(timeout_s=5)).output == [3, 0, "", None, False]


async def test_an_empty_list_gives_an_empty_list() -> None:
    """13. No body is called."""
    result = await run_once(Workflow("w").foreach(echo).then(step(id="after")(echo)), [])
    assert (result.status, result.output) == ("success", [])
    assert set(result.steps) == {"echo", "after"}


@pytest.mark.parametrize("value", [None, 5, "text", {"a": 1}])
async def test_what_is_no_list_fails_the_step(value: Any) -> None:
    """13. The step says what it found instead."""
    result = await run_once(Workflow("w").foreach(echo), value)
    assert result.error is not None
    assert (result.error.code, result.error.path) == ("invalid_input", "echo")


async def test_at_most_concurrency_bodies_run_and_a_free_slot_is_refilled_at_once() -> None:
    """13. One ends, the next begins; never more than asked for."""
    gates = Gates()
    flow = Workflow("w").foreach(step(id="each")(gates.body), concurrency=2)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start([0, 1, 2, 3, 4])
        await calm()
        assert sorted(gates.started) == [0, 1]
        await gates.let(1)
        assert sorted(gates.started) == [0, 1, 2]
        await gates.let(2)
        assert sorted(gates.started) == [0, 1, 2, 3]
        for value in (0, 3, 4):
            await gates.let(value)
        assert (await run.result(timeout_s=5)).output == [0, 1, 2, 3, 4]
    assert gates.most == 2


async def test_a_suspended_item_holds_no_slot() -> None:
    """13. With concurrency 1, every item comes to its suspension; each is resumed by its index."""
    async with Harness(App(workflows=[Workflow("w").foreach(ask, concurrency=1)])) as harness:
        run = await harness.client.workflow("w").start(["a", "b", "c"])
        result = await run.result(timeout_s=5)
        assert result.suspended == ["ask[0]", "ask[1]", "ask[2]"]
        for index in (2, 0, 1):
            await run.resume("ask", index, index=index)
        result = await run.result(timeout_s=5)
    assert result.output == [["a", 0], ["b", 1], ["c", 2]]


@pytest.mark.parametrize("is_crashed", [False, True])
async def test_resumed_items_wait_for_a_free_slot(is_crashed: bool) -> None:
    """13. At most `concurrency` bodies run, also when all items are resumed at once; they go on one by one."""
    gates = Gates()

    async def body(value: Any, ctx: StepContext) -> Any:
        await ctx.suspend()
        return int(await gates.body(value))

    async with Harness(App(workflows=[Workflow("w").foreach(step(id="each")(body), concurrency=2)])) as harness:
        run = await harness.client.workflow("w").start([0, 1, 2, 3])
        await run.result(timeout_s=5)
        await run.resume("each", None)
        await calm()
        assert sorted(gates.started) == [0, 1]
        assert (await run.get()).suspended == []
        if is_crashed:
            await harness.crash()
        await gates.let(0)
        assert sorted(gates.started) == [0, 1, 2]
        for value in (1, 2, 3):
            await gates.let(value)
        assert (await run.result(timeout_s=5)).output == [0, 1, 2, 3]
    assert gates.most == 2


async def test_a_crash_repeats_only_unfinished_items() -> None:
    """13. Every item is journaled by itself: those that ended are not called again."""
    gates = Gates()
    flow = Workflow("w").foreach(step(id="each")(gates.body), concurrency=3)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start([0, 1, 2, 3])
        await calm()
        await gates.let(0)
        await gates.let(1)
        await harness.kill_workers()
        await harness.crash()
        await calm()
        for value in (2, 3):
            await gates.let(value)
        assert (await run.result(timeout_s=5)).output == [0, 1, 2, 3]
    assert Counter(gates.started) == {0: 1, 1: 1, 2: 2, 3: 2}


async def test_a_failing_item_stops_new_ones_waits_for_those_running_and_is_named() -> None:
    """13. The step fails with the item's index once the running items have ended."""
    gates = Gates()

    async def body(value: int) -> int:
        if value == 1:
            raise ValueError("one")
        return int(await gates.body(value))

    flow = Workflow("w").foreach(step(id="each")(body), concurrency=2)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start([0, 1, 2, 3])
        await calm()
        assert (await run.get()).status == "running"
        await gates.let(0)
        result = await run.result(timeout_s=5)
    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.type, result.error.path, result.error.attributes["index"]) == ("ValueError", "each[1]", 1)
    assert gates.started == [0]
    assert result.steps["each[0]"].output == 0


async def test_an_allowed_failure_gives_none_there() -> None:
    """13. With `allow_failure` all items run and the failed one is None."""

    async def body(value: int) -> int:
        if value == 1:
            raise ValueError("one")
        return value

    flow = Workflow("w").foreach(step(id="each")(body), concurrency=1, allow_failure=True)
    assert (await run_once(flow, [0, 1, 2])).output == [0, None, 2]


async def test_an_allowed_failure_waits_for_suspended_items() -> None:
    """13. A suspended item keeps its step open beside a failed one."""

    async def body(value: int, ctx: StepContext) -> Any:
        if value == 1:
            raise ValueError("one")
        return await ctx.suspend()

    flow = Workflow("w").foreach(step(id="each")(body), allow_failure=True)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start([0, 1])
        assert (await run.result(timeout_s=5)).suspended == ["each[0]"]
        await run.resume("each", "x", index=0)
        assert (await run.result(timeout_s=5)).output == ["x", None]


async def test_bail_from_an_item_ends_the_workflow() -> None:
    """15. The workflow of the foreach succeeds with the value; no further item and no later body runs."""
    started: list[int] = []

    async def body(value: int, ctx: StepContext) -> int:
        started.append(value)
        if value == 1:
            ctx.bail({"left": value})
        return value

    flow = Workflow("w").foreach(step(id="each")(body), concurrency=1).then(step(id="later")(echo))
    result = await run_once(flow, [0, 1, 2, 3])
    assert (result.status, result.output) == ("success", {"left": 1})
    assert started == [0, 1]
    assert set(result.steps) == {"each", "each[0]", "each[1]"}


async def test_a_resume_without_index_resumes_all_suspended_items() -> None:
    """21. All suspended items get the same data; one that ended keeps its outcome."""

    async def body(value: int, ctx: StepContext) -> Any:
        return [value, await ctx.suspend()] if value else "done"

    async with Harness(App(workflows=[Workflow("w").foreach(step(id="each")(body))])) as harness:
        run = await harness.client.workflow("w").start([1, 0, 2])
        await run.result(timeout_s=5)
        await run.resume("each", "all")
        assert (await run.result(timeout_s=5)).output == [[1, "all"], "done", [2, "all"]]


async def test_a_step_inside_of_an_item_is_resumed_by_the_items_index() -> None:
    """21. `index=` picks the item of a foreach whose items are workflows, by the foreach or by the step."""
    inner = Workflow("inner").then(echo).then(ask)
    async with Harness(App(workflows=[Workflow("w").foreach(inner)])) as harness:
        run = await harness.client.workflow("w").start(["a", "b", "c", "d"])
        result = await run.result(timeout_s=5)
        assert sorted(result.suspended) == [f"inner[{index}]/ask" for index in range(4)]
        await run.resume("inner", 1, index=1)
        await run.resume("ask", 0, index=0)
        await run.resume("inner", "rest")
        assert (await run.result(timeout_s=5)).output == [["a", 0], ["b", 1], ["c", "rest"], ["d", "rest"]]


async def test_a_slot_goes_to_the_next_when_what_is_left_of_an_item_only_waits() -> None:
    """13. A member of an item ends and the others are suspended, or are resumed and wait for a slot themselves."""
    gate = asyncio.Event()

    async def ask(value: int, ctx: StepContext) -> int:
        if await ctx.suspend({}) == "slow":
            await gate.wait()
        return value

    item = Workflow("item").parallel(step(id="a")(ask), step(id="b")(ask))
    flow = Workflow("w").map(lambda _: [1, 2]).foreach(item, concurrency=1)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start()
        assert sorted((await run.result(timeout_s=5)).suspended) == ["item[0]/a", "item[0]/b", "item[1]/a", "item[1]/b"]
        await run.resume("item[0]/a", "slow")
        await run.resume("item[1]/a", "quick")
        await run.resume("item[1]/b", "quick")
        gate.set()
        assert (await run.result(timeout_s=5)).suspended == ["item[0]/b"]
        await run.resume("item[0]/b", "quick")
        result = await run.result(timeout_s=5)
    assert result.output == [{"a": 1, "b": 1}, {"a": 2, "b": 2}]
