"""Bodies that stay until a test lets them go, to see which of them begin."""

import asyncio
from typing import Any

from greenroom import App, Limit, StepContext, Workflow, step
from tests.host.harness import calm

ONE = {"one": Limit(concurrency=1)}


class Gate:
    """Bodies that stay until they are let go, in the order in which they began."""

    def __init__(self) -> None:
        self.began: list[Any] = []
        self.most = 0
        self.attempts: list[tuple[int, bool]] = []
        self._open: dict[int, asyncio.Event] = {}

    async def body(self, value: Any, ctx: StepContext) -> Any:
        event = self._open[len(self.began)] = asyncio.Event()
        self.began.append(value)
        self.attempts.append((ctx.attempt, ctx.restarted))
        self.most = max(self.most, sum(not event.is_set() for event in self._open.values()))
        await event.wait()
        return value

    def step(self, name: str = "s", **options: Any) -> Any:
        return step(id=name, **options)(self.body)

    async def let_go(self, number: int) -> None:
        self._open[number].set()
        await calm()


def held(gate: Gate, limits: dict[str, Limit] | None = None, **options: Any) -> App:
    """Return an app whose workflow `w` is one gated step under the limit `one`."""
    return App(workflows=[Workflow("w").then(gate.step(limits="one", **options))], limits=limits or ONE)
