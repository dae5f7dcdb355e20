"""When schedules fire: cron lines in time zones, and intervals."""

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.schedules import Timing
from greenroom.runtime.core.cron import NAMED, check_timing, fires_after, next_fire

NEW_YORK = (
    "America/New_York"  # the clock jumps from 2:00 to 3:00 on 8 March 2026, and back from 2:00 to 1:00 on 1 November
)


def fires(line: str, after: str, count: int, timezone: str = "UTC") -> list[str]:
    """Return the next fire times as the clocks of the zone show them."""
    zone = zoneinfo.ZoneInfo(timezone)
    timing = Timing(cron=line, timezone=timezone)
    check_timing(timing)
    begin = datetime.fromisoformat(after).replace(tzinfo=zone).timestamp()
    return [f"{datetime.fromtimestamp(at, zone):%m-%d %H:%M %Z}" for at in islice(fires_after(timing, begin), count)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("* * * * *", ["01-01 00:01 UTC", "01-01 00:02 UTC"]),
        ("*/15 * * * *", ["01-01 00:15 UTC", "01-01 00:30 UTC"]),
        ("5,10 3-4 * * *", ["01-01 03:05 UTC", "01-01 03:10 UTC"]),
        ("0 9-17/4 * * *", ["01-01 09:00 UTC", "01-01 13:00 UTC"]),
        ("0 9 * * 1-5", ["01-01 09:00 UTC", "01-02 09:00 UTC"]),
        ("0 9 * * SUN", ["01-04 09:00 UTC", "01-11 09:00 UTC"]),
        ("0 9 * * 7", ["01-04 09:00 UTC", "01-11 09:00 UTC"]),
        ("30 6 * feb,MAR *", ["02-01 06:30 UTC", "02-02 06:30 UTC"]),
        ("0 0 L * *", ["01-31 00:00 UTC", "02-28 00:00 UTC"]),
        ("@hourly", ["01-01 01:00 UTC", "01-01 02:00 UTC"]),
        ("@weekly", ["01-04 00:00 UTC", "01-11 00:00 UTC"]),
        ("@MONTHLY", ["02-01 00:00 UTC", "03-01 00:00 UTC"]),
    ],
)
def test_a_line_fires_when_its_fields_fit(line: str, expected: list[str]) -> None:
    """Any value, steps, lists, ranges, names, and lines that have a name; 1 January 2026 is a Thursday."""
    assert fires(line, "2026-01-01", 2) == expected


def test_a_leap_day_is_waited_for() -> None:
    """29 February fires every fourth year."""
    found = list(islice(fires_after(Timing(cron="0 0 29 2 *"), datetime(2026, 1, 1, tzinfo=UTC).timestamp()), 2))
    assert [datetime.fromtimestamp(at, UTC).year for at in found] == [2028, 2032]


def test_a_day_of_the_month_and_a_day_of_the_week_are_either() -> None:
    """With both named, either does (Vixie cron); with a star in one, both must fit."""
    assert fires("0 0 13 * 5", "2026-01-01", 3) == ["01-02 00:00 UTC", "01-09 00:00 UTC", "01-13 00:00 UTC"]
    assert fires("0 0 */2 * 5", "2026-01-01", 2) == ["01-09 00:00 UTC", "01-23 00:00 UTC"]


def test_a_line_is_read_in_its_time_zone() -> None:
    """Nine in the morning is nine there, in winter and in summer."""
    assert fires("0 9 1 1,7 *", "2026-01-01", 2, "Europe/Berlin") == ["01-01 09:00 CET", "07-01 09:00 CEST"]
    assert fires("0 9 * * *", "2026-01-01", 1, "Asia/Kathmandu") == ["01-01 09:00 +0545"]


def test_a_time_that_does_not_exist_fires_once_at_the_next_that_does() -> None:
    """Half past two is not on the clock when summer time begins."""
    found = fires("30 2 * * *", "2026-03-07 00:00", 3, NEW_YORK)
    assert found == ["03-07 02:30 EST", "03-08 03:00 EDT", "03-09 02:30 EDT"]
    assert fires("0 2,3 * * *", "2026-03-07 12:00", 2, NEW_YORK) == ["03-08 03:00 EDT", "03-09 02:00 EDT"]


