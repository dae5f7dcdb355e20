"""What the simulator has found, each as a test of its own; those of one part stand beside the part's other tests."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from greenroom import App, StepContext, Workflow, step
from greenroom.runtime.contracts.entries import AttemptLost
from greenroom.runtime.contracts.errors import RuntimeUnavailable, StorageError
from greenroom.runtime.contracts.records import Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.memory import MemoryStorage
from greenroom.testing.scenario import Scenario
from greenroom.testing.simulation import Simulation
from tests.host.harness import Harness, calm
from tests.simulation.scenarios import SCENARIOS


def test_a_stream_ends_behind_its_last_event_when_commits_overlap() -> None:
    """39. Two commits of one run are under way, the second ends it: readers of the first one's events read on."""

    def make(calls: Counter[str]) -> App:
        def body(name: str) -> Any:
            async def act(value: int, ctx: StepContext) -> int:
                return value

            return step(id=name)(act)

        return App(workflows=[Workflow("main", input=int).parallel(body("a"), body("b"), body("c"), body("d"))])

    assert Simulation(Scenario(name="overlapping", make=make, input=1)).peaceful.violations == ()


def test_an_answer_whose_data_is_being_checked_is_not_taken_by_the_next_suspension() -> None:
    """22. Of answers whose data workers check one is slow, and the step suspends again before it is back."""
    checked = next(scenario for scenario in SCENARIOS if scenario.name == "checked")
    simulation = Simulation(checked)
    assert {seed: wrong for seed in (14, 21, 27, 35) if (wrong := simulation.check(seed))} == {}


class UnreadableOnce(MemoryStorage):
    """A store that cannot read a journal, once."""

    fails = False

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        if table is Table.JOURNAL and self.fails:
            self.fails = False
            raise StorageError("the disk does not answer")
        async for page in super().scan(table, query):
            yield page


def forget(harness: Harness, store: UnreadableOnce, run_id: str) -> None:
    """Let the runtime read a run again, and fail at it the first time."""
    engine = harness.host._engine
    assert engine is not None
    engine.book.discard(run_id)
    store.fails = True


async def test_a_report_on_a_run_that_cannot_be_read_now_is_not_taken_for_durable() -> None:
    """30. The store does not answer when a worker reports: the runtime starts over and repeats nothing."""
    calls, gate, store = list[int](), asyncio.Event(), UnreadableOnce()

    async def body(value: int, ctx: StepContext) -> int:
        calls.append(ctx.attempt)
        await gate.wait()
        return value

    async with Harness(App(workflows=[Workflow("w").then(step(id="s")(body))]), storage=store) as harness:
        run = await harness.client.workflow("w").start(7)
        await calm()
        forget(harness, store, run.run_id)
        gate.set()
        await calm()
        assert (await run.result(timeout_s=5)).output == 7
    assert calls == [1]


async def test_what_the_store_has_not_taken_is_not_read_when_an_earlier_commit_has_failed() -> None:
    """30. Seed 165566: a body was answered by a call that had ended in the memory of a runtime without a store."""
    gate = asyncio.Event()

    async def body(value: int, ctx: StepContext) -> int:
        await gate.wait()
        return value

    async with Harness(App(workflows=[Workflow("w").then(step(id="s")(body))])) as harness:
        run = await harness.client.workflow("w").start(7)
        await calm()
        engine = harness.host._engine
        assert engine is not None
        entry = await engine.book.load(run.run_id)
        engine.fail(StorageError("another commit failed"))
        with pytest.raises(RuntimeUnavailable):
            await engine.record(entry, AttemptLost(at=harness.clock.now(), path="s", attempt=1))
        with pytest.raises(RuntimeUnavailable, match="another commit failed"):
            await entry.settled()
        gate.set()
        assert (await run.result(timeout_s=5)).output == 7


async def test_a_sleep_whose_run_cannot_be_read_when_it_ends_ends_later() -> None:
    """35. Seed 614903: the store did not answer once, and the run would have slept until the next restart."""

    async def body(value: int, ctx: StepContext) -> int:
        return value + 1

    store = UnreadableOnce()
    async with Harness(
        App(workflows=[Workflow("w", input=int).sleep(60).then(step(id="s")(body))]), storage=store
    ) as harness:
        run = await harness.client.workflow("w").start(7)
        await calm()
        forget(harness, store, run.run_id)
        await harness.clock.advance(61)
        assert not store.fails
        await harness.clock.advance(2)
        assert (await run.result(timeout_s=5)).output == 8


async def test_a_run_that_cannot_be_read_in_a_recovery_is_not_left_behind() -> None:
    """30. Seed 621004: the store did not answer once while a runtime came up, which then knew nothing of the run."""
    gate, store = asyncio.Event(), UnreadableOnce()

    async def body(value: int, ctx: StepContext) -> int:
        await gate.wait()
        return value + 1

    async with Harness(App(workflows=[Workflow("w", input=int).then(step(id="s")(body))]), storage=store) as harness:
        run = await harness.client.workflow("w").start(7)
        await calm()
        store.fails = True
        harness.strike()
        await harness.crash()
        await calm()
        gate.set()
        await harness.clock.advance(60)
        assert not store.fails
        assert (await run.result(timeout_s=5)).output == 8
