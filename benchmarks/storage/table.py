"""The table that is printed."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.storage.line import Line

_VERDICT = {True: "met", False: "MISSED", None: ""}


def show(lines: Sequence[Line], title: str) -> None:
    """Print the lines, wide enough for a log file."""
    table = Table(title=title)
    for heading in ("what", "greenroom", "beside it", "measured", "target", ""):
        table.add_column(heading, overflow="fold", justify="right" if heading == "measured" else "left")
    for line in lines:
        table.add_row(line.what, line.ours, line.other, _measured(line), _target(line), _VERDICT[line.is_met])
    Console(width=150).print(table)
    missed = [line.what for line in lines if line.is_met is False]
    print(f"missed: {', '.join(missed)}" if missed else "every target is met")


def _measured(line: Line) -> str:
    return "" if line.measured is None else _figure(line.measured, line.unit)


def _target(line: Line) -> str:
    if line.target is None:
        return ""
    return ("≥ " if line.is_least else "≤ ") + _figure(line.target, line.unit)


def _figure(value: float, unit: str) -> str:
    return f"{value:.2f}x" if unit == "x" else f"{value:.1f} {unit}"
