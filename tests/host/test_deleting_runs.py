"""A run that is deleted is gone: at once, with everything of it, whatever crashes."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from greenroom import App, RunNotFound, StepContext, Workflow, step
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.entries import CancelRequested
from greenroom.runtime.contracts.errors import RequestError, RunStillRunning
from greenroom.runtime.contracts.records import Deletion, JournalRow, Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.host.doomed import run_name, workspace_name
from greenroom.storage.memory import MemoryStorage
from tests.host.harness import Harness, calm


async def echo(value: Any) -> Any:
    return value


async def ask(value: Any, ctx: StepContext) -> Any:
    """Wait for a person."""
    return await ctx.suspend()


def app() -> App:
    """Return an app with runs of every kind of rest, and one with a child."""
    return App(
        workflows=[
            Workflow("plain").then(echo),
            Workflow("ask").then(ask),
            Workflow("sleep").sleep(60).then(echo),
            Workflow("paused").then(echo).then(step(id="next")(echo)),
            Workflow("outer").then(Workflow("inner").then(echo)),
        ]
    )


async def rows_of(store: MemoryStorage, run_id: str) -> list[Record]:
    """Return every row that names the run, deletions apart."""
    tables = [table for table in Table if table is not Table.DELETIONS]
    return [
        row
        for table in tables
        async for page in store.scan(table, Query())
        for row in page
        if getattr(row, "run_id", None) == run_id
    ]


async def make(harness: Harness, flow: str) -> RunHandle:
    """Start a run and return it at rest."""
    run = await harness.client.workflow(flow).start(7, key=f"key of {flow}", single_step=flow == "paused")
    await run.wait_for("success", "waiting", "suspended", "paused")
    return run


@pytest.mark.parametrize("is_loaded", [True, False], ids=["in memory", "in the store only"])
@pytest.mark.parametrize("flow", ["plain", "ask", "sleep", "paused", "outer"])
async def test_a_run_at_rest_is_deleted_with_everything_of_it(flow: str, is_loaded: bool) -> None:
    """Not found, in no list, no row; its key and its timer are gone too, and nothing comes back after a restart."""
    async with Harness(app()) as harness:
        run = await make(harness, flow)
        if not is_loaded:
            await harness.crash()
        await run.delete()
        for _ in range(2):
            with pytest.raises(RunNotFound):
                await run.get()
            with pytest.raises(RunNotFound):
                await run.resume("ask", 1)
            assert len(await harness.client.runs()) == 0
            assert await rows_of(harness.storage, run.run_id) == []
            await harness.clock.advance(100)
            assert await rows_of(harness.storage, run.run_id) == []
            await harness.crash()
        again = await harness.client.workflow("plain").start(8, key=f"key of {flow}", run_id=run.run_id)
        assert (await again.result(timeout_s=5)).output == 8


async def test_a_run_in_which_something_runs_is_canceled_first() -> None:
    """It is refused, changes nothing, and says what to do."""
    gate, begun = asyncio.Event(), asyncio.Event()

    async def hold(value: int) -> int:
        begun.set()
        await gate.wait()
        return value

    async with Harness(App(workflows=[Workflow("w").then(hold)])) as harness:
        run = await harness.client.workflow("w").start(7)
        await begun.wait()
        with pytest.raises(RunStillRunning, match="cancel first") as refused:
            await run.delete()
        assert refused.value.facts["runs"] == [run.run_id]
        assert (await run.get()).status == "running"
        await run.cancel()
        await run.delete()
        gate.set()
        await calm()
        assert await rows_of(harness.storage, run.run_id) == []


async def test_a_run_whose_callback_runs_is_not_deleted() -> None:
    """It has ended and still does something."""
    gate = asyncio.Event()

    async def tell(_result: Any) -> None:
        await gate.wait()

    async with Harness(App(workflows=[Workflow("w", on_finish=tell).then(echo)])) as harness:
        run = await harness.client.workflow("w").start(7)
        assert (await run.result(timeout_s=5)).status == "success"
        with pytest.raises(RunStillRunning, match="callback"):
            await run.delete()
        gate.set()
        await calm()
        await run.delete()
        assert await rows_of(harness.storage, run.run_id) == []


async def test_a_child_is_deleted_with_its_root_only() -> None:
    """The refusal names the root."""
    async with Harness(app()) as harness:
        run = await make(harness, "outer")
        child = (await run.get()).steps["inner"].run_id
        assert child is not None
        with pytest.raises(RequestError, match=run.run_id) as refused:
            await harness.client.run_handle(child).delete()
        assert refused.value.facts["root_id"] == run.run_id
        await run.delete()
        with pytest.raises(RunNotFound):
            await harness.client.run(child)


async def test_readers_of_a_deleted_run_come_to_an_end() -> None:
    """A stream ends, whoever waits for the result is told."""
    async with Harness(app()) as harness:
        run = await make(harness, "sleep")

        async def read() -> list[str]:
            return [event.type async for event in run.events()]

        reader = asyncio.ensure_future(read())
        waiter = asyncio.ensure_future(run.result())
        await calm()
        assert not reader.done()
        assert not waiter.done()
        await run.delete()
        assert "run_waiting" in await asyncio.wait_for(reader, 5)
        with pytest.raises(RunNotFound):
            await asyncio.wait_for(waiter, 5)
        with pytest.raises(RunNotFound):
            await read()


async def test_nothing_is_committed_to_a_run_that_was_deleted() -> None:
    """Who got hold of it before and comes late finds it gone: no row behind the deletion."""
    async with Harness(app()) as harness:
        run = await make(harness, "ask")
        engine = harness.host._engine
        assert engine is not None
        entry = engine.book.find(run.run_id)
        assert entry is not None
        await run.delete()
        with pytest.raises(RunNotFound):
            await engine.record(entry, CancelRequested(at=1.0))
        assert await rows_of(harness.storage, run.run_id) == []


@pytest.mark.parametrize("name", [run_name, lambda _: workspace_name("default")], ids=["run", "workspace"])
async def test_a_run_that_is_read_while_a_deletion_is_refused_is_read_after_all(name: Callable[[str], Any]) -> None:
    """Whoever wants a run waits until it is decided, and no longer."""
    async with Harness(app()) as harness:
        run = await make(harness, "sleep")
        await harness.crash()
        await harness.client.describe()
        engine = harness.host._engine
        assert engine is not None
        reading = asyncio.ensure_future(engine.book.load(run.run_id))
        async with engine.book.doomed.deleting(name(run.run_id)):
            await calm()
            assert not reading.done()
            assert engine.book.find(run.run_id) is None
        assert (await asyncio.wait_for(reading, 5)).state.run_id == run.run_id


class SlowDeletion(MemoryStorage):
    """Holds the first deletion back.

    Attributes:
        is_kept: Whether it is kept already when it is held back.
    """

    def __init__(self, *, is_kept: bool) -> None:
        super().__init__()
        self.is_kept = is_kept
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()

    async def append(self, records: Sequence[Record]) -> int:
        """Keep the records; the first deletion is not answered before the gate is open."""
        if not any(isinstance(record, Deletion) for record in records) or self.reached.is_set():
            return await super().append(records)
        if self.is_kept:
            await super().append(records)
        self.reached.set()
        await self.gate.wait()
        return 0 if self.is_kept else await super().append(records)


@pytest.mark.parametrize("is_kept", [True, False], ids=["after the append", "before the append"])
async def test_a_crash_at_a_deletion_leaves_all_or_nothing(is_kept: bool) -> None:
    """The client sends it again: it is carried out once, and is acknowledged."""
    store = SlowDeletion(is_kept=is_kept)
    async with Harness(app(), storage=store) as harness:
        run = await make(harness, "ask")
        deleting = asyncio.ensure_future(run.delete())
        await store.reached.wait()
        assert bool(await rows_of(store, run.run_id)) is not is_kept
        await harness.crash()
        await asyncio.wait_for(deleting, 5)
        assert await rows_of(store, run.run_id) == []
        with pytest.raises(RunNotFound):
            await run.delete()


class SlowCommits(MemoryStorage):
    """Holds back what is appended for runs while `is_slow`."""

    def __init__(self) -> None:
        super().__init__()
        self.is_slow = False
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()

    async def append(self, records: Sequence[Record]) -> int:
        """Keep the records; those of a commit not before the gate is open."""
        if self.is_slow and any(isinstance(record, JournalRow) for record in records):
            self.reached.set()
            await self.gate.wait()
        return await super().append(records)


async def test_a_deletion_comes_behind_what_was_committed_before_it() -> None:
    """A cancel that is on its way to the store is durable first, and is acknowledged."""
    store = SlowCommits()
    async with Harness(app(), storage=store) as harness:
        run = await make(harness, "ask")
        store.is_slow = True
        canceling = asyncio.ensure_future(run.cancel())
        await store.reached.wait()
        deleting = asyncio.ensure_future(run.delete())
        await calm()
        assert not deleting.done()
        store.gate.set()
        assert await asyncio.wait_for(canceling, 5)
        await asyncio.wait_for(deleting, 5)
        assert await rows_of(store, run.run_id) == []


async def test_a_request_to_delete_that_comes_twice_is_one() -> None:
    """A link sends again what it got no answer to."""
    async with Harness(app()) as harness:
        run = await make(harness, "ask")
        request = requests.Delete(scope="run", id=run.run_id, key="one")
        for _ in range(2):
            await harness.client.link.call(request)
        with pytest.raises(RunNotFound):
            await harness.client.link.call(requests.Delete(scope="run", id=run.run_id, key="two"))


async def test_requests_during_a_deletion_wait_and_find_the_run_gone() -> None:
    """A resume is refused; a start with the run's key starts another run."""
    store = SlowDeletion(is_kept=False)
    async with Harness(app(), storage=store) as harness:
        run = await make(harness, "ask")
        deleting = asyncio.ensure_future(run.delete())
        await store.reached.wait()
        resuming = asyncio.ensure_future(run.resume("ask", 1))
        starting = asyncio.ensure_future(harness.client.workflow("ask").start(7, key="key of ask"))
        await calm()
        assert not resuming.done()
        assert not starting.done()
        store.gate.set()
        await asyncio.wait_for(deleting, 5)
        with pytest.raises(RunNotFound):
            await asyncio.wait_for(resuming, 5)
        other = await asyncio.wait_for(starting, 5)
        assert other.run_id != run.run_id
        assert (await other.result(timeout_s=5)).status == "suspended"
        assert await rows_of(store, run.run_id) == []


async def test_a_request_that_goes_away_does_not_leave_a_deletion_half_done() -> None:
    """It is carried out to its end."""
    store = SlowDeletion(is_kept=False)
    async with Harness(app(), storage=store) as harness:
        run = await make(harness, "ask")
        deleting = asyncio.ensure_future(run.delete())
        await store.reached.wait()
        deleting.cancel()
        await calm()
        store.gate.set()
        await calm()
        with pytest.raises(RunNotFound):
            await run.get()
        assert await rows_of(store, run.run_id) == []
