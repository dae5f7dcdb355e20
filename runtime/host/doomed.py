"""What is being deleted at this moment: whoever wants it waits until it is gone, or was refused to be."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

Name = tuple[str, str]
"""`("run", id)` or `("workspace", name)`."""


def run_name(run_id: str) -> Name:
    """Return the name of a run."""
    return ("run", run_id)


def workspace_name(workspace: str) -> Name:
    """Return the name of a workspace."""
    return ("workspace", workspace)


class Doomed:
    """Names that are being deleted.

    Attributes:
        count: Raised when a deletion begins and when it ends: who has seen the same number twice has seen none between.
    """

    def __init__(self) -> None:
        self.count = 0
        self._names: dict[Name, asyncio.Event] = {}

    def has(self, *names: Name) -> bool:
        """Tell whether any of these is being deleted."""
        return bool(self._names) and any(name in self._names for name in names)

    async def settled(self, *names: Name) -> int:
        """Return when none of these is being deleted, with the count of that moment."""
        while self.has(*names):
            await next(self._names[name] for name in names if name in self._names).wait()
        return self.count

    @contextlib.asynccontextmanager
    async def deleting(self, *names: Name, behind: Name | None = None) -> AsyncGenerator[None, None]:
        """Hold these names for a deletion, behind others of the same names and behind one of `behind`."""
        await self.settled(*names, *((behind,) if behind is not None else ()))
        event = asyncio.Event()
        self._names.update(dict.fromkeys(names, event))
        self.count += 1
        try:
            yield
        finally:
            for name in names:
                del self._names[name]
            self.count += 1
            event.set()
