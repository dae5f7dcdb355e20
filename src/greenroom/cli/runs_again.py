"""`greenroom runs fork | rerun | drain | migrate`: runs that begin again from a step, and bundles of runs."""

from typing import Annotated, Any

import typer

from greenroom.cli.arguments import read_json, read_object
from greenroom.cli.connection import AddressOption, WorkspaceOption, connect, connect_for_runs
from greenroom.cli.terminal import JsonFlag, say, write_json

RunId = Annotated[str, typer.Argument(help="The run's id.")]
FromStep = Annotated[str, typer.Argument(help="The step to begin from: its path, id or suffix; `research[3]` an item.")]
InputOption = Annotated[
    str | None,
    typer.Option("--input", "-i", metavar="JSON", help="Input of that step: JSON, @file, or -; left out, as before."),
]
StateOption = Annotated[
    str | None, typer.Option("--state", metavar="JSON", help="State to begin with; left out, as it was then.")
]
KeyOption = Annotated[str | None, typer.Option("--key", help="Two requests with one key are one.")]
FollowFlag = Annotated[bool, typer.Option("--follow", "-f", help="Stay, and show what happens.")]


def fork(
    run_id: RunId,
    step: FromStep,
    *,
    given: InputOption = None,
    state: StateOption = None,
    key: KeyOption = None,
    follow: FollowFlag = False,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Start a run that takes over what came before a step, and executes from there."""
    with connect_for_runs(address, workspace) as runtime:
        before = runtime.run(run_id).get()
        made = runtime.run(run_id).fork(step, **_arguments(given, state, key))
        if follow:
            raise typer.Exit(_follow(made, before.target, 0, as_json=as_json))
    if as_json:
        write_json({"run_id": made.run_id, "forked_from": run_id, "trace_id": made.trace_id})
    else:
        say(f"forked {run_id}: follow it with: greenroom runs events {made.run_id} --follow")


def rerun(
    run_id: RunId,
    step: FromStep,
    *,
    given: InputOption = None,
    state: StateOption = None,
    key: KeyOption = None,
    follow: FollowFlag = False,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Let a run go back to a step and execute from there; what it gives up stays in its history."""
    with connect_for_runs(address, workspace) as runtime:
        run = runtime.run(run_id)
        before = run.get()
        run.rerun(step, **_arguments(given, state, key))
        if follow:
            seen = int(before.view.get("event_seq") or 0)
            raise typer.Exit(_follow(run, before.target, seen, as_json=as_json))
    if as_json:
        write_json({"run_id": run_id, "rerun": True})
    else:
        say(f"{run_id} runs again from {step}")


def _arguments(given: str | None, state: str | None, key: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"key": key}
    if given is not None:
        found["input"] = read_json(given)
    if state is not None:
        found["state"] = read_object(state, "--state")
    return found


def _follow(run: Any, target: str, after: int, *, as_json: bool) -> int:
    from greenroom.cli.following import follow as follow_run
    from greenroom.cli.following import tell_result

    return tell_result(follow_run(run, target, as_json=as_json, after=after), as_json=as_json)


def drain(
    bundle: Annotated[
        str | None, typer.Argument(help="Its id, or the beginning of it; left out, all but the newest.")
    ] = None,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Let it take new runs again.")] = False,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Start no more runs with a bundle, and tell how many open runs it has left."""
    with connect(address, workspace) as runtime:
        told = runtime.bundles.drain(bundle, undo=undo)
    if as_json:
        write_json({"bundles": told})
        return
    for item in told:
        state = "takes no new runs" if item["is_drained"] else "takes new runs"
        left = ", ".join(f"{count} {status}" for status, count in item["statuses"].items())
        say(f"{item['bundle']} {state}; open runs left: {item['open_runs']}{f' ({left})' if left else ''}")
    if not told:
        say("there is no older bundle")


def migrate(
    *,
    source: Annotated[str | None, typer.Option("--from", metavar="BUNDLE", help="Runs of this bundle only.")] = None,
    target: Annotated[
        str | None, typer.Option("--to", metavar="BUNDLE", help="The bundle to go on with; left out, the newest.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Move parked runs that fit to another bundle; the exit code is 1 when some do not."""
    with connect(address, workspace) as runtime:
        told = runtime.bundles.migrate(from_bundle=source, to_bundle=target, dry_run=dry_run)
    if as_json:
        write_json(told)
    else:
        _tell_moves(told)
    raise typer.Exit(int(told["refused_count"] > 0))


def _tell_moves(told: dict[str, Any]) -> None:
    verb = "would move" if told["is_dry_run"] else "moved"
    for item in told["migrated"]:
        say(f"{verb} {item['run_id']} ({item['target']}) from {item['from']}")
    for item in told["refused"]:
        say(f"not {item['run_id']} ({item['target']}) from {item['from']}: {item['reason']}")
    say(f"{verb} {told['migrated_count']} runs to {told['to']}, {told['refused_count']} do not fit")
