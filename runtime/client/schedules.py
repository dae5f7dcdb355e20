"""Handles of schedules: what starts by itself, and what it did so far."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from greenroom.runtime.client.results import Page, moment
from greenroom.runtime.contracts import schedule_requests as requests
from greenroom.runtime.contracts.entries import TargetKind
from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.schedules import DEFAULT_CATCH_UP, CatchUp, Overlap
from greenroom.runtime.contracts.values import Json

if TYPE_CHECKING:
    from greenroom.runtime.client.run import RunHandle
    from greenroom.runtime.client.runtime import RuntimeClient


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """One schedule as it stands.

    Attributes:
        kind: Of what it starts: `workflow`, `agent` or `tool`.
        status: `active` or `paused`.
        next_at: When it fires next; while it is paused, the first time that was not dealt with.
        last_at: The time it fired for last.
        is_declared: It stands in the app's definitions.
        view: Everything the runtime tells of it, as JSON; times are epoch seconds.
    """

    id: str
    kind: str
    target: str
    status: str
    cron: str | None
    every_s: float | None
    timezone: str
    next_at: datetime | None
    last_at: datetime | None
    last_run_id: str | None
    is_declared: bool
    view: dict[str, Json]

    @classmethod
    def from_json(cls, data: dict[str, Json]) -> "ScheduleInfo":
        """Read what the runtime wrote."""
        return cls(
            id=data["schedule_id"],
            kind=data["kind"],
            target=data["target"],
            status=data["status"],
            cron=data.get("cron"),
            every_s=data.get("every_s"),
            timezone=data.get("timezone") or "UTC",
            next_at=moment(data.get("next_at")),
            last_at=moment(data.get("last_at")),
            last_run_id=data.get("last_run_id"),
            is_declared=bool(data.get("is_declared")),
            view=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One line of a schedule's history.

    Attributes:
        number: From 1, without gaps.
        kind: `schedule`, `catch_up` (a missed time that was made up for) or `manual`.
        outcome: `started`, `skipped` or `failed`.
        at: When it happened.
        scheduled_at: The time it was for; of several that were passed over, the first.
        until_at: Of several that were passed over, the last is no later than this.
        run_id: What was started.
        reason: Why nothing was.
        run: How the run is: `status`, `started_at`, `ended_at`, `error`.
        view: Everything the runtime tells of it, as JSON; times are epoch seconds.
    """

    number: int
    kind: str
    outcome: str
    at: datetime | None
    scheduled_at: datetime | None
    until_at: datetime | None
    run_id: str | None
    reason: str
    run: dict[str, Json] | None
    view: dict[str, Json]

    @classmethod
    def from_json(cls, data: dict[str, Json]) -> "Trigger":
        """Read what the runtime wrote."""
        return cls(
            number=data["number"],
            kind=data["kind"],
            outcome=data["outcome"],
            at=moment(data.get("at")),
            scheduled_at=moment(data.get("scheduled_at")),
            until_at=moment(data.get("until_at")),
            run_id=data.get("run_id"),
            reason=data.get("reason") or "",
            run=data.get("run"),
            view=data,
        )


