"""A runtime whose store fails starts over from it, whenever that is."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from unittest.mock import AsyncMock

import pytest

from greenroom import App, Workflow, step
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.entries import Entry, Fact
from greenroom.runtime.contracts.errors import Fenced, RuntimeUnavailable, StorageError
from greenroom.runtime.contracts.records import Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.core.advance import advance
from greenroom.runtime.core.state import RunState
from greenroom.storage.memory import MemoryStorage
from tests.host.harness import Harness, calm


class UnsureOnce(MemoryStorage):
    """A store that, when told so, fails once when it is asked whose it is, and finds no runs before that."""

    def __init__(self, error: StorageError) -> None:
        super().__init__()
        self.fails_next = False
        self._error = error
        self._has_failed = asyncio.Event()

    async def confirm(self) -> None:
        if self.fails_next:
            self._has_failed.set()
            raise self._error
        await super().confirm()

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        if self.fails_next and table is Table.RUNS:
            await self._has_failed.wait()
            self.fails_next = False
        async for page in super().scan(table, query):
            yield page


def stuck_once() -> tuple[App, asyncio.Event]:
    """Return an app whose one step stands still until the event is set, and then is right at once."""
    is_again = asyncio.Event()

    @step
    async def work(value: int) -> int:
        if not is_again.is_set():
            await asyncio.Event().wait()
        return value + 1

    return App(workflows=[Workflow("w").then(work)]), is_again


@asynccontextmanager
async def failing_recovery(error: StorageError) -> AsyncGenerator[RunHandle]:
    """Have a runtime in whose recovery the store fails for a worker that starts; a run's attempt is lost."""
    app, is_again = stuck_once()
    store = UnsureOnce(error)
    async with Harness(app, storage=store) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        is_again.set()
        await harness.crash()
        store.fails_next = True
        harness.strike(only=run.run_id)
        await calm()
        await harness.clock.advance(60)
        assert not store.fails_next
        yield run


async def test_a_recovery_during_which_the_store_fails_others_begins_again() -> None:
    """30. It may commit no more, then: what it had to do is done when the store was opened again."""
    async with failing_recovery(StorageError("the disk does not answer")) as run:
        assert (await run.result(timeout_s=5)).output == 2


async def test_a_runtime_of_which_a_new_worker_finds_out_that_it_is_replaced_stays_replaced() -> None:
    """28. It would else open the store again, and take it from the runtime that has it now."""
    async with failing_recovery(Fenced("another runtime has taken the store")) as run:
        with pytest.raises(Fenced):
            await run.result(timeout_s=5)


async def test_a_run_that_cannot_go_on_keeps_no_other_from_being_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    """30. What goes wrong when its lost attempt is taken up is logged, and the next run is taken up."""
    app, is_again = stuck_once()
    async with Harness(app) as harness:
        flow = harness.client.workflow("w")
        await flow.start(1, run_id="a")
        run = await flow.start(2, run_id="b")
        await calm()
        is_again.set()

        def fail(run: RunState, fact: Fact, at: float) -> list[Entry]:
            if run.run_id == "a":
                raise ValueError("a fault of the core")
            return advance(run, fact, at)

        monkeypatch.setattr("greenroom.runtime.host.engine.advance", fail)
        await harness.crash()
        harness.strike()
        await calm()
        assert (await run.result(timeout_s=5)).output == 3


async def test_a_runtime_that_cannot_recover_says_why_and_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong: nobody waits for a recovery that has ended."""
    app, is_again = stuck_once()
    is_again.set()
    async with Harness(app) as harness:
        with monkeypatch.context() as patched:
            patched.setattr("greenroom.runtime.host.host.recover", AsyncMock(side_effect=ValueError("a fault of ours")))
            await harness.crash()
            with pytest.raises(RuntimeUnavailable, match="cannot recover: ValueError"):
                await harness.client.workflow("w").start(1)
        await harness.clock.advance(60)
        assert (await harness.client.workflow("w").run(1, timeout_s=5)).output == 2


async def test_a_runtime_that_is_replaced_while_it_recovers_stays_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """28. The same where the recovery itself is refused."""
    app, _ = stuck_once()
    async with Harness(app) as harness:
        with monkeypatch.context() as patched:
            replaced = AsyncMock(side_effect=Fenced("another runtime has taken the store"))
            patched.setattr("greenroom.runtime.host.host.recover", replaced)
            await harness.crash()
            await calm()
        await harness.clock.advance(60)
        with pytest.raises(Fenced):
            await harness.client.workflow("w").start(1)
