"""Schedules, as they come with apps and are made, changed, paused, resumed and deleted."""

import asyncio
from datetime import UTC, datetime
from typing import Literal

import pytest

from greenroom import (
    AlreadyClaimed,
    App,
    InvalidInput,
    NotFound,
    RequestError,
    Schedule,
    Workflow,
)
from greenroom.runtime.contracts.records import Key, Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.memory import MemoryStorage
from tests.host.clockwork import DAY_S, HOUR_S, NINE, away, echo, nine_daily, run_count, told
from tests.host.harness import Harness, calm


async def test_a_paused_schedule_holds_and_goes_on_with_the_next_time() -> None:
    """Across a restart; what passed meanwhile is skipped, and the history says so."""
    async with Harness(nine_daily(catch_up="all")) as harness:
        schedules = harness.client.schedules
        assert (await schedules.pause("wf_w")).status == "paused"
        assert (await schedules.pause("wf_w")).status == "paused"
        await harness.clock.advance(DAY_S)
        await away(harness, DAY_S)
        assert await told(harness) == []
        assert (await schedules.resume("wf_w")).status == "active"
        await harness.clock.advance(0)
        assert await told(harness) == [("schedule", "skipped", 0)]
        await harness.clock.advance(HOUR_S)
        assert (await told(harness))[1:] == [("schedule", "started", 48)]


async def test_a_time_that_passed_a_moment_before_the_resume_is_skipped_too() -> None:
    """It passed while the schedule was paused, however late that was."""
    async with Harness(nine_daily()) as harness:
        await harness.client.schedules.pause("wf_w")
        await harness.clock.advance(HOUR_S + 30)
        resumed = await harness.client.schedules.resume("wf_w")
        assert resumed.next_at == datetime(2027, 1, 16, 9, tzinfo=UTC)
        await harness.clock.advance(0)
        assert await run_count(harness) == 0


@pytest.mark.parametrize(("catch_up", "count"), [("one", 1), ("all", 2)])
async def test_a_resumed_schedule_catches_up_if_it_is_asked_to(catch_up: Literal["one", "all"], count: int) -> None:
    """The policy counts for that once; the schedule's own is for later."""
    async with Harness(nine_daily()) as harness:
        await harness.client.schedules.pause("wf_w")
        await harness.clock.advance(2 * DAY_S)
        await harness.client.schedules.resume("wf_w", catch_up=catch_up)
        await harness.clock.advance(0)
        assert await run_count(harness) == count
        await away(harness, 2 * DAY_S)
        assert await run_count(harness) == count


async def test_a_schedule_runs_out_of_turn_when_it_is_told_to() -> None:
    """Also a paused one; two calls with one key are one run, and its next time stays."""
    async with Harness(nine_daily()) as harness:
        schedules = harness.client.schedules
        before = (await schedules.pause("wf_w")).next_at
        runs = [await schedules.run("wf_w", key="k") for _ in range(2)]
        assert runs[0].run_id == runs[1].run_id
        assert (await runs[0].result(timeout_s=5)).status == "success"
        assert [(line.kind, line.run_id) for line in await schedules.history("wf_w")] == [("manual", runs[0].run_id)]
        assert (await schedules.get("wf_w")).next_at == before


async def test_schedules_come_change_and_go_with_the_newest_bundle() -> None:
    """A changed line counts from now, a pause stays, what is left out ends; the same app again changes nothing."""
    first = App(
        workflows=[
            Workflow("a", schedule="0 9 * * *").then(echo),
            Workflow("b", schedule=["0 9 * * *", Schedule("0 12 * * *", id="noon")]).then(echo),
        ]
    )
    second = App(
        workflows=[Workflow("a", schedule="30 9 * * *").then(echo), Workflow("b", schedule="0 9 * * *").then(echo)]
    )
    async with Harness(first) as harness:
        schedules = harness.client.schedules
        assert [item.id for item in await schedules.list()] == ["wf_a", "wf_b", "wf_b__noon"]
        await schedules.pause("wf_b")
        await harness.register(first)
        assert (await schedules.get("wf_b")).status == "paused"
        await harness.register(second)
        assert [(item.id, item.status) for item in await schedules.list()] == [("wf_a", "active"), ("wf_b", "paused")]
        await harness.clock.advance(DAY_S)
        assert [line[2] for line in await told(harness, "wf_a")] == [0.5]
        with pytest.raises(NotFound):
            await schedules.history("wf_b__noon")


async def test_a_schedule_of_a_definition_is_changed_there_only() -> None:
    """It can be paused; to change or delete it would last until the next deployment."""
    async with Harness(nine_daily()) as harness:
        for attempt in (
            harness.client.schedules.delete("wf_w"),
            harness.client.schedules.update("wf_w", cron="@daily"),
        ):
            with pytest.raises(RequestError, match="stands in the definition of workflow 'w'"):
                await attempt
        with pytest.raises(InvalidInput, match="ids that begin with 'wf_'"):
            await harness.client.schedules.create(id="wf_x", workflow="w", cron="@daily")


async def test_a_schedule_is_made_once_however_often_it_is_asked_for() -> None:
    """The same under one id is the same schedule; another is refused."""
    async with Harness(App(workflows=[Workflow("w").then(echo)])) as harness:
        schedules = harness.client.schedules
        made = [await schedules.create(id="own", workflow="w", cron="@daily") for _ in range(2)]
        assert made[0] == made[1]
        with pytest.raises(AlreadyClaimed, match="exists and is another"):
            await schedules.create(id="own", workflow="w", cron="@hourly")


