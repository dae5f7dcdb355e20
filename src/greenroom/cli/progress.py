"""What a person sees while a command takes its time: on stderr, on a terminal only, and gone when it is done."""

import contextlib
from collections.abc import Callable, Generator
from typing import Any

from greenroom.cli.terminal import console


@contextlib.contextmanager
def progress(title: str, *, as_json: bool, is_bytes: bool = False) -> Generator[Callable[[int, int], None], None, None]:
    """Show a bar; give what is to be told how much of how much is done."""
    out = console(is_error=True)
    if as_json or not out.is_terminal:
        yield lambda _done, _total: None
        return
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    amount: Any = DownloadColumn() if is_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def working(title: str, *, as_json: bool) -> Generator[None, None, None]:
    """Show that something is under way, where how far is not known."""
    out = console(is_error=True)
    if as_json or not out.is_terminal:
        yield
        return
    from rich.text import Text

    with out.status(Text(f"{title} …")):
        yield
