"""3. An attempt is given what its run knew when it was scheduled, and nothing that came later."""

import asyncio
from collections.abc import Sequence
from typing import Any

from greenroom import App, StepContext, Workflow
from greenroom.runtime.contracts.records import Record
from greenroom.storage.memory import MemoryStorage
from tests.host.harness import Harness, calm


class HeldStorage(MemoryStorage):
    """A store that keeps what it is given at once, and says so, append by append, when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_holding = False
        self.held: list[asyncio.Event] = []

    async def append(self, records: Sequence[Record]) -> int:
        seq = await super().append(records)
        if self.is_holding:
            self.held.append(asyncio.Event())
            await self.held[-1].wait()
        return seq


class Story:
    """A run of two branches: one waits for a signal, the other's second body looks whether the first one has ended."""

    def __init__(self) -> None:
        self.may_begin = asyncio.Event()
        self.given: list[Any] = []

    async def begin(self, value: Any) -> None:
        await self.may_begin.wait()

    async def look(self, value: Any, ctx: StepContext) -> None:
        self.given.append(ctx.step_output("left"))

    def app(self) -> App:
        left = Workflow("left").wait_for_signal("paid")
        return App(workflows=[Workflow("w").parallel(left, Workflow("right").then(self.begin).then(self.look))])


async def test_an_attempt_is_not_given_what_its_run_learned_after_its_commit() -> None:
    """3. The output of another branch, not durable yet, is not seen by a body that begins meanwhile."""
    story, store = Story(), HeldStorage()
    async with Harness(story.app(), storage=store) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        store.is_holding = True
        story.may_begin.set()
        await calm()
        signaled = asyncio.create_task(run.signal("paid", 7))
        await calm()
        scheduled, _ = store.held
        scheduled.set()
        await calm()
        assert story.given == [None]
        store.is_holding = False
        for held in store.held:
            held.set()
        await signaled
        result = await run.result(timeout_s=5)
    assert result.output == {"left": 7, "right": None}