async def test_a_deleted_schedule_fires_no_more() -> None:
    """It is in no list and not found; deleting it again with the same key is no error."""
    async with Harness(App(workflows=[Workflow("w").then(echo)])) as harness:
        schedules = harness.client.schedules
        await schedules.create(id="own", workflow="w", cron="0 9 * * *")
        for _ in range(2):
            await schedules.delete("own", key="k")
        await harness.clock.advance(DAY_S)
        assert (await run_count(harness), len(await schedules.list())) == (0, 0)
        for call in (schedules.get, schedules.run, schedules.pause, schedules.delete):
            with pytest.raises(NotFound, match="no schedule 'own'"):
                await call("own")


async def test_a_changed_schedule_fires_by_its_new_times() -> None:
    """From now on; fields that are not named stay."""
    async with Harness(App(workflows=[Workflow("w", input=int).then(echo)])) as harness:
        schedules = harness.client.schedules
        await schedules.create(id="own", workflow="w", cron="0 9 * * *", input=7)
        assert (await schedules.update("own", every=60)).cron is None
        await harness.clock.advance(60)
        run = await harness.client.run((await schedules.get("own")).last_run_id or "")
        assert (await run.result(timeout_s=5)).output == 7
        with pytest.raises(InvalidInput, match="'target' of a schedule cannot be changed"):
            await schedules.update("own", target="x")


async def test_lists_and_histories_come_in_pages() -> None:
    """By id, and the newest first; each line once."""
    async with Harness(App(workflows=[Workflow("w").then(echo)])) as harness:
        schedules = harness.client.schedules
        for name in "abc":
            await schedules.create(id=name, workflow="w", cron="0 * * * *")
        page = await schedules.list(limit=2)
        rest = await schedules.list(limit=2, cursor=page.next_cursor)
        assert [item.id for item in (*page, *rest)] == ["a", "b", "c"]
        assert rest.next_cursor is None
        for _ in range(3):
            await harness.clock.advance(HOUR_S)
        lines = await schedules.history("a", limit=2)
        older = await schedules.history("a", limit=2, cursor=lines.next_cursor)
        assert [line.number for line in (*lines, *older)] == [3, 2, 1]
        since = datetime.fromtimestamp(NINE, UTC)
        assert [line.number for line in await schedules.history("a", since=since)] == [3, 2]


async def test_schedules_of_a_workspace_are_its_own() -> None:
    """Others neither see nor steer them, and one that is deleted with its workspace fires no more."""
    async with Harness(App(workflows=[Workflow("w").then(echo)])) as harness:
        ours, theirs = harness.of_workspace("ours"), harness.of_workspace("theirs")
        for client in (ours, theirs):
            await client.schedules.create(id="s", workflow="w", cron="0 9 * * *")
        await harness.client.workspaces.delete("theirs")
        with pytest.raises(NotFound):
            await theirs.schedules.pause("s")
        await harness.clock.advance(HOUR_S)
        assert (len(await ours.runs()), len(await theirs.runs())) == (1, 0)
        assert await harness.storage.get(Table.SCHEDULES, ("theirs", "s")) is None


async def test_what_schedules_did_is_let_go_of_with_its_run() -> None:
    """A run that is deleted leaves no line that names it; the schedule itself goes on."""
    async with Harness(nine_daily()) as harness:
        await harness.clock.advance(HOUR_S)
        run = await harness.client.run((await harness.client.schedules.get("wf_w")).last_run_id or "")
        await run.result(timeout_s=5)
        await run.delete()
        assert await told(harness) == []
        rows = [row async for page in harness.storage.scan(Table.TRIGGERS, Query()) for row in page]
        assert rows == []
        await harness.clock.advance(DAY_S)
        assert await told(harness) == [("schedule", "started", 24)]


class SlowReads(MemoryStorage):
    """Holds back what was read of a schedule."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()

    async def get(self, table: Table, key: Key) -> Record | None:
        """Return a record, a schedule not before the gate is open."""
        row = await super().get(table, key)
        if table is Table.SCHEDULES:
            self.reached.set()
            await self.gate.wait()
        return row


@pytest.mark.parametrize("action", ["fire", "pause"])
async def test_what_was_read_before_a_deletion_does_not_come_back(action: str) -> None:
    """The workspace is deleted between the read of a schedule and the append of what follows from it."""
    store = SlowReads()
    async with Harness(App(workflows=[Workflow("w").then(echo)]), storage=store) as harness:
        client = harness.of_workspace("theirs")
        await client.schedules.create(id="s", workflow="w", cron="0 9 * * *")
        store.gate.clear()
        store.reached.clear()
        pausing = asyncio.ensure_future(client.schedules.pause("s")) if action == "pause" else None
        if pausing is None:
            await harness.clock.advance(HOUR_S)
        await asyncio.wait_for(store.reached.wait(), 5)
        await client.workspaces.delete("theirs")
        store.gate.set()
        if pausing is not None:
            with pytest.raises(NotFound):
                await pausing
        await calm()
        tables = [table for table in Table if table is not Table.DELETIONS]
        left = [row for table in tables async for page in store.scan(table, Query(workspace="theirs")) for row in page]
        assert left == []