class SchedulesHandle:
    """Schedules of a workspace: those that stand in the app's definitions, and those made here."""

    def __init__(self, runtime: "RuntimeClient", dump: Callable[[Any], Json]) -> None:
        self._runtime = runtime
        self._dump = dump

    async def list(
        self,
        *,
        workflow: str | None = None,
        agent: str | None = None,
        tool: str | None = None,
        status: str | None = None,
        resource_id: str | None = None,
        thread_id: str | None = None,
        name: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[ScheduleInfo]:
        """Return schedules by id, of one definition or of all."""
        kind, target = _target(workflow, agent, tool)
        request = requests.ListSchedules(
            workspace=self._runtime.workspace,
            kind=kind,
            target=target,
            status=status,
            resource_id=resource_id,
            thread_id=thread_id,
            name=name,
            limit=limit,
            cursor=cursor,
        )
        page = await self._runtime.link.call(request)
        return Page([ScheduleInfo.from_json(item) for item in page["items"]], page["next_cursor"])

    async def get(self, schedule_id: str) -> ScheduleInfo:
        """Return a schedule.

        Raises:
            NotFound: There is none with this id.
        """
        return await self._ask(requests.GetSchedule(workspace=self._runtime.workspace, schedule_id=schedule_id))

    async def create(
        self,
        *,
        workflow: str | None = None,
        agent: str | None = None,
        tool: str | None = None,
        cron: str | None = None,
        every: float | timedelta | None = None,
        timezone: str = "UTC",
        input: Any = None,
        id: str | None = None,
        state: Any = None,
        request_context: dict[str, Json] | None = None,
        resource_id: str | None = None,
        thread_id: str | None = None,
        options: dict[str, Json] | None = None,
        name: str = "",
        metadata: dict[str, Json] | None = None,
        catch_up: CatchUp = "skip",
        max_catch_up: int = DEFAULT_CATCH_UP,
        overlap: Overlap = "allow",
    ) -> ScheduleInfo:
        """Make a schedule of a workflow, an agent or a tool. The same again under its id is the same schedule.

        Args:
            cron: Five fields, or `@hourly`, `@daily` …; read in `timezone`.
            every: Instead of a cron line: an interval, in seconds or as a timedelta.
            input: What every run is started with; an agent's is its prompt.
            id: Of the caller's choice.
            name: Shown to people.
            catch_up: What becomes of times that passed while the runtime was down: `skip`, `one` or `all`.
            max_catch_up: Most missed times that `all` makes up for; the newest are.
            overlap: `skip` starts nothing while the last run is still open.

        Raises:
            NotFound: There is no such definition.
            InvalidInput: A field does not fit; nothing was made.
            AlreadyClaimed: The id belongs to another schedule.
        """
        kind, target = _target(workflow, agent, tool)
        if kind is None or target is None:
            raise InvalidInput("name what the schedule starts: workflow=…, agent=… or tool=…")
        request = requests.CreateSchedule(
            workspace=self._runtime.workspace,
            schedule_id=id if id is not None else f"schedule_{self._runtime.ids.run_id()}",
            kind=kind,
            target=target,
            cron=cron,
            every_s=_seconds(every),
            timezone=timezone,
            input=self._dump(input),
            state=self._dump(state) or {},
            request_context=request_context or {},
            resource_id=resource_id,
            thread_id=thread_id,
            options=options or {},
            name=name,
            metadata=metadata or {},
            catch_up=catch_up,
            max_catch_up=max_catch_up,
            overlap=overlap,
        )
        return await self._ask(request)

    async def update(self, schedule_id: str, **changes: Any) -> ScheduleInfo:
        """Change what `create` takes, but for the id and what is started. New times are counted from now on.

        Raises:
            NotFound: There is none with this id.
            InvalidInput: A field does not fit; nothing was changed.
            RequestError: It stands in the app's definitions and is changed there.
        """
        if "every" in changes:
            changes |= {"every_s": _seconds(changes.pop("every")), "cron": None}
        elif changes.get("cron") is not None:
            changes.setdefault("every_s", None)
        request = requests.ChangeSchedule(
            workspace=self._runtime.workspace, schedule_id=schedule_id, changes=self._dump(changes)
        )
        return await self._ask(request)

    async def pause(self, schedule_id: str) -> ScheduleInfo:
        """Let a schedule fire no more until it is resumed; one that is paused stays so."""
        return await self._ask(requests.PauseSchedule(workspace=self._runtime.workspace, schedule_id=schedule_id))

    async def resume(self, schedule_id: str, *, catch_up: CatchUp = "skip") -> ScheduleInfo:
        """Let a schedule fire again; one that is active stays so.

        Args:
            catch_up: What becomes of the times that passed while it was paused.
        """
        request = requests.ResumeSchedule(workspace=self._runtime.workspace, schedule_id=schedule_id, catch_up=catch_up)
        return await self._ask(request)

    async def run(self, schedule_id: str, *, key: str | None = None) -> "RunHandle":
        """Start now what a schedule starts, out of turn, and return the run. Two with one key are one.

        Raises:
            NotFound: There is none with this id.
            RunStillRunning: It allows one run at a time, and the last is still open.
        """
        request = requests.RunSchedule(
            workspace=self._runtime.workspace, schedule_id=schedule_id, key=key or self._runtime.ids.run_id()
        )
        answer = await self._runtime.link.call(request)
        return self._runtime.run_handle(answer["run_id"])

    async def delete(self, schedule_id: str, *, key: str | None = None) -> None:
        """End a schedule; what it started goes on. Two deletions with one key are one: the second is no error.

        Raises:
            NotFound: There is none with this id.
            RequestError: It stands in the app's definitions and ends with them; it can be paused.
        """
        request = requests.DeleteSchedule(
            workspace=self._runtime.workspace, schedule_id=schedule_id, key=key or self._runtime.ids.run_id()
        )
        await self._runtime.link.call(request)

    async def history(
        self,
        schedule_id: str,
        *,
        limit: int = 50,
        cursor: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page[Trigger]:
        """Return what a schedule did, newest first: which run for which time, or why none.

        Args:
            limit: Most lines.
            cursor: Where the last page ended.
            since: Only what happened behind this time.
            until: Only what happened up to this time.

        Raises:
            NotFound: There is none with this id.
        """
        request = requests.ScheduleHistory(
            workspace=self._runtime.workspace,
            schedule_id=schedule_id,
            limit=limit,
            before=int(cursor) if cursor else None,
            since_at=since.timestamp() if since is not None else None,
            until_at=until.timestamp() if until is not None else None,
        )
        page = await self._runtime.link.call(request)
        following = page["next_cursor"]
        items = [Trigger.from_json(item) for item in page["items"]]
        return Page(items, str(following) if following is not None else None)

    async def _ask(self, request: requests.AboutSchedules) -> ScheduleInfo:
        return ScheduleInfo.from_json(await self._runtime.link.call(request))


def _target(workflow: str | None, agent: str | None, tool: str | None) -> tuple[TargetKind | None, str | None]:
    given: list[tuple[TargetKind, str]] = []
    if workflow is not None:
        given.append(("workflow", workflow))
    if agent is not None:
        given.append(("agent", agent))
    if tool is not None:
        given.append(("tool", tool))
    if len(given) > 1:
        raise InvalidInput(f"a schedule starts one thing; given were {' and '.join(kind for kind, _ in given)}")
    return given[0] if given else (None, None)


def _seconds(every: float | timedelta | None) -> float | None:
    return every.total_seconds() if isinstance(every, timedelta) else every
