"""Forks and reruns, crashed at every append: the result is that of a run that nothing happened to."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest

from greenroom import App, StepContext, Workflow, step
from greenroom.runtime.client.results import RunResult
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.statuses import RunStatus
from tests.host.crash_store import CrashStore, Moment
from tests.host.harness import Harness

Victim = Literal["runtime", "workers", "both"]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def app_of(calls: Counter[str]) -> App:
    """Return a workflow of a sequence, a foreach of nested workflows, a person and a loop."""

    def body(name: str, act: Callable[[Any, StepContext], Any]) -> Any:
        async def run(value: Any, ctx: StepContext) -> Any:
            calls[f"{ctx.run_id} {ctx.path}"] += 1
            ctx.set_state({name: ctx.path})
            made = act(value, ctx)
            return await made if asyncio.iscoroutine(made) else made

        return step(id=name)(run)

    async def ask(value: Any, ctx: StepContext) -> Any:
        return [*value, await ctx.suspend({"about": value})]

    async def is_long(value: list[Any]) -> bool:
        return len(value) >= 6

    inner = Workflow("inner").then(body("x", lambda v, _: v + 1)).then(body("y", lambda v, _: v * 2))
    flow = Workflow("main", input=int).then(body("a", lambda v, _: [v, v + 1, v + 2]))
    flow.foreach(inner, concurrency=2).then(body("ask", ask))
    return App(workflows=[flow.do_until(body("more", lambda v, _: [*v, len(v)]), is_long)])


async def _fork(parent: RunHandle) -> RunHandle:
    return await parent.fork(from_step="inner[1]/y", input=50, key="again")


async def _rerun(parent: RunHandle) -> RunHandle:
    return await parent.rerun(from_step="inner[1]/y", input=50, key="again")


async def _whole(harness: Harness, again: Callable[[RunHandle], Awaitable[RunHandle]]) -> tuple[RunResult, RunResult]:
    """Drive a run to its person, take it from inside an item, and bring what that gives to its end."""
    parent = await harness.client.workflow("main").start(1, run_id="parent")
    await parent.result(timeout_s=5)
    taken = await again(parent)
    while True:
        result = await taken.result(timeout_s=5)
        if result.status.is_final:
            return result, await parent.get()
        assert result.status is RunStatus.SUSPENDED
        await taken.resume("ask", "yes", key="answer")


async def _run(
    again: Callable[[RunHandle], Awaitable[RunHandle]], stops: list[int], moment: Moment, victim: Victim
) -> tuple[list[dict[str, Any]], Counter[str], int]:
    calls: Counter[str] = Counter()
    store = CrashStore(stops, moment)
    async with Harness(app_of(calls), storage=store) as harness, asyncio.timeout(8):
        store.hit_through = harness.strike
        driver = asyncio.ensure_future(_whole(harness, again))
        while not driver.done():
            hit = asyncio.ensure_future(store.hit.wait())
            await asyncio.wait({driver, hit}, return_when=asyncio.FIRST_COMPLETED)
            hit.cancel()
            if store.hit.is_set():
                if victim != "runtime":
                    harness.strike()
                if victim != "workers":
                    await harness.crash()
                store.hit.clear()
        result, parent = driver.result()
        events = [event.seq async for event in (await harness.client.run(result.run_id)).events() if event.seq]
        assert events == list(range(1, len(events) + 1))
    by_path: Counter[str] = Counter()
    for name, count in calls.items():
        run_id, _, path = name.partition(" ")
        by_path[("parent " if run_id == "parent" else "") + path] += count
    return [_shown(result), _shown(parent)], by_path, store.count


def _shown(result: RunResult) -> dict[str, Any]:
    """Return what must not depend on what happened on the way."""
    return {
        "status": result.status,
        "output": result.output,
        "state": result.state,
        "steps": {path: (step.status, step.input, step.output, step.error) for path, step in result.steps.items()},
    }


@pytest.mark.parametrize(
    ("victim", "moment"),
    [("runtime", "before"), ("runtime", "after"), ("both", "before"), ("both", "after"), ("workers", "through")],
)
@pytest.mark.parametrize("again", [_fork, _rerun])
async def test_a_crash_at_any_append_gives_the_same_fork_and_rerun(
    again: Callable[[RunHandle], Awaitable[RunHandle]], victim: Victim, moment: Moment
) -> None:
    """30, 36. After any append before, at and after the going back, the outcome is the same and nothing is lost.

    When only the runtime dies, every body runs as often as in a run left in peace; else at most once more.
    """
    expected, peaceful, appends = await _run(again, [], moment, victim)
    assert expected[0]["output"] == [4, 100, 8, "yes", 4, 5]
    for stop in range(1, appends + 1):
        result, calls, _ = await _run(again, [stop], moment, victim)
        assert result == expected, f"crashed {moment} append {stop}"
        if victim == "runtime":
            assert calls == peaceful, f"crashed {moment} append {stop}"
        else:
            extra = {path: count - peaceful[path] for path, count in calls.items()}
            assert max(extra.values()) <= 1, f"crashed {moment} append {stop}: {extra}"
