"""Schedules: what fires when, and what becomes of missed times. On a clock that obeys."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from greenroom import (
    App,
    InvalidInput,
    RunStillRunning,
    Schedule,
    Workflow,
    every,
)
from greenroom.runtime.contracts.records import Record
from greenroom.runtime.contracts.schedules import ScheduleRow
from greenroom.storage.memory import MemoryStorage
from greenroom.storage.parquet.store import ParquetStorage
from tests.host.clockwork import DAY_S, HOUR_S, away, echo, nine_daily, run_count, timers, told
from tests.host.harness import START, Harness


async def test_a_schedule_starts_a_run_at_each_of_its_times() -> None:
    """Not before, and again the next day; the run has the input and knows which time it is for."""
    seen: list[Any] = []

    async def look(value: Any, ctx: Any) -> Any:
        seen.append(ctx.request_context["schedule"])
        return value

    flow = Workflow("w", input=dict, schedule=Schedule("0 9 * * *", input={"a": 1})).then(look)
    async with Harness(App(workflows=[flow])) as harness:
        await harness.clock.advance(HOUR_S - 1)
        assert await run_count(harness) == 0
        await harness.clock.advance(1)
        run = (await harness.client.runs()).items[0]
        assert (await (await harness.client.run(run.run_id)).result(timeout_s=5)).output == {"a": 1}
        assert seen == [{"id": "wf_w", "at": "2027-01-15T09:00:00.000Z"}]
        await harness.clock.advance(DAY_S)
        assert await told(harness) == [("schedule", "started", 0), ("schedule", "started", 24)]
        assert (await harness.client.schedules.get("wf_w")).last_run_id != run.run_id


async def test_a_schedule_is_read_in_its_time_zone() -> None:
    """Nine in Berlin is eight in UTC: gone today, and there tomorrow."""
    async with Harness(nine_daily(timezone="Europe/Berlin")) as harness:
        found = await harness.client.schedules.get("wf_w")
        assert found.next_at == datetime(2027, 1, 16, 8, tzinfo=UTC)


async def test_an_interval_is_counted_from_when_the_runtime_learned_of_it() -> None:
    """Every five minutes, across a restart too."""
    async with Harness(App(workflows=[Workflow("w", schedule=every(minutes=5)).then(echo)])) as harness:
        await harness.clock.advance(300)
        await away(harness, 30)
        await harness.clock.advance(269)
        assert await run_count(harness) == 1
        await harness.clock.advance(1)
        assert await run_count(harness) == 2


async def test_missed_times_are_skipped_by_default() -> None:
    """Down over three nines: none is made up for, the next fires, and the history says what was passed over."""
    async with Harness(nine_daily()) as harness:
        await away(harness, 3 * DAY_S)
        assert await run_count(harness) == 0
        assert await told(harness) == [("schedule", "skipped", 0)]
        await harness.clock.advance(HOUR_S)
        assert (await told(harness))[1:] == [("schedule", "started", 72)]


async def test_one_run_makes_up_for_all_that_was_missed() -> None:
    """It is for the last of the missed times."""
    async with Harness(nine_daily(catch_up="one")) as harness:
        await away(harness, 3 * DAY_S)
        assert await told(harness) == [("schedule", "skipped", 0), ("catch_up", "started", 48)]
        await harness.clock.advance(HOUR_S)
        assert (await told(harness))[2:] == [("schedule", "started", 72)]
        assert await run_count(harness) == 2


async def test_every_missed_time_is_made_up_for() -> None:
    """One run each, in their order, each with a key of its own."""
    async with Harness(nine_daily(catch_up="all")) as harness:
        await away(harness, 3 * DAY_S)
        assert await told(harness) == [("catch_up", "started", 24 * day) for day in range(3)]
        assert await run_count(harness) == 3


async def test_what_is_made_up_for_is_bounded() -> None:
    """The newest are, however long the runtime was down; times that come meanwhile count anew."""
    app = App(workflows=[Workflow("w", schedule=Schedule("* * * * *", catch_up="all", max_catch_up=5)).then(echo)])
    async with Harness(app) as harness:
        await away(harness, 400 * DAY_S + 30)
        found = await told(harness)
        assert [(kind, outcome) for kind, outcome, _ in found][:2] == [("schedule", "skipped"), ("catch_up", "started")]
        hours = [hour for _, outcome, hour in found if outcome == "started"]
        last = 400 * 24 - 1
        assert [round((last - hour) * 60) for hour in hours] == [4, 3, 2, 1, 0]
        await away(harness, 3 * 60)
        assert await run_count(harness) == 8


async def test_a_time_that_is_late_by_less_than_a_minute_is_not_missed() -> None:
    """A restart at nine costs no run."""
    async with Harness(nine_daily()) as harness:
        await away(harness, HOUR_S + 59)
        assert await told(harness) == [("schedule", "started", 0)]


async def test_a_clock_that_goes_back_fires_no_time_twice() -> None:
    """The next time stays where it was, for a restarted runtime too, and for a schedule that is made anew."""
    async with Harness(nine_daily()) as harness:
        await harness.client.schedules.create(id="own", workflow="w", cron="0 9 * * *")
        await harness.clock.advance(HOUR_S)
        assert await run_count(harness) == 2
        await away(harness, -2 * HOUR_S)
        await harness.client.schedules.delete("own")
        anew = await harness.client.schedules.create(id="own", workflow="w", cron="0 9 * * *")
        assert anew.next_at == datetime(2027, 1, 16, 9, tzinfo=UTC)
        await harness.clock.advance(3 * HOUR_S)
        assert await run_count(harness) == 2
        assert [line.next_at for line in await harness.client.schedules.list()] == [
            datetime(2027, 1, 16, 9, tzinfo=UTC)
        ] * 2


async def test_runs_overlap_unless_that_is_skipped() -> None:
    """A run that waits keeps the next from starting, also one out of turn; when it has ended, they start again."""
    flows = [
        Workflow("free", schedule=Schedule("0 * * * *")).wait_for_signal("go"),
        Workflow("alone", schedule=Schedule("0 * * * *", overlap="skip")).wait_for_signal("go"),
    ]
    async with Harness(App(workflows=flows)) as harness:
        schedules = harness.client.schedules
        for _ in range(2):
            await harness.clock.advance(HOUR_S)
        assert await told(harness, "wf_free") == [("schedule", "started", 0), ("schedule", "started", 1)]
        lines = (await schedules.history("wf_alone")).items
        assert [line.outcome for line in lines] == ["skipped", "started"]
        run_id = lines[1].run_id
        assert run_id is not None
        assert lines[0].reason == f"run {run_id} of schedule 'wf_alone' is still open (waiting)"
        with pytest.raises(RunStillRunning, match="one run at a time"):
            await schedules.run("wf_alone")
        await (await harness.client.run(run_id)).signal("go")
        await harness.clock.advance(HOUR_S)
        assert (await told(harness, "wf_alone"))[-1] == ("schedule", "started", 2)


async def test_a_time_whose_run_cannot_start_is_in_the_history_and_the_next_is_tried() -> None:
    """The workflow takes another input by now: what is wrong is said, and nothing waits for it."""
    async with Harness(App(workflows=[Workflow("w", input=int).then(echo)])) as harness:
        await harness.client.schedules.create(id="own", workflow="w", cron="0 * * * *", input=1)
        await harness.register(App(workflows=[Workflow("w", input=str).then(echo)]))
        for _ in range(2):
            await harness.clock.advance(HOUR_S)
        lines = (await harness.client.schedules.history("own")).items
        assert [line.outcome for line in lines] == ["failed", "failed"]
        assert lines[0].reason.startswith("Invalid input for workflow 'w'")
        await harness.client.schedules.update("own", input="text")
        await harness.clock.advance(HOUR_S)
        assert (await told(harness, "own"))[-1] == ("schedule", "started", 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cron": "61 * * * *"}, "the minute is 0-59, not '61'"),
        ({"cron": "@daily", "timezone": "Mars"}, "time zone 'Mars' is not known"),
        ({"every": 0.1}, "an interval is 1 second or more"),
        ({"cron": "@daily", "input": "text"}, "Invalid input for workflow 'w'"),
        ({"cron": "@daily", "input": "x" * 300_000}, "an input has 262,144 bytes at most"),
        ({"cron": "@daily", "max_catch_up": 0}, "max_catch_up is 1 to"),
        ({"cron": "@daily", "id": " "}, "a schedule's id has 1 to"),
    ],
)
async def test_a_schedule_that_could_not_fire_is_refused(wrong: dict[str, Any], message: str) -> None:
    """Nothing is made, and the field is named."""
    fields: dict[str, Any] = {"input": 1} | wrong
    async with Harness(App(workflows=[Workflow("w", input=int).then(echo)])) as harness:
        with pytest.raises(InvalidInput, match=message):
            await harness.client.schedules.create(workflow="w", **fields)
        assert len(await harness.client.schedules.list()) == 0


async def test_ten_thousand_far_schedules_are_not_in_memory() -> None:
    """Neither when they are made nor after a restart; the one whose time is near is, alone."""
    store = MemoryStorage()
    async with Harness(App(workflows=[Workflow("w").then(echo)]), storage=store) as harness:
        await store.append([_far(number) for number in range(10_000)])
        await harness.crash()
        await harness.client.describe()
        status = await harness.client.status()
        assert (status["timers"], status["runs_in_memory"]) == (0, 0)
        await harness.client.schedules.create(id="far", workflow="w", cron="0 9 * * *")
        assert timers(harness) == 0
        await harness.clock.advance(HOUR_S - 40)
        assert timers(harness) == 1
        await harness.clock.advance(40)
        assert await told(harness, "far") == [("schedule", "started", 0)]


def _far(number: int) -> Record:
    return ScheduleRow(
        workspace="default",
        schedule_id=f"s{number}",
        kind="workflow",
        target="w",
        status="active",
        created_at=START,
        updated_at=START,
        cron="0 0 1 1 *",
        next_at=START + 300 * DAY_S + number,
    )


async def test_schedules_whose_time_comes_together_all_fire() -> None:
    """More than are dealt with at once."""
    async with Harness(App(workflows=[Workflow("w").then(echo)])) as harness:
        for number in range(300):
            await harness.client.schedules.create(id=f"s{number}", workflow="w", cron="0 9 * * *")
        await harness.clock.advance(HOUR_S)
        assert await run_count(harness) == 300


async def test_a_fire_is_one_append_of_the_schedule_and_its_run() -> None:
    """So there is no moment at which one is kept and the other is not."""
    store = _Appends()
    async with Harness(nine_daily(), storage=store) as harness:
        await harness.clock.advance(HOUR_S)
    kinds = [{type(record).__name__ for record in records} for records in store.appended]
    fire = next(names for names in kinds if "TriggerRow" in names)
    assert fire >= {"ScheduleRow", "TriggerRow", "RunHead", "JournalRow", "KeyRow"}


class _Appends(MemoryStorage):
    def __init__(self) -> None:
        super().__init__()
        self.appended: list[list[Record]] = []

    async def append(self, records: Any) -> int:
        self.appended.append(list(records))
        return await super().append(records)


@pytest.mark.parametrize("is_flushed", [False, True], ids=["in the journal", "in parts"])
async def test_schedules_are_found_again_in_a_store_of_files(tmp_path: Path, is_flushed: bool) -> None:
    """The next life fires the one whose time comes, and goes on with its history."""
    ran = asyncio.Event()

    async def note(value: Any) -> Any:
        ran.set()
        return value

    app = App(workflows=[Workflow("w").then(note)])
    for day in range(2):
        store = await ParquetStorage.open(tmp_path)
        async with Harness(app, storage=store) as harness, asyncio.timeout(20):
            harness.clock.time += day * DAY_S
            for name, line in (("near", "0 9 * * *"), ("far", "0 9 1 * *")):
                await harness.client.schedules.create(id=name, workflow="w", cron=line)
            if is_flushed:
                await store.flush()
            await harness.crash()
            await harness.client.describe()
            ran.clear()
            await harness.clock.advance(HOUR_S)
            await ran.wait()
            assert await told(harness, "near") == [("schedule", "started", 24 * done) for done in range(day + 1)]
            assert await told(harness, "far") == []
        await store.close()
