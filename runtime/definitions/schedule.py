"""Schedules as they are written: when something starts, and with what. Checked when the app is built."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, get_args

import pydantic

from greenroom.runtime import json_schema
from greenroom.runtime.contracts.errors import DefinitionError, DuplicateName, InvalidInput
from greenroom.runtime.contracts.schedules import (
    DEFAULT_CATCH_UP,
    MAX_CATCH_UP,
    CatchUp,
    Overlap,
    SchedulePlan,
    Timing,
    too_large,
)
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.cron import EXAMPLE, check_timing
from greenroom.runtime.definitions.naming import check_id
from greenroom.runtime.definitions.schema import input_schema
from greenroom.runtime.definitions.values import dump, load, validation_issues


class Schedule:
    """When a workflow starts by itself.

    >>> Schedule("0 9 * * 1-5", timezone="Europe/Berlin")
    <schedule '0 9 * * 1-5' in Europe/Berlin>

    Args:
        cron: Five fields (minute, hour, day of month, month, day of week), or `@hourly`, `@daily`, `@weekly` …
        every: Instead of a cron line: an interval, in seconds or as a timedelta.
        timezone: IANA name of the zone in which the cron line is read. A time that the clock jumps over in spring
            fires at the next one that exists, a time that it shows twice in autumn fires once.
        input: What every run is started with.
        catch_up: What becomes of times that passed while the runtime was down: `skip` leaves them out, `one` starts
            one run for all of them, `all` one for each.
        max_catch_up: Most missed times that `all` makes up for; the newest are.
        overlap: `skip` starts nothing while the last run is still open.
        id: Tells several schedules of one workflow apart.

    Raises:
        DefinitionError: It names the field that is wrong, what was found, and an example.
    """

    def __init__(
        self,
        cron: str | None = None,
        *,
        every: float | timedelta | None = None,
        timezone: str = "UTC",
        input: Any = None,
        catch_up: CatchUp = "skip",
        max_catch_up: int = DEFAULT_CATCH_UP,
        overlap: Overlap = "allow",
        id: str = "",
    ) -> None:
        self.cron = _text("cron", cron, EXAMPLE) if cron is not None else None
        self.every_s = _seconds(every)
        self.timezone = _text("timezone", timezone, "Europe/Berlin")
        self.input = input
        self.catch_up = _one_of("catch_up", catch_up, get_args(CatchUp))
        self.max_catch_up = _count(max_catch_up)
        self.overlap = _one_of("overlap", overlap, get_args(Overlap))
        self.id = check_id("schedule", id) if id else ""
        check_timing(Timing(cron=self.cron, every_s=self.every_s, timezone=self.timezone))

    def __repr__(self) -> str:
        if self.cron is None:
            return f"<schedule every {self.every_s:g} s>"
        return f"<schedule {self.cron!r} in {self.timezone}>"


def every(*, seconds: float = 0, minutes: float = 0, hours: float = 0, days: float = 0, **options: Any) -> Schedule:
    """Return a schedule of an interval, counted from the moment at which the runtime learns of it.

    >>> every(minutes=5)
    <schedule every 300 s>

    Args:
        options: Those of `Schedule`.
    """
    return Schedule(every=timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days), **options)


def plan_schedules(given: Any, input_type: Any) -> tuple[SchedulePlan, ...]:
    """Return the plans of a workflow's schedules.

    Args:
        given: What the workflow was given: None, a cron line, an interval, a schedule, or several of these.
        input_type: The workflow's, or None; the input of each is checked against it. Left out, it is `{}` for models.

    Raises:
        DefinitionError: One of them cannot fire, or cannot be started with its input.
    """
    if given is None:
        return ()
    several = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    plans = [_plan(_read(item), input_type, number if number > 1 else 0) for number, item in enumerate(several, 1)]
    twice = [id for id, count in Counter(plan.id for plan in plans).items() if count > 1]
    if twice:
        message = f"two schedules have the id {twice[0]!r}; give each one of its own: Schedule({EXAMPLE!r}, id=…)"
        raise DuplicateName(message, {"id": twice[0]})
    return tuple(plans)


def _read(item: Any) -> Schedule:
    match item:
        case Schedule():
            return item
        case timedelta():
            return Schedule(every=item)
        case str():
            return Schedule(item)
        case _:
            message = f"schedule is a cron line such as {EXAMPLE!r}, a Schedule or every(minutes=5), not {item!r}"
            raise DefinitionError(message)


def _plan(schedule: Schedule, input_type: Any, number: int) -> SchedulePlan:
    return SchedulePlan(
        id=schedule.id or (str(number) if number else ""),
        cron=schedule.cron,
        every_s=schedule.every_s,
        timezone=schedule.timezone,
        input=_checked_input(schedule, input_type),
        catch_up=schedule.catch_up,
        max_catch_up=schedule.max_catch_up,
        overlap=schedule.overlap,
    )


def _checked_input(schedule: Schedule, input_type: Any) -> Json:
    """Return the input as JSON; what validates it besides its schema runs here, where the code is."""
    schema = input_schema(input_type)
    is_left_out = schedule.input is None and schema is not None and schema.get("type") == "object"
    value: Json = {} if is_left_out else dump(schedule.input)
    if wrong := too_large(value):
        raise _refused("input", wrong)
    issues: list[dict[str, str]]
    try:
        value = json_schema.check(schema, value, repr(schedule))
        if not isinstance(input_type, dict):
            load(input_type, value)
    except InvalidInput as error:
        issues, message = error.facts.get("issues", []), error.message
    except pydantic.ValidationError as error:
        issues = validation_issues(error, value)
        message = f"Invalid input for {schedule!r}: " + "; ".join(f"{one['field']}: {one['message']}" for one in issues)
    else:
        return value
    raise DefinitionError(f"{message}; every run of a schedule starts with its input=…", {"issues": issues}) from None


def _seconds(every: Any) -> float | None:
    match every:
        case None:
            return None
        case timedelta():
            return every.total_seconds()
        case bool():
            pass
        case int() | float():
            return float(every)
        case _:
            pass
    raise _refused("every", f"every is seconds or a timedelta, not {every!r}; for example timedelta(minutes=5)")


def _text(name: str, value: Any, example: str) -> str:
    if not isinstance(value, str):
        raise _refused(name, f"{name} is text such as {example!r}, not {value!r}")
    return value


def _one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise _refused(name, f"{name} is one of {', '.join(map(repr, allowed))}, not {value!r}")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_CATCH_UP:
        raise _refused("max_catch_up", f"max_catch_up is 1 to {MAX_CATCH_UP}, not {value!r}")
    return value


def _refused(field: str, message: str) -> DefinitionError:
    return DefinitionError(message, {"issues": [{"field": field, "message": message}]})
