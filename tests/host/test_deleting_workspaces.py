"""A workspace that is deleted leaves nothing, and leaves every other as it was."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from greenroom import Agent, App, Memory, NotFound, RunNotFound, StepContext, Workflow
from greenroom.runtime.contracts.errors import RunStillRunning
from greenroom.runtime.contracts.records import Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.memory import MemoryStorage
from tests.host.harness import Harness, calm
from tests.host.scripted_turns import ScriptedTurns, said
from tests.host.test_deleting_runs import SlowDeletion


async def ask(value: Any, ctx: StepContext) -> Any:
    """Wait for a person."""
    return await ctx.suspend()


def app(*flows: Workflow) -> App:
    """Return an app with an agent that remembers and a workflow that is parked."""
    writer = Agent(id="writer", instructions="", model="m/m", memory=Memory(last_messages=10))
    return App(agents=[writer], workflows=[Workflow("ask").then(ask), *flows])


def turns() -> ScriptedTurns:
    """Answer with how many messages came."""
    return ScriptedTurns(lambda request: said(f"{len(request['messages'])} came"))


async def furnish(harness: Harness, workspace: str) -> None:
    """Do something of every kind in a workspace, with names that others use too."""
    client = harness.of_workspace(workspace)
    await client.ledger.grant(1000, key="welcome")
    await client.agent("writer").generate("Hello", thread="t", timeout_s=5)
    await client.threads.create(thread_id="empty", title="Nothing yet")
    run = await client.workflow("ask").start(7, key="order")
    await run.result(timeout_s=5)
    assert await client.ledger.balance() == 900


async def rows_of(harness: Harness, workspace: str) -> list[Record]:
    """Return every row of a workspace, deletions apart."""
    tables = [table for table in Table if table is not Table.DELETIONS]
    return [
        row
        for table in tables
        async for page in harness.storage.scan(table, Query(workspace=workspace))
        for row in page
    ]


async def test_a_deleted_workspace_has_nothing_and_others_have_all() -> None:
    """Runs, conversations, messages, money and keys; the other's have the same names. Also after a restart."""
    async with Harness(app(), turns=turns()) as harness:
        for workspace in ("ours", "theirs"):
            await furnish(harness, workspace)
        before = await rows_of(harness, "theirs")
        assert {type(row).__name__ for row in before} >= {
            "RunHead", "JournalRow", "KeyRow", "ThreadRow", "MessageRow", "LedgerRow", "SpanRow"
        }  # fmt: skip
        await harness.client.workspaces.delete("ours")
        ours = harness.of_workspace("ours")
        for _ in range(2):
            assert await rows_of(harness, "ours") == []
            assert len(await ours.runs()) == 0
            assert await ours.threads.list() == []
            assert await ours.ledger.balance() == 0
            assert await rows_of(harness, "theirs") == before
            assert await harness.of_workspace("theirs").ledger.balance() == 900
            await harness.crash()


async def test_a_deleted_workspace_can_be_used_again() -> None:
    """Keys, ids and grants are free; an agent does not remember what was said before."""
    scripted = turns()
    async with Harness(app(), turns=scripted) as harness:
        await furnish(harness, "ours")
        await harness.client.workspaces.delete("ours")
        await furnish(harness, "ours")
        ours = harness.of_workspace("ours")
        assert [message["content"] for message in await ours.threads.messages("t")] == ["Hello", "1 came"]
        assert await ours.ledger.balance() == 900
        assert len(await ours.runs()) == 2
        await harness.crash()
        assert [message["content"] for message in await ours.threads.messages("t")] == ["Hello", "1 came"]


async def test_an_id_that_a_deleted_workspace_used_is_free_for_others() -> None:
    """And the deletion does not reach what the other made under it."""
    async with Harness(app()) as harness:
        ours, theirs = harness.of_workspace("ours"), harness.of_workspace("theirs")
        run = await ours.workflow("ask").start(7, run_id="one")
        await run.result(timeout_s=5)
        await ours.workspaces.delete("ours")
        other = await theirs.workflow("ask").start(8, run_id="one")
        await other.result(timeout_s=5)
        await ours.workspaces.delete("ours")
        await harness.crash()
        assert (await other.get()).status == "suspended"
        with pytest.raises(RunNotFound):
            await run.get()


