"""What the demo shows: its acts as they happen, and its findings. Quiet, it shows nothing."""

import contextlib
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from greenroom.cli.tree import RunTree

BAR_WIDTH: Final = 24
REFRESHES_PER_S: Final = 8
SHOWN_LINES: Final = 16


class Stage:
    """Where the demo is told.

    Args:
        is_quiet: Show nothing.
    """

    def __init__(self, *, is_quiet: bool, console: Console | None = None) -> None:
        self._console = console or Console(quiet=is_quiet, highlight=False)

    def open(self, question: str, documents: str, model: str) -> None:
        """Say what is about to happen."""
        self._console.print(Rule("greenroom demo", style="green"))
        grid = Table.grid(padding=(0, 2))
        for name, value in (("question", question), ("documents", documents), ("model", model)):
            grid.add_row(Text(name, style="dim"), Text(value))
        self._console.print(grid)

    @contextlib.contextmanager
    def act(self, title: str) -> Generator[None]:
        """Show that something is under way, then how long it took."""
        began = time.monotonic()
        with self._console.status(f"{title} …"):
            yield
        self._console.print(f"[green]✓[/] {title} [bright_black]{time.monotonic() - began:.1f} s[/]")

    def note(self, text: str) -> None:
        """Say something on a line of its own."""
        self._console.print(Text(f"  {text}"))

    @contextlib.contextmanager
    def following(self, run_id: str) -> Generator[Callable[[dict[str, Any]], None]]:
        """Show a run's tree while its events are fed in."""
        tree = RunTree("briefing", run_id)

        def feed(event: dict[str, Any]) -> None:
            tree.feed(event["type"], event["path"], event["at"], event["data"])

        if self._console.is_terminal and not self._console.quiet:
            with Live(tree, console=self._console, refresh_per_second=REFRESHES_PER_S):
                yield feed
            return
        yield feed
        self._console.print(tree)

    def show_sections(self, sections: list[dict[str, Any]]) -> None:
        """Show when each section was researched, and by which process: bars beside one another were at work at once."""
        first = min(section["started_at"] for section in sections)
        length = max(1, max(section["ended_at"] for section in sections) - first)
        self._console.print(Text("  sections were researched at the same time:"))
        table = Table("  section", "search on", "ms", "", box=None)
        for section in sections:
            start = round((section["started_at"] - first) / length * BAR_WIDTH)
            end = max(start + 1, round((section["ended_at"] - first) / length * BAR_WIDTH))
            bar = Text(" " * start + "█" * (end - start), style="cyan")
            span = f"{section['started_at'] - first:.0f}–{section['ended_at'] - first:.0f}"
            table.add_row(
                Text(f"  {section['heading']}", overflow="ellipsis", no_wrap=True),
                f"process {section['worker']}",
                span,
                bar,
            )
        self._console.print(table)

    def show_review(self, payload: dict[str, Any]) -> None:
        """Show what the person is asked, and what `validate` had sent back before."""
        for number, problems in enumerate(payload.get("sent_back") or (), start=1):
            self.note(f"validate sent draft {number} back: {'; '.join(problems)}")
        self.note(f"suspended: a person is to approve “{payload['title']}” ({payload['quotes']} quotes)")

    def show_result(self, path: Path, text: str, outcome: dict[str, Any], usage: dict[str, int], trace_id: str) -> None:
        """Show the brief's first lines and what it took."""
        lines = "\n".join(text.splitlines()[:SHOWN_LINES])
        self._console.print(Panel(Markdown(f"{lines}\n\n…"), title=str(path), title_align="left"))
        grid = Table.grid(padding=(0, 2))
        cost = usage["costMicros"] / 1_000_000
        for name, value in (
            ("brief", str(path)),
            ("quotes", f"{outcome['quotes']} from {len(outcome['sources'])} documents, in {outcome['rounds']} rounds"),
            ("tokens", f"{usage['totalTokens']} ({usage['inputTokens']} in, {usage['outputTokens']} out)"),
            ("cost", f"{cost:.6f}"),
            ("trace", trace_id),
        ):
            grid.add_row(Text(name, style="dim"), Text(value))
        self._console.print(grid)

    def close(self, facts: dict[str, Any]) -> None:
        """Say how it ended."""
        for process in facts["left"]:
            self._console.print(Text(f"✗ left behind: process {process['pid']} {process['command'][:80]}", style="red"))
        for name, holds in facts["claims"].items():
            if not holds:
                self._console.print(Text(f"✗ did not hold: {name.replace('_', ' ')}", style="red"))
        verdict = "[green]✓ no process left behind[/]" if not facts["left"] else "[red]✗ processes were left[/]"
        self._console.print(f"{verdict} [bright_black]{facts['seconds']} s in all[/]")
