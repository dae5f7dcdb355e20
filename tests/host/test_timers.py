"""Sleepers cost nothing until their time is near: the wheel holds a window, the store holds the rest."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from greenroom import App, Workflow
from greenroom.runtime.contracts.records import Record, RunHead, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.host import timers as limits
from greenroom.runtime.host.timers import WINDOW_S
from greenroom.storage.memory import MemoryStorage
from tests.host.harness import START, Harness, calm

DAY_S = 86_400.0
MONTH_S = 30 * DAY_S


async def echo(value: Any) -> Any:
    return value


def sleeper(seconds: float) -> App:
    """Return an app whose run sleeps first."""
    return App(workflows=[Workflow("w").sleep(seconds).then(echo)])


def timers(harness: Harness) -> int:
    """Return how many times the runtime holds in memory."""
    assert harness.host._engine is not None
    return len(harness.host._engine.wheel)


async def asleep(harness: Harness, flow: str = "w", value: Any = 7) -> Any:
    """Start a run and return it when it sleeps."""
    run = await harness.client.workflow(flow).start(value)
    await run.wait_for("waiting")
    return run


async def test_a_run_that_sleeps_for_a_month_wakes_in_time_across_windows_and_restarts() -> None:
    """Not a moment early, not a window late; until its last minute it is not in memory."""
    async with Harness(sleeper(MONTH_S)) as harness:
        run = await asleep(harness)
        for day in range(29):
            await harness.clock.advance(DAY_S)
            if day % 10 == 0:
                await harness.crash()
                await harness.client.describe()
            assert timers(harness) == 0
        await harness.clock.advance(DAY_S - 40)
        assert timers(harness) == 1
        await harness.clock.advance(39.9)
        assert (await run.get()).status == "waiting"
        await harness.clock.advance(0.1)
        assert (await run.result(timeout_s=5)).output == 7


async def test_windows_follow_one_another_without_a_gap() -> None:
    """Sleeps of every length around the ends of windows end at their second."""
    flow = Workflow("w").sleep(lambda value: value).then(echo)
    async with Harness(App(workflows=[flow])) as harness:
        half = WINDOW_S / 2
        lengths = [half * number + beside for number in range(1, 6) for beside in (-1, 0, 0.5, 1.25)]
        runs = [await asleep(harness, value=length) for length in lengths]
        now: float = 0
        for length, run in zip(lengths, runs, strict=True):
            await harness.clock.advance(length - 0.5 - now)
            assert (await run.get()).status == "waiting"
            await harness.clock.advance(0.5)
            assert (await run.result(timeout_s=5)).status == "success"
            now = length


async def test_ten_thousand_far_sleepers_are_not_in_memory() -> None:
    """Neither before nor after a restart: no timer, no run."""
    store = MemoryStorage()
    async with Harness(sleeper(MONTH_S), storage=store) as harness:
        await store.append([_head(harness, number) for number in range(10_000)])
        await harness.crash()
        await harness.client.describe()
        status = await harness.client.status()
        assert (status["timers"], status["runs_in_memory"]) == (0, 0)
        await asleep(harness)
        assert timers(harness) == 0


def _head(harness: Harness, number: int) -> RunHead:
    return RunHead(
        workspace="default",
        run_id=f"far-{number}",
        kind="workflow",
        target="w",
        bundle=harness.app.plan.id,
        status="waiting",
        created_at=START,
        updated_at=START,
        root_id=f"far-{number}",
        wake_at=START + MONTH_S + number,
    )


async def test_a_far_sleeper_that_is_canceled_does_not_wake() -> None:
    """Canceling needs no timer in memory, and the next windows find none in the store."""
    async with Harness(sleeper(10 * WINDOW_S)) as harness:
        run = await asleep(harness)
        assert await run.cancel()
        for _ in range(25):
            await harness.clock.advance(WINDOW_S / 2)
        assert timers(harness) == 0
        assert (await run.get()).status == "canceled"


async def test_a_time_that_is_moved_forward_past_the_window_is_kept() -> None:
    """A far sleeper that is given a near time, by a signal's limit after its first sleep was cut short, wakes then."""
    flow = Workflow("w").wait_for_signal("go", timeout_s=MONTH_S).wait_for_signal("on", timeout_s=20, default="late")
    async with Harness(App(workflows=[flow])) as harness:
        run = await asleep(harness)
        assert timers(harness) == 0
        await run.signal("go", 1)
        assert timers(harness) == 1
        await harness.clock.advance(20)
        assert (await run.result(timeout_s=5)).output == "late"