async def test_a_workspace_in_which_something_runs_is_not_deleted() -> None:
    """The busy runs are named, those of others are not; nothing of it is gone."""
    gate, begun = asyncio.Event(), asyncio.Event()

    async def hold(value: int) -> int:
        begun.set()
        await gate.wait()
        return value

    async with Harness(app(Workflow("hold").then(hold)), turns=turns()) as harness:
        await furnish(harness, "ours")
        ours = harness.of_workspace("ours")
        await harness.of_workspace("theirs").workflow("hold").start(1)
        run = await ours.workflow("hold").start(1)
        await begun.wait()
        before = await rows_of(harness, "ours")
        with pytest.raises(RunStillRunning, match=run.run_id) as refused:
            await ours.workspaces.delete("ours")
        assert refused.value.facts["runs"] == [run.run_id]
        assert await rows_of(harness, "ours") == before
        await run.cancel()
        await ours.workspaces.delete("ours")
        assert await rows_of(harness, "ours") == []
        gate.set()


async def test_a_start_during_the_deletion_of_its_workspace_begins_behind_it() -> None:
    """It waits, and takes nothing of what is deleted along: no key, no conversation."""
    store = SlowDeletion(is_kept=False)
    scripted = turns()
    async with Harness(app(), turns=scripted, storage=store) as harness:
        await furnish(harness, "ours")
        ours = harness.of_workspace("ours")
        deleting = asyncio.ensure_future(ours.workspaces.delete("ours"))
        await store.reached.wait()
        reply = asyncio.ensure_future(ours.agent("writer").generate("Again", thread="t", timeout_s=5))
        start = asyncio.ensure_future(ours.workflow("ask").start(9, key="order"))
        await calm()
        store.gate.set()
        await asyncio.wait_for(deleting, 5)
        assert (await asyncio.wait_for(reply, 5)).text == "1 came"
        assert (await (await asyncio.wait_for(start, 5)).result(timeout_s=5)).status == "suspended"
        assert [message["content"] for message in await ours.threads.messages("t")] == ["Again", "1 came"]


class SlowHistory(MemoryStorage):
    """Holds back what a scan of messages has found.

    Attributes:
        is_slow: Whether it does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_slow = False
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        """Yield pages, those of messages not before the gate is open."""
        pages = [page async for page in super().scan(table, query)]
        if table is Table.MESSAGES and self.is_slow:
            self.reached.set()
            await self.gate.wait()
        for page in pages:
            yield page


async def test_a_start_that_has_read_what_is_deleted_before_it_begins_reads_again() -> None:
    """What the model is told is nothing of the deleted conversation."""
    store = SlowHistory()
    async with Harness(app(), turns=turns(), storage=store) as harness:
        await furnish(harness, "ours")
        ours = harness.of_workspace("ours")
        store.is_slow = True
        reply = asyncio.ensure_future(ours.agent("writer").generate("Again", thread="t", timeout_s=5))
        await store.reached.wait()
        await ours.workspaces.delete("ours")
        store.gate.set()
        assert (await asyncio.wait_for(reply, 5)).text == "1 came"


async def test_a_conversation_is_deleted_with_its_messages() -> None:
    """The next run on it begins without a history; a run that is deleted twice is not found."""
    async with Harness(app(), turns=turns()) as harness:
        for workspace in ("ours", "theirs"):
            await furnish(harness, workspace)
        ours, theirs = harness.of_workspace("ours"), harness.of_workspace("theirs")
        await ours.threads.delete("t")
        for _ in range(2):
            with pytest.raises(NotFound):
                await ours.threads.get("t")
            with pytest.raises(NotFound):
                await ours.threads.delete("t")
            await harness.crash()
        assert not [row async for page in harness.storage.scan(Table.MESSAGES, Query(workspace="ours")) for row in page]
        assert len(await theirs.threads.messages("t")) == 2
        assert (await ours.agent("writer").generate("Again", thread="t", timeout_s=5)).text == "1 came"
        assert [message["content"] for message in await ours.threads.messages("t")] == ["Again", "1 came"]


async def test_what_a_deleted_run_cost_stays_without_its_name() -> None:
    """Money is not undone: the balance stays, the entry does not say whose it was. Also after a restart."""
    async with Harness(app(), turns=turns()) as harness:
        ours = harness.of_workspace("ours")
        await ours.ledger.grant(1000, key="welcome")
        run = await ours.agent("writer").start("Hello", run_id="mine")
        await run.result(timeout_s=5)
        other = await ours.agent("writer").start("Hello")
        await other.result(timeout_s=5)
        await run.delete()
        for _ in range(2):
            assert await ours.ledger.balance() == 800
            entries = await ours.ledger.entries()
            assert sorted(entry["run_id"] or "" for entry in entries) == ["", "", other.run_id]
            assert "mine" not in str(entries)
            await harness.crash()
