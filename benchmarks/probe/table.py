"""The table that is printed: promises down, systems across, and the evidence below."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.probe.promises import Outcome, Promise, Verdict

OURS: Final = "greenroom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found on one system.

    Attributes:
        key: Its name on the command line.
        name: Its name and version.
    """

    key: str
    name: str
    verdicts: tuple[Verdict, ...]

    @property
    def held(self) -> int:
        """Return how many promises were held."""
        return sum(verdict.outcome is Outcome.HELD for verdict in self.verdicts)

    @property
    def score(self) -> str:
        """Return it as `n/6`."""
        return f"{self.held}/{len(Promise)}"


def exit_code(reports: Sequence[Report]) -> int:
    """Return 1 if Greenroom was probed and broke a promise, else 0: the others are not ours to mend."""
    return int(any(report.key == OURS and report.held < len(Promise) for report in reports))


def show(reports: Sequence[Report], title: str) -> None:
    """Print it, wide enough for a log file."""
    table = Table(title=title, show_lines=True, show_footer=True)
    table.add_column("promise", footer="held", overflow="fold", ratio=2)
    for report in reports:
        table.add_column(report.name, footer=report.score, overflow="fold", ratio=2)
    for promise in Promise:
        cells = [_cell(report, promise) for report in reports]
        table.add_row(f"({promise.letter}) {promise}", *cells)
    console = Console(width=160)
    console.print(table)
    for report in reports:
        for verdict in report.verdicts:
            if verdict.evidence:
                text = f"{report.name} ({verdict.promise.letter}): {verdict.evidence}"
                console.print(text, markup=False, highlight=False, soft_wrap=True)


def _cell(report: Report, promise: Promise) -> str:
    (verdict,) = [verdict for verdict in report.verdicts if verdict.promise is promise]
    return f"{verdict.outcome} ({verdict.seen})"
