"""Exactly one run for each fire time, whatever crashes, and however many runtimes want to fire."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from greenroom import App, Schedule, Workflow
from greenroom.runtime.contracts.errors import Fenced
from greenroom.runtime.contracts.records import JournalRow, Key, KeyRow, Record, RunHead, Table
from greenroom.runtime.contracts.schedules import ScheduleRow, TriggerRow
from greenroom.runtime.contracts.storage import Query, StoreHealth
from greenroom.storage.memory import MemoryStorage
from tests.host.clockwork import HOUR_S, echo
from tests.host.crash_store import CrashStore, Moment
from tests.host.harness import Harness

HOURS = 3


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def hourly() -> App:
    """Return an app with a schedule that makes up for everything."""
    return App(workflows=[Workflow("w", schedule=Schedule("0 * * * *", catch_up="all")).then(echo)])


async def run_hours(stops: Sequence[int], moment: Moment, *, jump: bool = False) -> tuple[CrashStore, int]:
    """Let some hours pass, the runtime dying at chosen appends, and return the store and how many deaths there were."""
    store = CrashStore(stops, moment)
    store.counted = (ScheduleRow, JournalRow)
    deaths = 0
    async with Harness(hourly(), storage=store) as harness, asyncio.timeout(20):
        for _ in range(1 if jump else HOURS):
            await harness.clock.advance(HOURS * HOUR_S if jump else HOUR_S)
            while await _is_hit(harness, store):
                deaths += 1
                await harness.crash()
                store.hit.clear()
    return store, deaths


async def _is_hit(harness: Harness, store: CrashStore) -> bool:
    """Tell whether the runtime died, or would: in its recovery, if not before."""
    recovered = asyncio.ensure_future(harness.client.describe())
    hit = asyncio.ensure_future(store.hit.wait())
    await asyncio.wait({recovered, hit}, return_when=asyncio.FIRST_COMPLETED)
    await harness.clock.advance(0)
    for task in (recovered, hit):
        task.cancel()
    await asyncio.gather(recovered, hit, return_exceptions=True)
    return store.hit.is_set()


async def rows(store: MemoryStorage, table: Table) -> list[Any]:
    """Return every row of a table."""
    return [row async for page in store.scan(table, Query()) for row in page]


async def check(store: MemoryStorage) -> None:
    """One run for each hour, ended well; a gapless history that names each once."""
    heads: list[RunHead] = await rows(store, Table.RUNS)
    keys: list[KeyRow] = await rows(store, Table.KEYS)
    lines: list[TriggerRow] = await rows(store, Table.TRIGGERS)
    assert [head.status for head in heads] == ["success"] * HOURS
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    started = Counter(line.scheduled_at for line in lines if line.outcome == "started")
    assert len(started) == HOURS
    assert set(started.values()) == {1}
    assert {line.run_id for line in lines} == {head.run_id for head in heads} == {key.run_id for key in keys}


@pytest.mark.parametrize("jump", [False, True], ids=["hour by hour", "all at once"])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_each_time_fires_once_whatever_append_the_runtime_dies_at(moment: Moment, jump: bool) -> None:
    """Right before a fire is kept and right after, and at every append of its run; also while it catches up."""
    store, _ = await run_hours([], moment, jump=jump)
    await check(store)
    assert store.count > 2 * HOURS
    for stop in range(2, store.count + 1):  # the first is the app's
        crashed, deaths = await run_hours([stop], moment, jump=jump)
        assert deaths == 1
        await check(crashed)


@pytest.mark.parametrize("seed", range(8))
async def test_each_time_fires_once_whatever_dies_how_often(seed: int) -> None:
    """Every few appends, recoveries included."""
    chance = random.Random(seed)
    stops = [3, *(number for number in range(4, 20) if chance.random() < 0.5)]
    store, deaths = await run_hours(stops, "after" if seed % 2 else "before", jump=seed > 3)
    assert deaths
    await check(store)


class Writer(MemoryStorage):
    """One of several who have opened the same store; only the last may write."""

    def __init__(self, shared: MemoryStorage, epochs: list[int]) -> None:
        super().__init__()
        self._shared = shared
        self._epochs = epochs
        self._epoch = len(epochs) + 1
        epochs.append(self._epoch)

    async def append(self, records: Sequence[Record]) -> int:
        """Append, unless somebody else has opened the store since."""
        await asyncio.sleep(0)
        if self._epochs[-1] != self._epoch:
            raise Fenced("another runtime has taken the store")
        return await self._shared.append(records)

    async def get(self, table: Table, key: Key) -> Record | None:
        """Return a record of the shared store."""
        return await self._shared.get(table, key)

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        """Yield pages of the shared store."""
        async for page in self._shared.scan(table, query):
            yield page

    def health(self) -> StoreHealth:
        """Return how the shared store is."""
        return self._shared.health()

    async def close(self) -> None:
        """Leave the shared store to the others."""


async def test_of_many_runtimes_that_want_to_fire_one_does() -> None:
    """Each was started on the store while the others lived; all their wheels have the same times."""
    shared = MemoryStorage()
    epochs: list[int] = []
    app = hourly()
    hosts: list[Harness] = []
    try:
        for _ in range(4):
            host = Harness(app, storage=Writer(shared, epochs))
            await host.__aenter__()
            hosts.append(host)
        for _ in range(HOURS):
            await asyncio.gather(*(host.clock.advance(HOUR_S) for host in hosts))
        await check(shared)
    finally:
        for host in hosts:
            await host.__aexit__()
