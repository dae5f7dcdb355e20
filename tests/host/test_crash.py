"""Deaths of workers and of the runtime. Lines 30 to 34 of the page on semantics."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from greenroom import App, InvalidInput, StepContext, Workflow, step, tool
from tests.host.crash_store import CrashStore
from tests.host.harness import Harness, calm


async def echo(value: Any) -> Any:
    return value


class Held:
    """A body that waits for the test in its first attempts and notes each."""

    def __init__(self, waits: int = 1) -> None:
        self.waits = waits
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.attempts: list[int] = []
        self.restarted: list[bool] = []
        self.keys: set[str] = set()

    async def body(self, value: Any, ctx: StepContext) -> Any:
        self.attempts.append(ctx.attempt)
        self.restarted.append(ctx.restarted)
        self.keys.add(ctx.idempotency_key)
        self.started.set()
        if len(self.attempts) <= self.waits:
            await self.gate.wait()
        return value


async def until(held: Held, harness: Harness) -> None:
    await held.started.wait()
    held.started.clear()
    await calm(20)


async def test_a_living_worker_reports_to_the_next_runtime() -> None:
    """30. After a kill of the runtime alone a body that was running has calls = 1."""
    held = Held()
    async with Harness(App(workflows=[Workflow("w").then(step(id="s")(held.body)).then(echo)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await until(held, harness)
        await harness.crash()
        await calm()
        held.gate.set()
        result = await run.result(timeout_s=5)
    assert (result.output, held.attempts) == (7, [1])


async def test_a_result_that_came_while_nobody_listened_is_taken() -> None:
    """30. The worker keeps its report until a runtime has made it durable."""
    held = Held()
    store = CrashStore([2], "before")
    async with Harness(
        App(workflows=[Workflow("w").then(step(id="s")(held.body)).then(echo)]), storage=store
    ) as harness:
        run = await harness.client.workflow("w").start(7)
        await until(held, harness)
        held.gate.set()
        await store.hit.wait()
        await harness.crash()
        store.hit.clear()
        assert (await run.result(timeout_s=5)).output == 7
    assert held.attempts == [1]


async def test_a_workers_death_is_a_new_attempt_that_consumes_no_retry() -> None:
    """30, 34. The body runs again with the same idempotency key and `ctx.restarted`."""
    held = Held()
    async with Harness(App(workflows=[Workflow("w").then(step(id="s", retries=0)(held.body))])) as harness:
        run = await harness.client.workflow("w").start(7)
        await until(held, harness)
        await harness.kill_workers()
        assert (await run.result(timeout_s=5)).output == 7
    assert held.restarted == [False, True]
    assert len(held.keys) == 1


async def test_restarted_is_false_in_retries_and_resumes() -> None:
    """34. Only a re-executed attempt knows of a crash."""
    seen: list[bool] = []

    @step(retries=1)
    async def body(value: Any, ctx: StepContext) -> Any:
        seen.append(ctx.restarted)
        if len(seen) == 1:
            raise ValueError("first")
        return await ctx.suspend()

    async with Harness(App(workflows=[Workflow("w").then(body)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await calm()
        await harness.clock.advance(60)
        await run.result(timeout_s=5)
        await harness.crash()
        await run.resume("body", 1)
        await run.result(timeout_s=5)
    assert seen == [False, False, False]


async def test_a_body_that_was_restarted_is_not_when_it_is_resumed() -> None:
    """34. The mark belongs to the attempt that repeats a lost one, not to those after it."""
    seen: list[bool] = []
    started, gate = asyncio.Event(), asyncio.Event()

    async def body(value: Any, ctx: StepContext) -> Any:
        seen.append(ctx.restarted)
        started.set()
        await gate.wait()
        return await ctx.suspend()

    async with Harness(App(workflows=[Workflow("w").then(step(id="s")(body))]), workers=1) as harness:
        run = await harness.client.workflow("w").start(7)
        await started.wait()
        await harness.kill_workers()
        gate.set()
        await run.result(timeout_s=5)
        await run.resume("s", 1)
        await run.result(timeout_s=5)
    assert seen == [False, True, False]


async def test_after_three_deaths_a_poison_body_fails() -> None:
    """30. The step fails with `WorkerDied` and is called no more."""
    held = Held(waits=9)
    async with Harness(App(workflows=[Workflow("w").then(step(id="s", retries=5)(held.body))]), workers=1) as harness:
        run = await harness.client.workflow("w").start(7)
        for _ in range(3):
            await until(held, harness)
            await harness.kill_workers()
        result = await run.result(timeout_s=5)
    assert result.error is not None
    assert (result.error.type, result.error.code, result.error.path) == ("WorkerDied", "worker_died", "s")
    assert len(held.attempts) == 3


async def test_a_poison_body_takes_nobody_with_it() -> None:
    """30. It dies alone in the end: what ran beside it when its workers died is executed again, and succeeds."""
    deaths = 0

    async def poison(value: int, ctx: StepContext) -> None:
        nonlocal deaths
        deaths += 1
        harness.strike(only=ctx.run_id)
        await asyncio.get_running_loop().create_future()

    held = Held(waits=99)
    app = App(workflows=[Workflow("w").then(step(id="s")(held.body)), Workflow("poison").then(step(poison))])
    async with Harness(app, workers=1) as harness:
        beside = await harness.client.workflow("w").start(7)
        await calm()
        for _ in range(2):
            error = (await harness.client.workflow("poison").run(1, timeout_s=5)).error
            assert error is not None
            assert error.type == "WorkerDied"
        held.gate.set()
        assert (await beside.result(timeout_s=5)).output == 7
        await harness.clock.advance(100.0)
        assert {one["pool"] for one in harness.host.status()["workers"]} == {"steps"}
    assert (deaths, held.attempts) == (6, [1, 2, 3])


async def test_restarts_of_the_runtime_are_not_deaths_of_workers() -> None:
    """31. Four crashes before a step was dispatched: it runs once and succeeds."""
    held = Held(waits=0)
    store = CrashStore([1, 2, 3, 4])
    async with Harness(App(workflows=[Workflow("w").then(step(id="s")(held.body))]), storage=store) as harness:
        start = asyncio.ensure_future(harness.client.workflow("w").start(7, run_id="mine"))
        for _ in range(4):
            await store.hit.wait()
            await harness.crash()
            store.hit.clear()
        result = await (await start).result(timeout_s=5)
    assert result.output == 7
    assert len(held.attempts) == 1


async def test_a_second_crash_during_recovery_is_as_harmless() -> None:
    """31. The recovery's own appends may be cut, too."""
    held = Held()
    for stop in (2, 3):
        held = Held()
        store = CrashStore([stop], "after")
        flow = Workflow("w").then(step(id="s")(held.body)).then(echo)
        async with Harness(App(workflows=[flow]), storage=store) as harness:
            run = await harness.client.workflow("w").start(7)
            await until(held, harness)
            await harness.kill_workers()
            await harness.crash()
            held.gate.set()
            await store.hit.wait()
            await harness.crash()
            store.hit.clear()
            assert (await run.result(timeout_s=5)).output == 7


