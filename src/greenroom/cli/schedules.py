"""`greenroom schedules`: what starts by itself, and what it did."""

from datetime import datetime
from typing import Annotated, Any, Final

import typer

from greenroom.cli.connection import AddressOption, WorkspaceOption, connect
from greenroom.cli.terminal import JsonFlag, brief, console, say, write_json

program = typer.Typer(help="List, show, pause, resume and run schedules.", no_args_is_help=True)

ScheduleId = Annotated[str, typer.Argument(help="The schedule's id.")]

_POLICIES: Final = ("skip", "one", "all")


@program.command("list")
def list_schedules(
    *,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Of this workflow only.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Of this agent only.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="Only the active ones, or the paused.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="Most schedules.")] = 100,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the last page ended.")] = None,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """List schedules by id."""
    with connect(address, workspace) as runtime:
        page = runtime.schedules.list(workflow=workflow, agent=agent, status=status, limit=limit, cursor=cursor)
    if as_json:
        write_json({"items": [item.view for item in page], "next_cursor": page.next_cursor})
        return
    from rich.table import Table

    table = Table("schedule", "starts", "when", "status", "next", "last", box=None)
    for item in page:
        table.add_row(
            item.id, f"{item.kind} {item.target}", _when(item), item.status, _at(item.next_at), _at(item.last_at)
        )
    console().print(table)
    if page.next_cursor:
        say(f"more: --cursor {page.next_cursor}")


@program.command("show")
def show(
    schedule_id: ScheduleId,
    *,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Show a schedule as it stands."""
    with connect(address, workspace) as runtime:
        _tell(runtime.schedules.get(schedule_id), as_json=as_json)


@program.command("pause")
def pause(
    schedule_id: ScheduleId,
    *,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Let a schedule fire no more until it is resumed."""
    with connect(address, workspace) as runtime:
        _tell(runtime.schedules.pause(schedule_id), as_json=as_json)


@program.command("resume")
def resume(
    schedule_id: ScheduleId,
    *,
    catch_up: Annotated[
        str, typer.Option("--catch-up", help="What becomes of the times that passed: skip, one or all.")
    ] = "skip",
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Let a paused schedule fire again."""
    if catch_up not in _POLICIES:
        message = f"{catch_up!r} is not one of {', '.join(_POLICIES)}"
        raise typer.BadParameter(message, param_hint="--catch-up")
    policy: Any = catch_up
    with connect(address, workspace) as runtime:
        _tell(runtime.schedules.resume(schedule_id, catch_up=policy), as_json=as_json)


@program.command("run")
def run(
    schedule_id: ScheduleId,
    *,
    key: Annotated[str | None, typer.Option("--key", help="Two calls with one key are one run.")] = None,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Start now what a schedule starts, out of turn."""
    with connect(address, workspace) as runtime:
        run_id = runtime.schedules.run(schedule_id, key=key).run_id
    if as_json:
        write_json({"schedule_id": schedule_id, "run_id": run_id})
    else:
        say(f"started {run_id}; `greenroom runs events {run_id} --follow` shows what it does")


@program.command("history")
def history(
    schedule_id: ScheduleId,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="Most lines.")] = 20,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the last page ended.")] = None,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Show what a schedule did, newest first: which run for which time, or why none."""
    with connect(address, workspace) as runtime:
        page = runtime.schedules.history(schedule_id, limit=limit, cursor=cursor)
    if as_json:
        write_json({"items": [line.view for line in page], "next_cursor": page.next_cursor})
        return
    from rich.table import Table

    table = Table("#", "for", "at", "how", "outcome", "run", "status or reason", box=None)
    for line in page:
        span = _at(line.scheduled_at) + (f" – {_at(line.until_at)}" if line.until_at else "")
        state = str((line.run or {}).get("status") or "") or brief(line.reason, 60)
        table.add_row(str(line.number), span, _at(line.at), line.kind, line.outcome, line.run_id or "", state)
    console().print(table)
    if page.next_cursor:
        say(f"more: --cursor {page.next_cursor}")


def _tell(schedule: Any, *, as_json: bool) -> None:
    if as_json:
        write_json(schedule.view)
        return
    line = f"{schedule.id}: {schedule.kind} {schedule.target}, {_when(schedule)}, {schedule.status}"
    console().print(line, markup=False)
    times = {"next": _at(schedule.next_at), "last": _at(schedule.last_at), "last run": schedule.last_run_id}
    for name, value in times.items():
        if value:
            console().print(f"  {name}: {value}", markup=False)
    for name in ("input", "catch_up", "overlap"):
        console().print(f"  {name}: {brief(schedule.view[name], 80)}", markup=False)


def _when(schedule: Any) -> str:
    if schedule.cron is None:
        return f"every {schedule.every_s:g} s"
    return str(schedule.cron) + (f" {schedule.timezone}" if schedule.timezone != "UTC" else "")


def _at(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment is not None else ""
