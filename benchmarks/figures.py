"""Percentiles, and rows of the table."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        figure: As printed.
        aim: The first aim on two cores, if there is one.
    """

    name: str
    figure: str
    aim: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies (nearest rank).

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, round(share * len(ordered)) - 1))]


def milliseconds(values: Sequence[float]) -> str:
    """Return p50 and p99 of durations in seconds, as text."""
    return f"p50 {percentile(values, 0.5) * 1e3:.2f} ms, p99 {percentile(values, 0.99) * 1e3:.2f} ms"


def show(rows: Sequence[Row], *, figure: str = "figure", aim: str = "aim") -> None:
    """Print the table under the machine it was measured on; `figure` and `aim` head its columns."""
    table = Table(title=f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}")
    for heading in ("what", figure, aim):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(row.name, row.figure, row.aim)
    Console(width=140).print(table)