async def test_a_late_result_of_a_superseded_attempt_changes_nothing() -> None:
    """32. A body that outlives its timeout reports nothing that counts."""
    gate = asyncio.Event()
    calls: list[int] = []

    @step(timeout_s=10, retries=1, backoff=5)
    async def stuck(value: Any, ctx: StepContext) -> Any:
        calls.append(ctx.attempt)
        while ctx.attempt == 1 and not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        return f"attempt {ctx.attempt}"

    async with Harness(App(workflows=[Workflow("w").then(stuck).then(echo)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await calm()
        await harness.clock.advance(10)
        gate.set()
        await calm()
        assert (await run.get()).status == "running"
        await harness.clock.advance(5)
        result = await run.result(timeout_s=5)
    assert (result.output, calls) == ("attempt 2", [1, 2])


@pytest.mark.parametrize(
    ("answer", "output", "calls"),
    [({"outcome": "done", "output": "by hand"}, "by hand", 1), ({"outcome": "retry"}, 7, 2)],
)
async def test_an_interrupted_effect_asks_a_person(answer: Any, output: Any, calls: int) -> None:
    """33. `effect="once"`: the run suspends as in doubt, with the key; a person says what happened."""
    held = Held()
    made = step(id="s", effect="once", retries=3)(held.body)
    async with Harness(App(workflows=[Workflow("w").then(made)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await until(held, harness)
        await harness.kill_workers()
        result = await run.result(timeout_s=5)
        assert (result.status, result.suspended) == ("suspended", ["s"])
        assert result.suspend_payload["s"] == {"reason": "in_doubt", "key": next(iter(held.keys))}
        await harness.crash()
        with pytest.raises(InvalidInput):
            await run.resume("s", {"outcome": "perhaps"})
        await run.resume("s", answer)
        assert (await run.result(timeout_s=5)).output == output
    assert len(held.attempts) == calls


async def test_an_effect_in_doubt_that_is_retried_may_suspend_again() -> None:
    """33. Once answered, the doubt is over: a later resume is the body's own."""
    started, gate = asyncio.Event(), asyncio.Event()

    @step(effect="once")
    async def pay(value: Any, ctx: StepContext) -> Any:
        started.set()
        await gate.wait()
        return await ctx.suspend()

    async with Harness(App(workflows=[Workflow("w").then(pay)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await started.wait()
        await calm(20)
        await harness.kill_workers()
        gate.set()
        await run.result(timeout_s=5)
        await run.resume("pay", {"outcome": "retry"})
        assert (await run.result(timeout_s=5)).suspend_payload == {"pay": None}
        await run.resume("pay", "data")
        assert (await run.result(timeout_s=5)).output == "data"


@pytest.mark.parametrize(
    ("said", "status", "output", "calls"),
    [
        ({"outcome": "done", "output": "found"}, "success", "found", 1),
        ({"outcome": "not_started"}, "success", 7, 2),
        (None, "suspended", None, 1),
    ],
)
async def test_reconcile_is_asked_before_a_person(said: Any, status: str, output: Any, calls: int) -> None:
    """33. The hook gets the key and decides; when it does not know, a person is asked."""
    held = Held()
    asked: list[str] = []

    async def reconcile(key: str) -> Any:
        asked.append(key)
        return said

    made = step(id="s", effect="once", reconcile=reconcile)(held.body)
    async with Harness(App(workflows=[Workflow("w").then(made)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await until(held, harness)
        await harness.kill_workers()
        result = await run.result(timeout_s=5)
    assert (result.status, result.output) == (status, output)
    assert asked == list(held.keys)
    assert len(held.attempts) == calls


async def test_reconcile_is_asked_at_every_interruption() -> None:
    """33. A second interruption asks anew, and a tool has its hook too."""
    started = asyncio.Event()
    gates = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
    asked: list[str] = []
    attempts: list[int] = []

    async def reconcile(key: str) -> Any:
        asked.append(key)
        return {"outcome": "not_started"}

    @tool(effect="once", reconcile=reconcile)
    async def publish(page: str) -> str:
        """Publish."""
        attempts.append(len(attempts))
        started.set()
        await gates[len(attempts) - 1].wait()
        return page.upper()

    async with Harness(App(tools=[publish]), workers=1) as harness:
        run = await harness.client.tool("publish").start({"page": "x"})
        for _ in range(2):
            await started.wait()
            await calm(20)
            started.clear()
            await harness.kill_workers()
        await started.wait()
        gates[2].set()
        assert (await run.result(timeout_s=5)).output == "X"
    assert len(asked) == 2
    assert len(attempts) == 3


async def test_a_run_recovers_without_a_restart_by_hand() -> None:
    """30. Runs that wait, sleep or run go on after a crash without being asked for."""
    calls: list[str] = []

    async def note(value: Any, ctx: StepContext) -> Any:
        calls.append(ctx.run_id)
        return value

    async with Harness(App(workflows=[Workflow("w").sleep(60).then(note)])) as harness:
        runs = [await harness.client.workflow("w").start(number) for number in range(5)]
        await calm()
        await harness.kill_workers()
        await harness.crash()
        await harness.clock.advance(60)
        await calm()
        assert sorted(calls) == sorted(run.run_id for run in runs)


async def test_what_is_reported_during_a_recovery_loses_nothing() -> None:
    """30. Results that waited for the new runtime go on while it still takes stock of other runs; all run once."""
    calls: Counter[str] = Counter()
    gate = asyncio.Event()

    async def first(value: Any, ctx: StepContext) -> Any:
        calls[f"{ctx.run_id} {ctx.path}"] += 1
        await gate.wait()
        return value

    async def then(value: Any, ctx: StepContext) -> Any:
        calls[f"{ctx.run_id} {ctx.path}"] += 1
        seen.append(ctx.restarted)
        return value

    seen: list[bool] = []
    async with Harness(App(workflows=[Workflow("w").then(first).then(then).then(step(id="end")(then))])) as harness:
        runs = [await harness.client.workflow("w").start(number) for number in range(20)]
        await calm()
        crash = asyncio.ensure_future(harness.crash())
        await calm(1)
        gate.set()
        await crash
        for run in runs:
            assert (await run.result(timeout_s=5)).status == "success"
    assert set(calls.values()) == {1}
    assert set(seen) == {False}
