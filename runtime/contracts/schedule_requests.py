"""The requests about schedules."""

from typing import Literal, TypeAlias

import msgspec

from greenroom.runtime.contracts.schedules import DEFAULT_CATCH_UP, CatchUp, Overlap
from greenroom.runtime.contracts.values import Json


class _Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    workspace: str = "default"


class CreateSchedule(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="create_schedule"):
    """Make a schedule; the same again under its id is the same schedule."""

    schedule_id: str
    kind: Literal["workflow", "agent", "tool"]
    target: str
    cron: str | None = None
    every_s: float | None = None
    timezone: str = "UTC"
    input: Json = None
    state: dict[str, Json] = {}
    request_context: dict[str, Json] = {}
    resource_id: str | None = None
    thread_id: str | None = None
    options: dict[str, Json] = {}
    name: str = ""
    metadata: dict[str, Json] = {}
    catch_up: CatchUp = "skip"
    max_catch_up: int = DEFAULT_CATCH_UP
    overlap: Overlap = "allow"


class ChangeSchedule(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="change_schedule"):
    """Change fields of a schedule that `CreateSchedule` has too, but for its id and what it starts."""

    schedule_id: str
    changes: dict[str, Json]


class GetSchedule(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="get_schedule"):
    """Return a schedule."""

    schedule_id: str


class ListSchedules(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="list_schedules"):
    """List schedules by id."""

    kind: str | None = None
    target: str | None = None
    status: str | None = None
    resource_id: str | None = None
    thread_id: str | None = None
    name: str | None = None
    limit: int = 100
    cursor: str | None = None


class PauseSchedule(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="pause_schedule"):
    """Let a schedule fire no more until it is resumed."""

    schedule_id: str


class ResumeSchedule(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="resume_schedule"):
    """Let a paused schedule fire again; `catch_up` is for the times that passed meanwhile."""

    schedule_id: str
    catch_up: CatchUp = "skip"


class RunSchedule(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="run_schedule"):
    """Start what a schedule starts, now; two with one key are one."""

    schedule_id: str
    key: str


class DeleteSchedule(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="delete_schedule"):
    """End a schedule. What it started goes on."""

    schedule_id: str
    key: str = ""


class ScheduleHistory(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="schedule_history"):
    """Return what a schedule did, newest first.

    Attributes:
        before: Only what has a smaller number: where the last page ended.
        since_at: Only what happened behind this time; `until_at` likewise not behind it.
    """

    schedule_id: str
    limit: int = 50
    before: int | None = None
    since_at: float | None = None
    until_at: float | None = None


AboutSchedules: TypeAlias = (
    CreateSchedule
    | ChangeSchedule
    | GetSchedule
    | ListSchedules
    | PauseSchedule
    | ResumeSchedule
    | RunSchedule
    | DeleteSchedule
    | ScheduleHistory
)
