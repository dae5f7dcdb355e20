"""The runtime over a damaged store: it answers nothing wrong, says what is damaged, and goes on when that is mended."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from greenroom import App, StepContext, StorageCorrupt, Workflow
from greenroom.runtime import json_schema
from greenroom.runtime.client.link import LocalLink
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.definitions import values
from greenroom.runtime.host.edge import answer
from greenroom.runtime.host.host import MAX_REOPEN_S, Host
from greenroom.storage.parquet.store import ParquetStorage
from tests.fault.files import CALM, NeverFlushed, flip, frames_of, last_segment
from tests.host.harness import CountedIds, FakeClock, Harness, LocalSpawner, calm


async def ask(value: Any, ctx: StepContext) -> Any:
    return [value, await ctx.suspend({"about": value})]


APP = App(workflows=[Workflow("w").then(ask)])


async def leave_parked_runs(root: Path) -> None:
    """Leave a store with two parked runs, in its journal only."""
    store = await ParquetStorage.open(root, CALM, NeverFlushed())
    async with Harness(APP, storage=store) as harness:
        for run_id in ("first", "second"):
            await (await harness.client.workflow("w").start(run_id, run_id=run_id)).result(timeout_s=20)
    await store.close()


@asynccontextmanager
async def running(root: Path, clock: FakeClock) -> AsyncGenerator[RuntimeClient]:
    """Have a runtime that opens the store by itself, as the actor's does."""
    host = Host(
        open_storage=lambda: ParquetStorage.open(root, CALM),
        spawner=LocalSpawner({APP.plan.id: APP}),
        clock=clock,
        ids=CountedIds(),
        check=json_schema.check,
    )
    host.start()
    link = LocalLink(lambda payload: answer(host, payload))
    yield RuntimeClient(link, CountedIds(), workspace="default", dump=values.dump, load=values.load, schema_of=dict)
    await host.close()


async def test_a_damaged_journal_stops_the_runtime_until_it_is_mended(tmp_path: Path) -> None:
    """35. Every request is answered with file and offset; when the file is whole again the runs are what they were."""
    await leave_parked_runs(tmp_path)
    segment, clock = last_segment(tmp_path), FakeClock()
    whole = segment.read_bytes()
    begin, end = frames_of(whole)[1]
    segment.write_bytes(flip(whole, (begin + end) // 2, 3))
    async with running(tmp_path, clock) as client:
        for ask_it in (client.runs, client.run_handle("second").get, client.status):
            with pytest.raises(StorageCorrupt) as caught:
                await ask_it()
            assert caught.value.facts["file"].endswith(segment.name)
            assert begin <= caught.value.facts["offset"] <= end
        segment.write_bytes(whole)
        await clock.advance(MAX_REOPEN_S)
        async with asyncio.timeout(20):
            while await is_refused(client):
                await calm()
        assert [run.run_id for run in await client.runs(status="suspended")] == ["second", "first"]
        assert (await client.run_handle("second").get()).suspend_payload == {"ask": {"about": "second"}}


async def is_refused(client: RuntimeClient) -> bool:
    """Tell whether the store is still found to be damaged."""
    try:
        await client.status()
    except StorageCorrupt:
        return True
    return False
