"""Schedules as values: when something is started again and again, what is started, and what has fired so far.

Times are epoch seconds. A row holds the next fire time, so that nothing about a schedule lives in memory alone.
"""

from typing import Any, Final, Literal, TypeAlias

import msgspec

from greenroom.runtime.contracts.values import MAX_INLINE_BYTES, Json

CatchUp: TypeAlias = Literal["skip", "one", "all"]
"""What becomes of fire times that passed while nobody could fire: none, one run for all of them, or a run for each."""

Overlap: TypeAlias = Literal["allow", "skip"]
"""Whether a fire time that comes while the last run is still open starts another."""

DEFAULT_CATCH_UP: Final = 100
MAX_CATCH_UP: Final = 1_000
MAX_SCHEDULE_ID: Final = 200
MAX_INPUT_BYTES: Final = MAX_INLINE_BYTES
"""Largest input of a schedule, as JSON: every fire writes it anew."""


def too_large(value: Json) -> str:
    """Return what is wrong with an input that no schedule takes for its size, or an empty text."""
    size = len(msgspec.json.encode(value))
    if size <= MAX_INPUT_BYTES:
        return ""
    return f"an input has {MAX_INPUT_BYTES:,} bytes at most, and this has {size:,}; give it a name of what is elsewhere"


class Timing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When: either a cron line in a time zone, or every so many seconds from an anchor on.

    Attributes:
        timezone: IANA name; the cron line is read in it.
        anchor_at: What intervals are counted from.
    """

    cron: str | None = None
    every_s: float | None = None
    timezone: str = "UTC"
    anchor_at: float = 0.0

    def is_like(self, other: "Timing") -> bool:
        """Tell whether both say the same, wherever intervals are counted from."""
        return (self.cron, self.every_s, self.timezone) == (other.cron, other.every_s, other.timezone)


class SchedulePlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A schedule that stands in a workflow's definition.

    Attributes:
        id: Tells it from the workflow's others; empty for the only one.
        max_catch_up: Most missed times that `all` makes up for, the newest.
    """

    id: str = ""
    cron: str | None = None
    every_s: float | None = None
    timezone: str = "UTC"
    input: Json = None
    catch_up: CatchUp = "skip"
    max_catch_up: int = DEFAULT_CATCH_UP
    overlap: Overlap = "allow"


class ScheduleRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="schedules"):
    """One schedule. Key: workspace, schedule_id. Kept, emptied, when it has ended: a time it fired stays fired.

    Attributes:
        status: `active`, `paused` or `ended`.
        name: Shown to people.
        next_at: The first time that has not been dealt with; None when there is none any more.
        last_at: The time that fired last; no time up to it ever fires again.
        last_run_id: What that started.
        is_declared: It stands in the app's definitions and changes with them.
        catch_up: A `CatchUp`; `overlap` likewise an `Overlap`.
        catching_up: The policy for the times that passed while it was paused, until they are dealt with.
        catching_until_at: Each time up to this one is made up for: their number was found to be within the limit.
        triggers: Number of its trigger rows so far.
    """

    workspace: str
    schedule_id: str
    kind: str
    target: str
    status: str
    created_at: float
    updated_at: float
    cron: str | None = None
    every_s: float | None = None
    timezone: str = "UTC"
    anchor_at: float = 0.0
    next_at: float | None = None
    last_at: float | None = None
    last_run_id: str | None = None
    input: Json = None
    state: dict[str, Json] = {}
    request_context: dict[str, Json] = {}
    resource_id: str | None = None
    thread_id: str | None = None
    options: dict[str, Json] = {}
    name: str = ""
    metadata: dict[str, Json] = {}
    catch_up: str = "skip"
    max_catch_up: int = DEFAULT_CATCH_UP
    overlap: str = "allow"
    is_declared: bool = False
    catching_up: str | None = None
    catching_until_at: float | None = None
    triggers: int = 0

    @property
    def timing(self) -> Timing:
        """When it fires."""
        return Timing(cron=self.cron, every_s=self.every_s, timezone=self.timezone, anchor_at=self.anchor_at)

    @property
    def order(self) -> tuple[Any, ...]:
        """Position in a scan."""
        return (self.workspace, self.schedule_id)

    @property
    def row_key(self) -> tuple[Any, ...]:
        """Address in the table."""
        return (self.workspace, self.schedule_id)


class TriggerRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="triggers"):
    """What a schedule did once. Key: workspace, schedule_id, number (from 1, without gaps).

    Attributes:
        at: When it happened.
        scheduled_at: The time it was for; of several that were passed over, the first.
        until_at: Of several that were passed over, the last is no later than this.
        kind: `schedule`, `catch_up` (the time was missed, and made up for) or `manual`.
        outcome: `started`, `skipped` or `failed`.
        reason: Why nothing was started.
    """

    workspace: str
    schedule_id: str
    number: int
    at: float
    scheduled_at: float
    kind: str
    outcome: str
    until_at: float | None = None
    run_id: str | None = None
    reason: str = ""

    @property
    def order(self) -> tuple[Any, ...]:
        """Position in a scan."""
        return (self.workspace, self.schedule_id, self.number)

    @property
    def row_key(self) -> tuple[Any, ...]:
        """Address in the table."""
        return (self.workspace, self.schedule_id, self.number)
