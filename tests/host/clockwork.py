"""What tests of schedules share: an app that starts at nine, time that passes, and what was told of it."""

from typing import Any

from greenroom import App, Schedule, Workflow
from greenroom.runtime.client.schedules import Trigger
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
