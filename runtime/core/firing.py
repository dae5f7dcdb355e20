"""What a schedule does when its time has come, or came while nobody was there: pure, by its policy.

A schedule deals with one fire time after the other. The next one always lies behind those that are dealt with, so
whatever the clock does, none fires twice.
"""

from collections import deque
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from greenroom.runtime.contracts.schedules import ScheduleRow, Timing
from greenroom.runtime.core.cron import fires_after, next_fire

ON_TIME_S: Final = 60.0
"""A time that came within the last minute, which is what cron counts in, is not missed."""

_FIRST_LOOK_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What is to be done.

    Attributes:
        at: The time to fire for; None when nothing fires.
        is_missed: It came too long ago to be on time.
        missed_from: The first of the times that are passed over, if there are any.
        missed_until: The last of them is no later than this.
        next_at: The first time that is left for later.
    """

    at: float | None
    is_missed: bool = False
    missed_from: float | None = None
    missed_until: float | None = None
    next_at: float | None


def firing(row: ScheduleRow, now: float) -> Firing | None:
    """Return what becomes of a schedule's fire times up to now; None when there is none yet.

    `skip` fires for the last if it is on time; `one` for the last, however late; `all` for the first of those that
    are made up for, the last `max_catch_up`, and leaves the others for the next call.
    """
    first = row.next_at
    if first is None or first > now:
        return None
    policy = row.catching_up or row.catch_up
    is_found = row.catching_until_at is not None and first <= row.catching_until_at
    limit = row.max_catch_up if policy == "all" else 1
    at = first if is_found else latest_due(row.timing, first, now, limit)[0]
    following = next_fire(row.timing, at)
    is_missed = now - at > ON_TIME_S
    if policy == "skip" and is_missed:
        return Firing(at=None, missed_from=first, missed_until=now, next_at=following)
    if at == first:
        return Firing(at=at, is_missed=is_missed, next_at=following)
    return Firing(at=at, is_missed=is_missed, missed_from=first, missed_until=at, next_at=following)


def latest_due(timing: Timing, first: float, now: float, limit: int) -> list[float]:
    """Return the last fire times from `first` up to now, at least one and at most `limit`, the earliest first.

    Looks back from now, twice as far each time: a year of minutes is not walked through for its last.
    """
    look_s = _FIRST_LOOK_S
    while True:
        begin = max(first, now - look_s)
        found: deque[float] = deque([first] if begin == first else [], maxlen=limit)
        found.extend(takewhile(lambda at: at <= now, fires_after(timing, begin)))
        if begin == first or len(found) == limit:
            return list(found)
        look_s *= 2
