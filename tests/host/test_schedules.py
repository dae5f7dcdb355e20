"""Schedules: what fires when, what becomes of missed times, and how they are steered. On a clock that obeys."""

from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from greenroom import (
    AlreadyClaimed,
    App,
    InvalidInput,
    NotFound,
    RequestError,
    RunStillRunning,
    Schedule,
    Workflow,
    every,
)
from greenroom.runtime.client.schedules import Trigger
from greenroom.runtime.contracts.records import Record, ScheduleRow, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.memory import MemoryStorage
from tests.host.harness import START, Harness

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
# The fake clock begins at 8:00 on Friday 15 January 2027, UTC.
NINE = START + HOUR_S


async def echo(value: Any) -> Any:
    return value


def nine_daily(**options: Any) -> App:
    """Return an app whose workflow starts at nine."""
    return App(workflows=[Workflow("w", schedule=Schedule("0 9 * * *", **options)).then(echo)])


async def told(harness: Harness, schedule_id: str = "wf_w") -> list[tuple[str, str, float]]:
    """Return kind, outcome and time of what a schedule did, the oldest first, in hours since nine on the first day."""
    page = await harness.client.schedules.history(schedule_id)
    return [(line.kind, line.outcome, _hours(line)) for line in reversed(page.items)]


def _hours(line: Trigger) -> float:
    assert line.scheduled_at is not None
    return (line.scheduled_at.timestamp() - NINE) / HOUR_S


async def run_count(harness: Harness) -> int:
    """Return how many runs there are."""
    return len(await harness.client.runs(limit=500))


async def away(harness: Harness, seconds: float) -> None:
    """Let time pass while the runtime is down."""
    harness.clock.time += seconds
    await harness.crash()
    await harness.client.describe()
    await harness.clock.advance(0)


def timers(harness: Harness) -> int:
    """Return how many times the runtime holds in memory."""
    assert harness.host._engine is not None
    return len(harness.host._engine.wheel)


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
        await harness.client.schedules.create(id="own", workflow="w", cron="0 9 * * *")
        await harness.clock.advance(3 * HOUR_S)
        assert await run_count(harness) == 2
        assert [line.next_at for line in await harness.client.schedules.list()] == [
            datetime(2027, 1, 16, 9, tzinfo=UTC)
        ] * 2


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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cron": "61 * * * *"}, "the minute is 0-59, not '61'"),
        ({"cron": "@daily", "timezone": "Mars"}, "time zone 'Mars' is not known"),
        ({"every": 0.1}, "an interval is 1 second or more"),
        ({"cron": "@daily", "input": "text"}, "Invalid input for workflow 'w'"),
        ({"cron": "@daily", "max_catch_up": 0}, "max_catch_up is 1 to"),
        ({"cron": "@daily", "id": " "}, "a schedule's id has 1 to"),
    ],
)
async def test_a_schedule_that_could_not_fire_is_refused(wrong: dict[str, Any], message: str) -> None:
    """Nothing is made, and the field is named."""
    async with Harness(App(workflows=[Workflow("w", input=int).then(echo)])) as harness:
        with pytest.raises(InvalidInput, match=message):
            await harness.client.schedules.create(workflow="w", **{"input": 1, **wrong})
        assert len(await harness.client.schedules.list()) == 0


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
