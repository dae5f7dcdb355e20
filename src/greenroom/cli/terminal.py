"""What commands write: results on stdout, everything said to a person on stderr. With `--json` stdout is one document.

Rich is loaded when something is written with it.
"""

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

_JSON_KEY = "greenroom.json"


def _note_json(ctx: typer.Context, value: bool) -> bool:  # noqa: FBT001 - the form of a callback
    if value:
        ctx.find_root().meta[_JSON_KEY] = True
    return value


JsonFlag = Annotated[bool, typer.Option("--json", help="Write the result as JSON only.", callback=_note_json)]


def wants_json(ctx: typer.Context) -> bool:
    """Tell whether this command line asked for JSON."""
    return bool(ctx.find_root().meta.get(_JSON_KEY))


def write_json(value: Any) -> None:
    """Write the result for machines."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=_plain) + "\n")
    sys.stdout.flush()


def write_json_line(value: Any) -> None:
    """Write one record of a stream for machines."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_plain) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None:
        return {name: getattr(value, name) for name in fields if name != "view"}
    return list(value) if isinstance(value, set | frozenset | tuple) else str(value)


def console(*, is_error: bool = False) -> "Console":
    """Return a console on stdout, or on stderr."""
    from rich.console import Console

    return Console(stderr=is_error, highlight=False, soft_wrap=False)


def say(text: str) -> None:
    """Tell a person something, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def show_value(value: Any) -> None:
    """Show a value to a person on stdout: text as it stands, all else as JSON whose lines are never broken."""
    if isinstance(value, str):
        console().print(value, markup=False, soft_wrap=True)
        return
    from rich.json import JSON

    plain = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
    console().print(JSON.from_data(plain, default=_plain), soft_wrap=True)


def show_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Show a small panel of named facts on stdout."""
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(Text(name, style="dim"), value if isinstance(value, Text) else Text(str(value)))
    console().print(Panel(grid, title=title, title_align="left", expand=False, padding=(0, 1)))


def brief(value: Any, limit: int = 100) -> str:
    """Return a value on one line, cut."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_plain)
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
