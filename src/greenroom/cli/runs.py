"""`greenroom runs`: list runs, look at one, follow it, steer it."""

from typing import Annotated, Any

import typer

from greenroom.cli import runs_again
from greenroom.cli.arguments import read_json
from greenroom.cli.connection import AddressOption, WorkspaceOption, connect_for_runs
from greenroom.cli.terminal import JsonFlag, brief, console, say, write_json, write_json_line

program = typer.Typer(help="List, show, follow, resume, signal and cancel runs.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(help="The run's id.")]
DataOption = Annotated[str | None, typer.Option("--data", "-d", metavar="JSON", help="JSON, @file, or - for stdin.")]
FollowFlag = Annotated[bool, typer.Option("--follow", "-f", help="Stay, and show what happens.")]


@program.command("list")
def list_runs(
    *,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Of this workflow, agent or tool only.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="With this status only.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Most runs.")] = 20,
    children: Annotated[bool, typer.Option("--children", help="Runs inside runs too.")] = False,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the last page ended.")] = None,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """List runs, newest first."""
    with connect_for_runs(address, workspace) as runtime:
        page = runtime.runs(workflow=workflow, status=status, limit=limit, roots=not children, cursor=cursor)
    if as_json:
        write_json({"items": page.items, "next_cursor": page.next_cursor})
        return
    from rich.table import Table
    from rich.text import Text

    from greenroom.cli.tree import ICONS

    table = Table("", "run", "what", "status", "started", "error", box=None)
    for item in page:
        icon, style = ICONS.get(item.status, ("·", ""))
        created = item.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if item.created_at else ""
        error = brief(str(item.error), 60) if item.error else ""
        table.add_row(Text(icon, style), item.run_id, f"{item.kind} {item.target}", item.status, created, error)
    console().print(table)
    if page.next_cursor:
        say(f"more: --cursor {page.next_cursor}")


@program.command("show")
def show(
    run_id: RunId, *, address: AddressOption = None, workspace: WorkspaceOption = "default", as_json: JsonFlag = False
) -> None:
    """Show a run as it stands: its steps, its result, what it waits for."""
    from greenroom.cli.following import tell_result

    with connect_for_runs(address, workspace) as runtime:
        tell_result(runtime.run(run_id).get(), as_json=as_json, with_tree=True)


@program.command("events")
def events(
    run_id: RunId,
    *,
    after: Annotated[int, typer.Option("--after", min=0, help="Leave out events up to this number.")] = 0,
    follow: FollowFlag = False,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Show a run's events, one on a line; with --follow also those to come."""
    from greenroom.cli.following import event_json

    with connect_for_runs(address, workspace) as runtime:
        run = runtime.run(run_id)
        last = int(run.get().view.get("event_seq") or 0)
        if last <= after and not follow:
            return
        for event in run.events(after=after):
            if as_json:
                write_json_line(event_json(event))
            else:
                at = event.at.astimezone().strftime("%H:%M:%S.%f")[:-3] if event.at else ""
                line = f"{event.seq or '·':>5}  {at}  {event.type:<18} {event.path:<24} {brief(event.data, 80)}"
                console().print(line, markup=False, overflow="ellipsis", no_wrap=True)
            if not follow and event.seq >= last:
                return


@program.command("resume")
def resume(
    run_id: RunId,
    step: Annotated[str | None, typer.Argument(help="The step that waits; left out, the only one.")] = None,
    *,
    data: DataOption = None,
    label: Annotated[str | None, typer.Option("--label", help="The label it waits under.")] = None,
    index: Annotated[int | None, typer.Option("--index", min=0, help="Item of a foreach.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Two resumes with one key are one.")] = None,
    suspension: Annotated[
        str | None, typer.Option("--suspension", help="The suspension that is answered, as `show` names it.")
    ] = None,
    follow: FollowFlag = False,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Resume a suspended step."""
    value = read_json(data, "--data")
    with connect_for_runs(address, workspace) as runtime:
        run = runtime.run(run_id)
        before = run.get()
        run.resume(step, value, label=label, index=index, key=key, suspension=suspension)
        if follow:
            from greenroom.cli.following import follow as follow_run
            from greenroom.cli.following import tell_result

            seen = int(before.view.get("event_seq") or 0)
            result = follow_run(run, before.target, as_json=as_json, after=seen)
            raise typer.Exit(tell_result(result, as_json=as_json))
    _acknowledge({"run_id": run_id, "resumed": True}, f"resumed {run_id}", as_json=as_json)


@program.command("signal")
def signal(
    run_id: RunId,
    name: Annotated[str, typer.Argument(help="The signal's name.")],
    *,
    data: DataOption = None,
    key: Annotated[str | None, typer.Option("--key", help="Two signals with one key are one.")] = None,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Send a signal; it is kept until a step waits for it."""
    value = read_json(data, "--data")
    with connect_for_runs(address, workspace) as runtime:
        runtime.run(run_id).signal(name, value, key=key)
    _acknowledge({"run_id": run_id, "signaled": name}, f"sent {name} to {run_id}", as_json=as_json)


@program.command("cancel")
def cancel(
    run_id: RunId,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the run.")] = "",
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Cancel a run; one that has finished stays as it is, and the exit code is 1."""
    with connect_for_runs(address, workspace) as runtime:
        is_canceled = runtime.run(run_id).cancel(reason)
    text = f"canceled {run_id}" if is_canceled else f"{run_id} had finished before"
    _acknowledge({"run_id": run_id, "canceled": is_canceled}, text, as_json=as_json)
    raise typer.Exit(int(not is_canceled))


program.command("fork")(runs_again.fork)
program.command("rerun")(runs_again.rerun)
program.command("drain")(runs_again.drain)
program.command("migrate")(runs_again.migrate)


def _acknowledge(facts: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        write_json(facts)
    else:
        say(text)
