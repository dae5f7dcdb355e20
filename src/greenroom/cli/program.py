"""The command line as a whole: its commands, and the one place where errors become lines and exit codes."""

import sys
import traceback
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from greenroom.cli import runs, schedules, storage, tools
from greenroom.cli.chat import chat
from greenroom.cli.demo import demo
from greenroom.cli.doctor import doctor
from greenroom.cli.down import down
from greenroom.cli.rehearsal import rehearsal
from greenroom.cli.run import run as run_workflow
from greenroom.cli.status import status
from greenroom.cli.terminal import say, wants_json, write_json
from greenroom.cli.up import up

_DEBUG_KEY: Final = "greenroom.debug"


class _Program(TyperGroup):
    """A group that tells errors in one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:  # the edge: whatever a command raises becomes a line and a code
            if _is_for_typer(error):
                raise
            raise typer.Exit(_tell(error, ctx)) from None


def _is_for_typer(error: Exception) -> bool:
    """Tell whether an error is the framework's own: usage errors, exits, aborts, a closed pipe."""
    is_closed_pipe = isinstance(error, BrokenPipeError)
    return is_closed_pipe or isinstance(error, EOFError) or type(error).__module__.startswith(("typer.", "click."))


def _tell(error: Exception, ctx: typer.Context) -> int:
    from greenroom.cli.failures import exit_code_of, json_of, line_of

    if ctx.find_root().meta.get(_DEBUG_KEY):
        traceback.print_exception(error)
    say(f"greenroom: {line_of(error)}")
    if wants_json(ctx):
        write_json(json_of(error))
    return int(exit_code_of(error))


program = typer.Typer(
    name="greenroom",
    cls=_Program,
    help="A durable runtime for agents and workflows on Ray.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:  # noqa: FBT001 - the form of a callback
    if value:
        import greenroom

        sys.stdout.write(f"greenroom {greenroom.__version__}\n")
        raise typer.Exit


@program.callback()
def _options(
    ctx: typer.Context,
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    ctx.find_root().meta[_DEBUG_KEY] = debug


program.command("demo")(demo)
program.command("up")(up)
program.command("down")(down)
program.command("status")(status)
program.command("run")(run_workflow)
program.command("chat")(chat)
program.add_typer(runs.program, name="runs")
program.add_typer(schedules.program, name="schedules")
program.add_typer(tools.program, name="tools")
program.add_typer(storage.program, name="storage")
program.command("rehearsal")(rehearsal)
program.command("doctor")(doctor)


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code; `--debug` may stand anywhere in it."""
    head, *tail = _split_at_dashes(arguments)
    if "--debug" in head:
        head = ["--debug", *(item for item in head if item != "--debug")]
    try:
        program(args=[*head, *(item for part in tail for item in ("--", *part))], prog_name="greenroom")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _split_at_dashes(arguments: list[str]) -> list[list[str]]:
    if "--" not in arguments:
        return [arguments]
    position = arguments.index("--")
    return [arguments[:position], arguments[position + 1 :]]
