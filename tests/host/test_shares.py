"""Who gets the workers when there is more to do than they have room for."""

import pytest

from greenroom import App, StepContext, ToolContext, Workflow, step, tool
from greenroom.runtime.host import desk
from tests.host.gate import Gate
from tests.host.harness import Harness, calm


async def test_a_workspace_with_much_to_do_does_not_hold_up_another() -> None:
    """What no worker has room for waits in fair order, and not in the workers."""
    order: list[str] = []

    def note(value: str) -> str:
        order.append(value)
        return value

    app = App(workflows=[Workflow("w", input=list[str]).foreach(step(note), concurrency=30)])
    async with Harness(app, workers=1, max_threads=1) as harness:
        many = await harness.of_workspace("a").workflow("w").start([f"a{number}" for number in range(30)])
        few = await harness.of_workspace("b").workflow("w").start(["b0", "b1", "b2"])
        await few.result(timeout_s=10)
        await many.result(timeout_s=10)
    assert len(order) == 33
    assert max(order.index(value) for value in ("b0", "b1", "b2")) < 12


async def test_the_higher_priority_gets_a_worker_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no limit is set."""
    monkeypatch.setattr(desk, "MAX_AT_ONCE", 1)
    gate = Gate()
    async with Harness(App(workflows=[Workflow("w").then(gate.step())]), workers=1) as harness:
        for value, priority in (("first", 0), ("plain", 0), ("urgent", 3)):
            await harness.client.workflow("w").start(value, priority=priority)
        for number in range(3):
            await calm()
            await gate.let_go(number)
    assert gate.began == ["first", "urgent", "plain"]


async def test_bodies_that_wait_for_what_they_called_leave_room_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for one, a body and what it calls do not wait for each other."""
    monkeypatch.setattr(desk, "MAX_AT_ONCE", 1)

    @tool
    async def fetch(query: str, ctx: ToolContext) -> str:
        """Fetch."""
        return query

    async def ask(value: str, ctx: StepContext) -> object:
        return await ctx.tool("fetch").execute({"query": value})

    async with Harness(App(workflows=[Workflow("w").then(step(ask))], tools=[fetch]), workers=1) as harness:
        runs = [await harness.client.workflow("w").start(str(number)) for number in range(3)]
        assert [(await run.result(timeout_s=5)).output for run in runs] == ["0", "1", "2"]


async def test_what_waits_for_a_worker_can_be_canceled(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never begins, and those behind it have its place."""
    monkeypatch.setattr(desk, "MAX_AT_ONCE", 1)
    gate = Gate()
    async with Harness(App(workflows=[Workflow("w").then(gate.step())]), workers=1) as harness:
        runs = [await harness.client.workflow("w").start(number) for number in range(3)]
        await calm()
        assert await runs[1].cancel()
        await gate.let_go(0)
        await gate.let_go(1)
        assert [(await run.result(timeout_s=5)).status.value for run in runs] == ["success", "canceled", "success"]
    assert gate.began == [0, 2]