def test_a_time_that_occurs_twice_fires_once() -> None:
    """Half past one is on the clock twice when summer time ends; the first counts."""
    assert fires("30 1 * * *", "2026-10-31 12:00", 2, NEW_YORK) == ["11-01 01:30 EDT", "11-02 01:30 EST"]
    between = datetime(2026, 11, 1, 6, 15, tzinfo=UTC).timestamp()  # 1:15 for the second time
    following = next_fire(Timing(cron="30 1 * * *", timezone=NEW_YORK), between)
    assert following == datetime(2026, 11, 2, 6, 30, tzinfo=UTC).timestamp()


def test_a_line_that_repeats_within_hours_goes_by_real_time() -> None:
    """Every half hour stays every half hour, whatever the clock is set to (cron(8))."""
    begin = datetime(2026, 11, 1, 4, 0, tzinfo=UTC).timestamp()
    for line, step_s in (("*/30 * * * *", 1800.0), ("0 * * * *", 3600.0)):
        found = list(islice(fires_after(Timing(cron=line, timezone=NEW_YORK), begin), 6))
        assert found == [begin + step_s * number for number in range(1, 7)]


@pytest.mark.parametrize(
    ("line", "field", "found"),
    [
        ("61 9 * * *", "minute", "61"),
        ("*/0 * * * *", "minute", "*/0"),
        ("5-1 * * * *", "minute", "5-1"),
        ("0 25 * * *", "hour", "25"),
        ("0 0 0 * *", "day-of-month", "0"),
        ("0 0 ? * *", "day-of-month", "?"),
        ("0 0 1 13 *", "month", "13"),
        ("0 0 * * FOO", "day-of-week", "FOO"),
        ("0 0 30 2 *", "day-of-month", "30"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_found_and_an_example(line: str, field: str, found: str) -> None:
    """A person can repair the line from the message alone."""
    with pytest.raises(DefinitionError) as caught:
        check_timing(Timing(cron=line))
    assert (caught.value.facts["field"], caught.value.facts["found"]) == (field, found)
    assert f"the {field}" in caught.value.message
    assert repr(found) in caught.value.message


@pytest.mark.parametrize("line", ["", "* * * *", "0 0 0 * * *", "@reboot", "tomorrow"])
def test_what_is_no_line_is_refused_with_an_example(line: str) -> None:
    """Too few fields, too many (seconds are not cron's), and names that no clock knows."""
    with pytest.raises(DefinitionError, match="'0 9 \\* \\* 1-5' is 9:00 on weekdays"):
        check_timing(Timing(cron=line))


@pytest.mark.parametrize(
    ("zone", "near"), [("Europe/Belin", "Europe/Berlin"), ("new york", NEW_YORK), ("utc", "UTC"), ("../etc", "")]
)
def test_an_unknown_time_zone_is_named_with_the_nearest(zone: str, near: str) -> None:
    """A slip of the pen is told what was meant."""
    with pytest.raises(DefinitionError, match=f"time zone '{zone}' is not known.*{near}"):
        check_timing(Timing(cron="@daily", timezone=zone))


def test_an_interval_is_counted_from_its_anchor() -> None:
    """Whoever asks, and whenever, gets the same times."""
    timing = Timing(every_s=90.0, anchor_at=10.0)
    assert list(islice(fires_after(timing, 0.0), 3)) == [100.0, 190.0, 280.0]
    assert next_fire(timing, 100.0) == 190.0
    assert next_fire(timing, 189.9) == 190.0


@pytest.mark.parametrize("every_s", [0.0, -5.0, 0.5, float("inf"), float("nan")])
def test_an_interval_below_a_second_is_refused(every_s: float) -> None:
    """So is one that never ends, and one that is no number."""
    with pytest.raises(DefinitionError, match="an interval is 1 second or more"):
        check_timing(Timing(every_s=every_s))


def test_a_schedule_has_a_line_or_an_interval() -> None:
    """Neither and both are refused."""
    for timing in (Timing(), Timing(cron="@daily", every_s=5.0)):
        with pytest.raises(DefinitionError, match="either a cron line"):
            check_timing(timing)


FIELDS = st.tuples(
    st.sampled_from(["*", "0", "30", "*/20", "5,50", "10-12"]),
    st.sampled_from(["*", "0", "1", "2", "3", "*/3", "1-3", "0,23"]),
    st.sampled_from(["*", "1", "15", "*/10", "28-31"]),
    st.sampled_from(["*", "*", "3", "10,11", "1-6"]),
    st.sampled_from(["*", "0", "1-5", "6,7", "*/2"]),
)
DAYS = st.integers(0, 2000).map(lambda day: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day))


@settings(max_examples=50, deadline=None)
@given(FIELDS, DAYS)
def test_every_minute_fires_that_fits_and_no_other(fields: tuple[str, ...], day: datetime) -> None:
    """Two days of minutes, looked at one by one, are what the line gives."""
    end = day + timedelta(days=2)
    found = takewhile(lambda at: at <= end.timestamp(), fires_after(Timing(cron=" ".join(fields)), day.timestamp()))
    assert list(found) == [minute.timestamp() for minute in _minutes(day, end) if _fits(fields, minute)]


def _minutes(begin: datetime, end: datetime) -> Iterator[datetime]:
    while begin < end:
        begin += timedelta(minutes=1)
        yield begin


def _fits(fields: tuple[str, ...], at: datetime) -> bool:
    minute, hour, day, month, weekday = fields
    is_day = _has(day, at.day, 1, 31)
    is_weekday = _has(weekday, at.isoweekday() % 7, 0, 7) or _has(weekday, at.isoweekday(), 0, 7)
    are_both = day.startswith("*") or weekday.startswith("*")
    return (
        _has(minute, at.minute, 0, 59)
        and _has(hour, at.hour, 0, 23)
        and _has(month, at.month, 1, 12)
        and ((is_day and is_weekday) if are_both else (is_day or is_weekday))
    )


def _has(field: str, value: int, low: int, high: int) -> bool:
    span, _, step = field.partition("/")
    if span != "*":
        return any(value in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1) for part in span.split(","))
    return value in range(low, high + 1, int(step or 1))


CHANGES = [
    (NEW_YORK, "2026-03-08"),
    (NEW_YORK, "2026-11-01"),
    ("Europe/Berlin", "2026-10-25"),
    ("Australia/Lord_Howe", "2026-04-05"),  # by half an hour
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Africa/Cairo", "2026-04-24"),  # at midnight
    ("America/Santiago", "2026-09-06"),
    ("Asia/Kolkata", "2026-06-01"),  # none
]


@settings(max_examples=80, deadline=None)
@given(FIELDS, st.sampled_from(CHANGES), st.integers(0, 2 * 86_400))
def test_what_comes_after_a_moment_depends_on_the_moment_alone(
    fields: tuple[str, ...], change: tuple[str, str], seconds: int
) -> None:
    """Times rise, each once, and a look from later on gives the same ones, around changes of the clock too."""
    timing = Timing(cron=" ".join(fields), timezone=change[0])
    begin = datetime.fromisoformat(change[1]).replace(tzinfo=UTC).timestamp() - 86_400
    end, later = begin + 3 * 86_400, begin + seconds
    found = list(takewhile(lambda at: at <= end, fires_after(timing, begin)))
    assert found == sorted(set(found))
    assert list(takewhile(lambda at: at <= end, fires_after(timing, later))) == [at for at in found if at > later]


def test_a_day_whose_clock_is_changed_by_half_an_hour_loses_nothing() -> None:
    """On Lord Howe Island two o'clock is half past two, and the next midnight has all its minutes."""
    timing = Timing(cron="*/20 0,2 * * *", timezone="Australia/Lord_Howe")
    begin = datetime(2026, 10, 3, 15, 10, tzinfo=UTC).timestamp()  # 1:40, twenty minutes before the change
    zone = zoneinfo.ZoneInfo("Australia/Lord_Howe")
    found = [f"{datetime.fromtimestamp(at, zone):%H:%M}" for at in islice(fires_after(timing, begin), 4)]
    assert found == ["02:40", "00:00", "00:20", "00:40"]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="0123456789*/,-#L?@WmondayTUE \t²", max_size=20) | st.sampled_from(sorted(NAMED)))
def test_any_text_is_a_line_or_an_error_of_ours(line: str) -> None:
    """Nothing else is raised, and what is taken fires."""
    timing = Timing(cron=line)
    try:
        check_timing(timing)
    except DefinitionError:
        return
    assert (next_fire(timing, 1_800_000_000.0) or 0) > 1_800_000_000.0
