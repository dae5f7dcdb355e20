"""Runs that ended longer ago than they are kept are deleted by themselves, and no others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from greenroom import App, RunNotFound, StepContext, Workflow
from greenroom.runtime.client.results import RunSummary
from greenroom.runtime.contracts.config import RetentionSection
from greenroom.runtime.contracts.records import Deletion, RunHead, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.memory import MemoryStorage
from tests.host.harness import START, Harness, calm

DAY_S = 86_400.0
KEPT = RetentionSection(runs=90).seconds()


async def ask(value: Any, ctx: StepContext) -> Any:
    """Wait for a person."""
    return await ctx.suspend()


async def echo(value: Any) -> Any:
    return value


def app() -> App:
    """Return an app whose runs end at once, with a child, or when somebody says so."""
    return App(workflows=[Workflow("outer").then(Workflow("inner").then(echo)), Workflow("ask").then(ask)])


async def pass_days(harness: Harness, days: int) -> None:
    """Let days go by, one after the other."""
    for _ in range(days):
        await harness.clock.advance(DAY_S)


async def test_a_run_is_kept_for_its_time_after_its_end_and_then_deleted() -> None:
    """Counted from the end, not from the start; with its child; an open run is never too old."""
    async with Harness(app(), retention_s=KEPT) as harness:
        long = await harness.client.workflow("ask").start(1, run_id="long")
        await harness.client.workflow("ask").start(1, run_id="open")
        short = await harness.client.workflow("outer").start(1, run_id="short")
        await short.result(timeout_s=5)
        await pass_days(harness, 50)
        await long.resume("ask", 2)
        await pass_days(harness, 39)
        assert {run.run_id for run in await harness.client.runs(roots=True)} == {"long", "open", "short"}
        await pass_days(harness, 2)
        assert {run.run_id for run in await harness.client.runs()} == {"long", "open"}
        with pytest.raises(RunNotFound):
            await short.get()
        await pass_days(harness, 50)
        assert {run.run_id for run in await harness.client.runs()} == {"open"}


async def test_a_run_whose_callback_still_runs_is_not_too_old() -> None:
    """It has ended and still does something; it is deleted when that is over."""
    gate = asyncio.Event()

    async def tell(_result: Any) -> None:
        await gate.wait()

    async with Harness(App(workflows=[Workflow("w", on_finish=tell).then(echo)]), retention_s=KEPT) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        await pass_days(harness, 100)
        assert (await run.get()).status == "success"
        gate.set()
        await pass_days(harness, 2)
        with pytest.raises(RunNotFound):
            await run.get()


async def test_a_run_that_moves_is_left_alone_whatever_its_head_said() -> None:
    """What the store said a moment ago may be old."""
    async with Harness(app()) as harness:
        run = await harness.client.workflow("ask").start(1)
        await run.result(timeout_s=5)
        head = await harness.storage.get(Table.RUNS, (run.run_id,))
        old = msgspec.structs.replace(head, status="success", is_open=False, finished_at=START)
        assert await harness.host._deletion.delete_finished([old], "retention") == 0
        assert (await run.get()).status == "suspended"


async def test_what_grew_old_while_the_runtime_was_down_is_deleted_when_it_is_up() -> None:
    """The first look is at once."""
    async with Harness(app(), retention_s=KEPT) as harness:
        run = await harness.client.workflow("outer").start(1)
        await run.result(timeout_s=5)
        harness.clock.time += 100 * DAY_S
        await harness.crash()
        await harness.client.describe()
        await calm()
        assert len(await harness.client.runs()) == 0


async def test_many_old_runs_are_deleted_in_batches() -> None:
    """All of them, by few appends, and the record says why."""
    store = MemoryStorage()
    async with Harness(app(), storage=store, retention_s=KEPT) as harness:
        await store.append([_ended(harness, number, START - number * DAY_S) for number in range(1000)])
        appends = store.health().figures["appends"]
        await harness.clock.advance(3600)
        assert store.health().figures["appends"] - appends == 4
        left = [run.run_id async for run in _every(harness)]
        assert sorted(left) == sorted(f"old-{number}" for number in range(90))
        rows = [row async for page in store.scan(Table.DELETIONS, Query()) for row in page]
        assert {row.reason for row in rows if isinstance(row, Deletion)} == {"retention"}


async def _every(harness: Harness) -> AsyncIterator[RunSummary]:
    cursor: str | None = None
    while True:
        page = await harness.client.runs(limit=500, cursor=cursor)
        for run in page:
            yield run
        cursor = page.next_cursor
        if cursor is None:
            return


def _ended(harness: Harness, number: int, at: float) -> RunHead:
    return RunHead(
        workspace="default",
        run_id=f"old-{number}",
        kind="workflow",
        target="outer",
        bundle=harness.app.plan.id,
        status="success",
        created_at=at - 60,
        updated_at=at,
        finished_at=at,
        root_id=f"old-{number}",
        is_open=False,
    )


async def test_without_a_word_everything_is_kept() -> None:
    """No run is ever too old by default."""
    async with Harness(app()) as harness:
        run = await harness.client.workflow("outer").start(1)
        await run.result(timeout_s=5)
        await pass_days(harness, 1000)
        assert (await run.get()).status == "success"


def test_days_are_given_for_each_table() -> None:
    """As seconds, and only for those that were named."""
    seconds = RetentionSection(runs=90, spans=0.5).seconds()
    assert seconds == {Table.RUNS: 90 * DAY_S, Table.SPANS: DAY_S / 2}
