"""`greenroom tools`: the tools of the application that is up."""

from typing import Annotated, Any

import typer

from greenroom.cli.arguments import read_object
from greenroom.cli.connection import AddressOption, WorkspaceOption, connect
from greenroom.cli.terminal import JsonFlag, console, show_value, write_json

program = typer.Typer(help="List and call the application's tools.", no_args_is_help=True)


@program.command("list")
def list_tools(
    *, address: AddressOption = None, workspace: WorkspaceOption = "default", as_json: JsonFlag = False
) -> None:
    """List the tools."""
    with connect(address, workspace) as runtime:
        described: dict[str, Any] = runtime.describe()
    tools = described.get("tools") or {}
    if as_json:
        write_json(tools)
        return
    from rich.table import Table

    table = Table("tool", "arguments", "description", box=None)
    for name, tool in tools.items():
        arguments = ", ".join((tool.get("input_schema") or {}).get("properties") or ())
        table.add_row(name, arguments, tool.get("description") or "")
    console().print(table)


@program.command("exec")
def execute(
    tool: Annotated[str, typer.Argument(help="The tool's id.")],
    *,
    arguments: Annotated[
        str | None, typer.Option("--input", "-i", help="Its arguments: a JSON object, @file, or - for stdin.")
    ] = None,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Call a tool and show its result."""
    given = read_object(arguments)
    with connect(address, workspace) as runtime:
        result = runtime.tool(tool).execute(given)
    if as_json:
        write_json({"tool": tool, "result": result})
    else:
        show_value(result)
