"""Callers that go away and runtimes that close cut nothing off: what was begun is done to its end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from greenroom import App, StepContext, Workflow, step
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts.entries import AttemptLost, Signaled
from greenroom.runtime.contracts.errors import RuntimeUnavailable
from greenroom.runtime.contracts.records import JournalRow, Record
from greenroom.storage.memory import MemoryStorage
from tests.host.harness import Harness, calm

Ask = Callable[[RuntimeClient], Awaitable[object]]


@step
async def ask(value: int, ctx: StepContext) -> int:
    return value + int(await ctx.suspend({}))


@step
async def wait(value: int) -> int:
    await asyncio.Event().wait()
    return value


ASKING = App(workflows=[Workflow("w").then(ask)])


class SlowStorage(MemoryStorage):
    """A store that keeps what it is given and says so when it is allowed to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def append(self, records: Sequence[Record]) -> int:
        seq = await super().append(records)
        await self.may_answer.wait()
        return seq


class StuckStorage(MemoryStorage):
    """A store that takes appends one after the other, and stands still at one of them until that is given up."""

    def __init__(self) -> None:
        super().__init__()
        self.is_stuck = False
        self.groups: list[int] = []
        self._turn = asyncio.Lock()

    async def append(self, records: Sequence[Record]) -> int:
        async with self._turn:
            if self.is_stuck:
                self.is_stuck = False
                await asyncio.Event().wait()
            self.groups += [record.group for record in records if isinstance(record, JournalRow)]
            return await super().append(records)


async def leave(harness: Harness, store: SlowStorage, call: Ask) -> None:
    """Ask for something and go away while the store has it and has not said so."""
    store.may_answer.clear()
    asked = asyncio.ensure_future(call(harness.client))
    await calm()
    asked.cancel()
    await calm()
    assert asked.cancelled()
    store.may_answer.set()
    await calm()


async def test_what_a_caller_that_leaves_has_asked_for_is_done_to_its_end() -> None:
    """30. A start and a resume whose callers are gone when they are durable go on like others, without a restart."""
    store = SlowStorage()
    async with Harness(ASKING, storage=store) as harness:
        await calm()
        await leave(harness, store, lambda client: client.workflow("w").start(1, run_id="r"))
        run = await asyncio.wait_for(harness.client.workflow("w").start(1, run_id="r"), 5)
        assert (await run.result(timeout_s=5)).status == "suspended"
        await leave(harness, store, lambda _: run.resume("ask", 40))
        assert (await run.result(timeout_s=5)).output == 41


async def test_a_schedule_whose_caller_leaves_fires() -> None:
    """It is not only in the store: its time is known to the runtime that runs."""
    store = SlowStorage()
    async with Harness(ASKING, storage=store) as harness:
        await calm()
        await leave(harness, store, lambda client: client.schedules.create(workflow="w", every=60, input=1))
        await harness.clock.advance(61)
        assert len((await harness.client.runs(workflow="w")).items) == 1


async def test_who_waits_while_the_runtime_stops_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is cut off by the end of the runtime's life is an error of the interface, not a cancellation."""
    monkeypatch.setattr("greenroom.runtime.host.engine.CLOSE_LIMIT_S", 0.0)  # the disk does not answer any more
    store = SlowStorage()
    async with Harness(ASKING, storage=store) as harness:
        await calm()
        store.may_answer.clear()
        asked = asyncio.ensure_future(harness.client.workflow("w").start(1))
        await calm()
        await harness.host.close()
        with pytest.raises(RuntimeUnavailable, match="while it worked on this"):
            await asyncio.wait_for(asked, 5)


async def test_a_runtime_that_is_closed_finishes_its_commits_and_takes_no_more() -> None:
    """30. A commit that is cut off would be a hole in a run's journal if another one still came behind it."""
    store = SlowStorage()
    async with Harness(ASKING, storage=store) as harness:
        await calm()
        store.may_answer.clear()
        asked = asyncio.ensure_future(harness.client.workflow("w").start(1, run_id="r"))
        await calm()
        engine = harness.host._engine
        assert engine is not None
        entry = engine.book.find("r")
        assert entry is not None
        closing = asyncio.ensure_future(harness.host.close())
        await calm()
        lost = AttemptLost(at=harness.clock.now(), path="ask", attempt=1)
        with pytest.raises(RuntimeUnavailable, match="shuts down"):
            await asyncio.wait_for(engine.record(entry, lost), 5)
        assert not closing.done()
        store.may_answer.set()
        await asyncio.wait_for(closing, 5)
        assert (await asked).run_id == "r"


async def test_a_runtime_that_is_closed_while_it_recovers_finishes_its_commits() -> None:
    """30. What its workers report meanwhile would be behind a commit of the recovery that is cut off."""
    store = SlowStorage()
    async with Harness(App(workflows=[Workflow("w").then(wait)]), storage=store) as harness:
        await harness.client.workflow("w").start(1, run_id="r")
        await calm()
        store.may_answer.clear()
        harness.strike()
        await harness.crash()
        await calm()
        closing = asyncio.ensure_future(harness.host.close())
        await calm()
        assert not closing.done()
        store.may_answer.set()
        await asyncio.wait_for(closing, 5)


async def test_a_runtime_that_waits_no_longer_for_its_store_keeps_nothing_behind_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """30. The store stands still at one commit of a run when another one of it waits behind: neither is kept."""
    monkeypatch.setattr("greenroom.runtime.host.engine.CLOSE_LIMIT_S", 0.0)
    store = StuckStorage()
    async with Harness(ASKING, storage=store) as harness:
        await calm()
        run = await harness.client.workflow("w").start(1, run_id="r")
        await run.result(timeout_s=5)
        engine = harness.host._engine
        assert engine is not None
        entry = engine.book.find("r")
        assert entry is not None
        store.is_stuck = True
        first = asyncio.ensure_future(run.resume("ask", 40))
        await calm()
        second = asyncio.ensure_future(engine.record(entry, Signaled(at=harness.clock.now(), name="s")))
        await calm()
        await harness.host.close()
        await asyncio.gather(first, second, return_exceptions=True)
    assert store.groups == list(range(1, len(store.groups) + 1))