async def test_a_time_that_is_set_while_a_window_is_read_is_not_overridden() -> None:
    """What was read of the store is older than what a commit made known meanwhile."""
    flow = (
        Workflow("w").wait_for_signal("go", timeout_s=WINDOW_S + 40).wait_for_signal("on", timeout_s=20, default="late")
    )
    store = SlowScans()
    async with Harness(App(workflows=[flow]), storage=store) as harness:
        run = await asleep(harness)
        store.gate.clear()
        await harness.clock.advance(WINDOW_S / 2 + 10)  # a window is read, with the run's first limit on its page
        await store.reached.wait()
        await run.signal("go", 1)  # the second limit is nearer
        store.gate.set()
        await calm()
        await harness.clock.advance(20)
        assert (await run.result(timeout_s=5)).output == "late"


class SlowScans(MemoryStorage):
    """Holds back what a scan for times has found."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        """Yield pages, those with times not before the gate is open."""
        pages = [page async for page in super().scan(table, query)]
        if query.between:
            self.reached.set()
            await self.gate.wait()
        for page in pages:
            yield page


async def test_runs_whose_time_comes_together_all_wake() -> None:
    """More than are dealt with at once."""
    async with Harness(sleeper(50)) as harness:
        runs = [await harness.client.workflow("w").start(number) for number in range(300)]
        await calm()
        await harness.clock.advance(50)
        results = [await run.result(timeout_s=5) for run in runs]
    assert [result.output for result in results] == list(range(300))


@pytest.mark.parametrize("beside", [Workflow("side").sleep(MONTH_S), Workflow("side").wait_for_signal("go")])
async def test_a_value_that_was_being_read_for_a_resting_run_is_read_after_a_restart(beside: Workflow) -> None:
    """The run rests but for the read: a new life finds it all the same."""
    items = Workflow("items").map(lambda _: ["x" * 300_000] * 2).foreach(len)
    flow = Workflow("w").parallel(items, beside)
    async with Harness(App(workflows=[flow])) as harness:
        store = harness.storage
        get_blob, asked = store.get_blob, asyncio.Event()

        async def never(_sha256: str) -> bytes:
            asked.set()
            return bytes(await asyncio.get_running_loop().create_future())

        store.get_blob = never
        run = await harness.client.workflow("w").start()
        await asyncio.wait_for(asked.wait(), 5)
        store.get_blob = get_blob
        await harness.crash()
        async with asyncio.timeout(5):
            async for event in run.events():
                if (event.type, event.path) == ("step_finished", "items/len"):
                    break
        assert (await run.get()).steps["items/len"].output == [300_000, 300_000]


async def test_when_too_many_times_have_come_they_are_taken_bit_by_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a long time off the wheel holds no more than its limit, and every run wakes."""
    monkeypatch.setattr(limits, "MAX_HELD", 20)
    async with Harness(sleeper(600)) as harness:
        runs = [await asleep(harness, value=number) for number in range(50)]
        harness.clock.time += 1000
        await harness.crash()
        await harness.client.describe()
        assert timers(harness) <= 20
        for _ in range(10):
            await harness.clock.advance(5)
            assert timers(harness) <= 20
        assert [(await run.get()).output for run in runs] == list(range(50))
