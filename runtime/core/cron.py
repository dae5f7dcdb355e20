"""When schedules fire: cron lines in time zones, and intervals. Pure: what comes after a moment depends on it alone.

Cron lines are those of Debian's cron, read by cronsim. Summer time is dealt with as cron(8) says it: a line with a
fixed minute and hour fires once a day, a time that the clock jumps over at the next one that exists, a time that it
shows twice at the first. Where the minute or the hour begins with `*` the line goes by real time, hour after hour.
"""

import difflib
import math
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from cronsim import CronSim, CronSimError

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.schedules import Timing

LEAST_INTERVAL_S: Final = 1.0
EXAMPLE: Final = "0 9 * * 1-5"

NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""Lines that have a name, crontab(5)."""

_FIELDS: Final = {
    "minute": ("0-59", "'*/15' or '0,30'"),
    "hour": ("0-23", "'9-17' or '*/2'"),
    "day-of-month": ("1-31 or L for the last", "'1,15'"),
    "month": ("1-12 or JAN-DEC", "'1-6' or 'MAR'"),
    "day-of-week": ("0-7 (0 and 7 are Sunday) or SUN-SAT", "'1-5' or 'MON-FRI'"),
}
"""What each field may hold, and examples."""

_SECOND: Final = timedelta(seconds=1)
_FAR: Final = timedelta(days=1)
"""Farther than any clock is set back."""

_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


def check_timing(timing: Timing) -> None:
    """Return if this can fire.

    Raises:
        DefinitionError: It names the field that is wrong, what was found, and an example.
    """
    if (timing.cron is None) == (timing.every_s is None):
        message = f"a schedule has either a cron line, such as {EXAMPLE!r}, or an interval, such as every(minutes=5)"
        raise _refused("cron", message)
    _zone(timing.timezone)
    if timing.cron is not None:
        _check_cron(timing.cron)
    elif timing.every_s is not None and not LEAST_INTERVAL_S <= timing.every_s < math.inf:
        message = f"an interval is {LEAST_INTERVAL_S:g} second or more, not {timing.every_s!r}: every(minutes=5)"
        raise _refused("every_s", message)


def fires_after(timing: Timing, after: float) -> Iterator[float]:
    """Yield the fire times behind a moment, in order, each once.

    >>> from itertools import islice
    >>> list(islice(fires_after(Timing(cron="*/20 * * * *"), 0.0), 3))
    [1200.0, 2400.0, 3600.0]
    >>> list(islice(fires_after(Timing(every_s=60.0, anchor_at=30.0), 90.0), 2))
    [150.0, 210.0]

    Args:
        timing: One that `check_timing` took.
        after: Epoch seconds; a fire at this very moment is not behind it.
    """
    return _cron_fires(timing, after) if timing.cron is not None else _interval_fires(timing, after)


def next_fire(timing: Timing, after: float) -> float | None:
    """Return the first fire time behind a moment, or None when there is none any more."""
    return next(fires_after(timing, after), None)


def _cron_fires(timing: Timing, after: float) -> Iterator[float]:
    zone, line = _zone(timing.timezone), _expanded(timing.cron or "")
    begin = datetime.fromtimestamp(math.floor(after), UTC)
    moments = _by_real_time(line, zone, begin) if _goes_by_real_time(line) else CronSim(line, begin.astimezone(zone))
    last = after
    for moment in moments:
        # Behind a change of the clock cronsim may give a time again, or one of the hour that is shown twice.
        if (at := moment.timestamp()) > last:
            yield at
            last = at


def _goes_by_real_time(line: str) -> bool:
    minute, hour = line.split()[:2]
    return minute.startswith("*") or hour.startswith("*")


def _by_real_time(line: str, zone: tzinfo, begin: datetime) -> Iterator[datetime]:
    """Yield the moments at which the zone's clock fits the line, twice where it shows a time twice.

    cronsim is asked stretch by stretch, without a zone: by itself it loses half an hour of a day on which the clock is
    changed by half an hour (Lord Howe Island).
    """
    last = begin
    local = begin.astimezone(zone).replace(tzinfo=None)
    while True:
        offset = _offset(zone, last)
        for found in CronSim(line, local):
            moment = found.replace(tzinfo=UTC) - offset
            change = _change(zone, last, min(moment, last + _FAR)) or _change(zone, last, moment)
            if change is not None:
                last = change
                local = (change + _offset(zone, change)).replace(tzinfo=None) - _SECOND
                break
            yield moment
            last = moment
        else:
            return


def _change(zone: tzinfo, low: datetime, high: datetime) -> datetime | None:
    """Return the first second behind `low`, up to `high`, with another offset than `low`; None when `high` has its."""
    offset = _offset(zone, low)
    if _offset(zone, high) == offset:
        return None
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
    return high


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _interval_fires(timing: Timing, after: float) -> Iterator[float]:
    every_s = timing.every_s or LEAST_INTERVAL_S
    count = max(1, math.floor((after - timing.anchor_at) / every_s))
    while True:
        if (at := timing.anchor_at + count * every_s) > after:
            yield at
        count += 1


def _expanded(line: str) -> str:
    return NAMED.get(line.strip().lower(), line)


def _check_cron(line: str) -> None:
    fields = _expanded(line).split()
    if len(fields) != len(_FIELDS):
        names = ", ".join(NAMED)
        known = f"one of {names}" if line.strip().startswith("@") else f"five fields: {' '.join(_FIELDS)}"
        raise _refused("cron", f"cron {line!r} is not {known}; an example: {EXAMPLE!r} is 9:00 on weekdays")
    for name, text in zip(_FIELDS, fields, strict=True):
        _check_field(line, name, text)
    try:
        found = next(CronSim(_expanded(line), _LONG_AGO), None)
    except CronSimError:
        found = None
    if found is None:
        message = f"cron {line!r} never fires: the day-of-month {fields[2]!r} is in no month of {fields[3]!r}"
        raise _refused("cron", message, field="day-of-month", found=fields[2])


def _check_field(line: str, name: str, text: str) -> None:
    alone = " ".join(text if field == name else "*" for field in _FIELDS)
    try:
        CronSim(alone, _LONG_AGO)
    except (CronSimError, AssertionError):  # it asserts that steps go with numbers
        allowed, example = _FIELDS[name]
        message = f"cron {line!r}: the {name} is {allowed}, not {text!r}; for example {example}"
        raise _refused("cron", message, field=name, found=text) from None


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        names = {zone.lower(): zone for zone in known} | {zone.rpartition("/")[2].lower(): zone for zone in known}
        near = difflib.get_close_matches(name.lower(), names, n=1)
        hint = names[near[0]] if near else "Europe/Berlin"
        message = f"time zone {name!r} is not known; zones are named as in {hint!r}"
        raise _refused("timezone", message, found=name) from None


def _refused(argument: str, message: str, **facts: str) -> DefinitionError:
    return DefinitionError(message, {"issues": [{"field": argument, "message": message}], **facts})
