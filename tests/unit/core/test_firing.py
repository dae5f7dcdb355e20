"""What becomes of fire times by each policy: pure, from a row and the time."""

from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.runtime.contracts.schedules import ScheduleRow, Timing
from greenroom.runtime.core.cron import fires_after
from greenroom.runtime.core.firing import firing, latest_due
from greenroom.runtime.core.schedules import fired

MINUTELY = Timing(cron="* * * * *")


def row(**fields: Any) -> ScheduleRow:
    """Return a schedule of every minute, whose next time is the first minute."""
    minutely: dict[str, Any] = {"status": "active", "cron": "* * * * *", "next_at": 60.0}
    return ScheduleRow(
        workspace="w",
        schedule_id="s",
        kind="workflow",
        target="w",
        created_at=0.0,
        updated_at=0.0,
        **(minutely | fields),
    )


def fire_all(schedule: ScheduleRow, now: float) -> tuple[list[float], ScheduleRow]:
    """Return the times that fire until none is left, and where the schedule stands then."""
    times: list[float] = []
    while (due := firing(schedule, now)) is not None:
        if due.at is not None:
            times.append(due.at)
        schedule, _ = fired(schedule, due, now, run_id="r", outcome="started")
    return times, schedule


def test_nothing_fires_before_its_time() -> None:
    """Nor is anything decided; a schedule without a next time is done."""
    assert firing(row(), 59.9) is None
    assert firing(row(next_at=None), 1e9) is None


@pytest.mark.parametrize("policy", ["skip", "one", "all"])
def test_a_time_that_has_just_come_fires_by_every_policy(policy: str) -> None:
    """And the next is the one behind it."""
    times, after = fire_all(row(catch_up=policy), 60.0)
    assert (times, after.next_at, after.last_at) == ([60.0], 120.0, 60.0)


@pytest.mark.parametrize(
    ("policy", "times"), [("skip", [36_000.0]), ("one", [36_000.0]), ("all", [35_880.0, 35_940.0, 36_000.0])]
)
def test_after_ten_hours_the_last_times_are_made_up_for(policy: str, times: list[float]) -> None:
    """By the policy and its limit; a time of the last minute is on time."""
    found, after = fire_all(row(catch_up=policy, max_catch_up=3), 36_030.0)
    assert (found, after.next_at, after.catching_until_at) == (times, 36_060.0, None)


def test_times_that_come_while_others_are_made_up_for_are_not_lost() -> None:
    """The limit is for what was missed: what comes meanwhile is counted by itself."""
    schedule = row(catch_up="all", max_catch_up=3)
    due = firing(schedule, 36_000.0)
    assert due is not None
    schedule, _ = fired(schedule, due, 36_000.0, run_id="r", outcome="started")
    times, _ = fire_all(schedule, 36_060.0)
    assert [due.at, *times] == [35_880.0, 35_940.0, 36_000.0, 36_060.0]


def test_a_year_of_minutes_is_not_walked_through() -> None:
    """The last of half a million times is found at once."""
    year_s = 365 * 86_400.0
    assert latest_due(MINUTELY, 60.0, year_s, 2) == [year_s - 60, year_s]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["* * * * *", "*/7 3-5 * * *", "0 9 * * 1-5", "0 0 29 2 *"]),
    st.floats(0, 40 * 86_400.0),
    st.integers(1, 40),
)
def test_the_last_times_are_those_of_a_walk(line: str, now: float, limit: int) -> None:
    """Looking back from now gives the end of the whole list."""
    timing = Timing(cron=line)
    every = list(takewhile(lambda at: at <= now, fires_after(timing, 0.0)))
    if every:
        assert latest_due(timing, every[0], now, limit) == every[-limit:]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["skip", "one", "all"]),
    st.lists(st.floats(-7200.0, 7200.0), min_size=1, max_size=12),
    st.integers(1, 4),
)
def test_no_time_fires_twice_whatever_the_clock_does(policy: str, steps: list[float], limit: int) -> None:
    """Forward and back in any order: what fires only ever rises."""
    schedule, now, times = (
        row(catch_up=policy, max_catch_up=limit, cron="*/10 * * * *", next_at=600.0),
        0.0,
        list[float](),
    )
    for step in steps:
        now = max(0.0, now + step)
        found, schedule = fire_all(schedule, now)
        times += found
    assert times == sorted(set(times))
