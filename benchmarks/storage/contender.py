"""What the stores that are compared have in common here."""

import asyncio
from pathlib import Path
from typing import Protocol

from benchmarks.storage.workload import Run


class Contender(Protocol):
    """A store that commits steps of runs."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    async def step(self, run: Run) -> None:
        """Return when the next step of the run survives a loss of power."""
        ...

    async def settle(self) -> None:
        """Return when nothing is left to be done in the background."""
        ...

    async def close(self) -> None:
        """Let go of the files."""
        ...


def bytes_below(folder: Path) -> int:
    """Return the size of every file below the folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def commit_all(contender: Contender, runs: list[Run], steps: int) -> None:
    """Commit so many steps of each run, all runs at once."""

    async def go_on(run: Run) -> None:
        for _ in range(steps):
            await contender.step(run)

    for start in range(0, len(runs), 500):
        await asyncio.gather(*(go_on(run) for run in runs[start : start + 500]))
