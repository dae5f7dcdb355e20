"""Who holds the room of a limit, and when it is given back. See docs/limits.md."""

import asyncio
from typing import Any

import pytest

from greenroom import (
    App,
    StepContext,
    ToolContext,
    Workflow,
    step,
    tool,
)
from greenroom.runtime.contracts.entries import Fact
from greenroom.runtime.contracts.work import AttemptId
from greenroom.runtime.host.batch import Batch
from greenroom.runtime.host.book import RunEntry
from tests.host.gate import ONE, Gate, held
from tests.host.harness import Harness, calm


async def test_room_is_given_back_by_failures_time_limits_and_deaths() -> None:
    """However an attempt ends, the next may begin."""
    began: list[str] = []

    async def act(value: str) -> str:
        began.append(value)
        if value == "raises":
            raise ValueError(value)
        if value in {"hangs", "dies"} and began.count(value) == 1:
            await asyncio.Event().wait()
        return value

    app = App(workflows=[Workflow("w").then(step(id="s", limits="one", timeout_s=30.0)(act))], limits=ONE)
    async with Harness(app) as harness:
        runs = {}
        for value in ("raises", "hangs", "dies", "last"):
            runs[value] = await harness.client.workflow("w").start(value)
        await calm()
        await harness.clock.advance(31.0)
        assert began == ["raises", "hangs", "dies"]
        await harness.kill_workers()
        await harness.clock.advance(1.0)
        statuses = {value: (await run.result(timeout_s=5)).status.value for value, run in runs.items()}
    assert statuses == {"raises": "failed", "hangs": "failed", "dies": "success", "last": "success"}


async def test_an_attempt_in_doubt_holds_no_room() -> None:
    """A person is asked what became of it, and others go on meanwhile."""
    gate = Gate()
    async with Harness(held(gate, effect="once")) as harness:
        doubtful = await harness.client.workflow("w").start(1)
        await calm()
        await harness.client.workflow("w").start(2)
        await harness.kill_workers()
        await calm()
        assert (await doubtful.get()).status == "suspended"
        assert gate.began == [1, 2]


async def test_a_run_that_cannot_go_on_keeps_nobody_from_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with it: those behind it have its room."""
    gate = Gate()
    async with Harness(held(gate)) as harness:
        await harness.client.workflow("w").start(1)
        await calm()
        broken = await harness.client.workflow("w").start(2)
        await harness.client.workflow("w").start(3)
        await calm()
        engine = harness.host._engine
        assert engine is not None
        collect = engine.collect

        def fail(batch: Batch, entry: RunEntry, fact: Fact, extra: Any = ()) -> None:
            if entry.state.run_id == broken.run_id:
                raise RuntimeError("it does not come to rest")
            collect(batch, entry, fact, extra)

        monkeypatch.setattr(engine, "collect", fail)
        await gate.let_go(0)
        assert gate.began == [1, 3]


async def test_a_retry_waits_again_and_holds_no_room_meanwhile() -> None:
    """Between two attempts others begin."""
    began: list[int] = []

    async def act(value: int) -> int:
        began.append(value)
        if began.count(1) == 1 and value == 1:
            raise ValueError(value)
        return value

    app = App(workflows=[Workflow("w").then(step(id="s", limits="one", retries=1, backoff=10.0)(act))], limits=ONE)
    async with Harness(app) as harness:
        runs = [await harness.client.workflow("w").start(number) for number in (1, 2)]
        await calm()
        assert began == [1, 2]
        await harness.clock.advance(11.0)
        assert [(await run.result(timeout_s=5)).output for run in runs] == [1, 2]


async def test_a_suspended_body_holds_no_room_and_waits_for_it_when_resumed() -> None:
    """A person may take a week; the resume stands in line like everybody."""
    gate = Gate()

    async def ask(value: int, ctx: StepContext) -> Any:
        return await ctx.suspend({"about": value})

    app = App(
        workflows=[Workflow("asks").then(step(limits="one")(ask)), Workflow("w").then(gate.step(limits="one"))],
        limits=ONE,
    )
    async with Harness(app) as harness:
        asking = await harness.client.workflow("asks").start(1)
        assert (await asking.result(timeout_s=5)).status == "suspended"
        await harness.client.workflow("w").start(2)
        await calm()
        assert gate.began == [2]
        await asking.resume("ask", "yes")
        await calm()
        assert (await asking.get()).steps["ask"].status == "waiting"
        await gate.let_go(0)
        assert (await asking.result(timeout_s=5)).output == "yes"


async def test_what_a_body_calls_runs_within_the_room_of_the_body() -> None:
    """A limit of one does not wait for itself."""

    @tool(limits="one")
    async def fetch(query: str, ctx: ToolContext) -> str:
        """Fetch."""
        return query

    async def calls_it(value: str, ctx: StepContext) -> Any:
        return await ctx.tool("fetch").execute({"query": value})

    app = App(workflows=[Workflow("w").then(step(limits="one")(calls_it))], tools=[fetch], limits=ONE)
    async with Harness(app) as harness:
        assert (await harness.client.workflow("w").run("q", timeout_s=5)).output == "q"


async def test_a_call_that_is_repeated_with_its_caller_does_not_wait_for_it() -> None:
    """Both died and wait anew for one limit: whoever has called gets it, and what it has called runs within it."""
    gate = Gate()

    async def calls_it(value: str, ctx: StepContext) -> Any:
        return await ctx.workflow("inner").run(value)

    outer = Workflow("w").then(step(limits="one")(calls_it))
    app = App(workflows=[outer, Workflow("inner").then(gate.step(limits="one"))], limits=ONE)
    async with Harness(app) as harness:
        run = await harness.client.workflow("w").start("q")
        await calm()
        assert gate.began == ["q"]
        harness.strike()
        await harness.crash()
        await calm()
        assert gate.began == ["q", "q"]
        await gate.let_go(1)
        assert (await run.result(timeout_s=5)).output == "q"


async def test_a_call_that_goes_on_without_its_caller_holds_the_callers_room() -> None:
    """The caller's worker died, and that of what it called did not: the limit counts the one that runs."""
    gate, others = Gate(), Gate()

    async def calls_it(value: str, ctx: StepContext) -> Any:
        return await ctx.tool("fetch").execute({"query": value})

    @tool(limits="one", num_cpus=1)
    async def fetch(query: str, ctx: ToolContext) -> str:
        """Fetch."""
        return str(await gate.body(query, ctx))

    outer = Workflow("w").then(step(limits="one")(calls_it))
    other = Workflow("other").then(others.step("other", limits="one"))
    async with Harness(App(workflows=[outer, other], tools=[fetch], limits=ONE)) as harness:
        run = await harness.client.workflow("w").start("q")
        await calm()
        first_in_line = await harness.client.workflow("other").start(1, priority=10)
        await calm()
        running = [worker for worker in harness.spawner.workers if worker.executor.channel_of(caller_of(run.run_id))]
        await running[0].kill()
        await calm()
        assert (gate.began, others.began) == (["q"], [])
        await gate.let_go(0)
        assert others.began == [1]
        await others.let_go(0)
        assert (await first_in_line.result(timeout_s=5)).output == 1
        assert (await run.result(timeout_s=5)).output == "q"


def caller_of(run_id: str) -> AttemptId:
    return AttemptId(run_id=run_id, path="calls_it", attempt=1)
