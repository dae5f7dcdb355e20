"""`greenroom run`: start a workflow and wait for it, or follow it."""

from typing import Annotated

import typer

from greenroom.cli.arguments import read_json
from greenroom.cli.connection import AddressOption, WorkspaceOption, connect_for_runs
from greenroom.cli.terminal import JsonFlag, say, write_json


def run(
    workflow: Annotated[str, typer.Argument(help="The workflow's id.")],
    *,
    given: Annotated[
        str | None, typer.Option("--input", "-i", help="Its input: JSON, @file, or - for stdin.", metavar="JSON")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show its steps as they run.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Only start it, and tell its id.")] = False,
    key: Annotated[str | None, typer.Option("--key", help="Two starts with one key are one run.")] = None,
    run_id: Annotated[str | None, typer.Option("--run-id", help="An id of your choice.")] = None,
    resource_id: Annotated[str | None, typer.Option("--resource", help="Whom it is for.")] = None,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Start a workflow and wait until it ends or asks for somebody. Ctrl-C leaves it running."""
    value = read_json(given)
    with connect_for_runs(address, workspace) as runtime:
        started = runtime.workflow(workflow).start(value, key=key, run_id=run_id, resource_id=resource_id)
        if detach:
            if as_json:
                write_json({"run_id": started.run_id, "trace_id": started.trace_id})
            else:
                say(f"started {started.run_id}; follow it with: greenroom runs events {started.run_id} --follow")
            return
        from greenroom.cli.following import follow as follow_run
        from greenroom.cli.following import tell_result

        try:
            result = follow_run(started, workflow, as_json=as_json) if follow else started.result()
        except KeyboardInterrupt:
            say(f"run {started.run_id} goes on; see it with: greenroom runs show {started.run_id}")
            raise typer.Exit(130) from None
        raise typer.Exit(tell_result(result, as_json=as_json))
