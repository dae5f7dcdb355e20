"""A runtime that was replaced says so, and shows nothing of what it knew."""

import asyncio

import pytest

from greenroom import App, Workflow
from greenroom.runtime.contracts.errors import Fenced
from greenroom.runtime.host.ownership import FRESH_S
from greenroom.storage.memory import MemoryStorage
from tests.host.harness import Harness


class OneOfTwo(MemoryStorage):
    """A store that somebody else can take.

    Attributes:
        asked: How often it was asked whose it is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_taken = False
        self.asked = 0

    async def confirm(self) -> None:
        """Tell whose it is."""
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_taken:
            raise Fenced("another runtime has taken the store")


def app() -> App:
    """Return an app with a run that waits for a person."""
    return App(workflows=[Workflow("asking").wait_for_signal("go")])


async def test_a_replaced_runtime_refuses_to_show_what_it_knew() -> None:
    """It only reads, so no append tells it: what it shows is at most a second old. It stops for good."""
    store = OneOfTwo()
    async with Harness(app(), storage=store) as harness:
        run = await harness.client.workflow("asking").start(1)
        store.is_taken = True
        await harness.clock.advance(FRESH_S)
        for _ in range(2):
            with pytest.raises(Fenced):
                await run.get()
        with pytest.raises(Fenced):
            await run.signal("go", None)


async def test_a_runtime_that_is_asked_often_asks_its_store_once_a_second() -> None:
    """Many questions at once are one question to the store, and so are all within a second."""
    store = OneOfTwo()
    async with Harness(app(), storage=store) as harness:
        run = await harness.client.workflow("asking").start(1)
        await harness.clock.advance(FRESH_S)
        asked = store.asked
        await asyncio.gather(*(run.get() for _ in range(50)))
        await harness.clock.advance(FRESH_S / 2)
        await run.get()
        assert store.asked == asked + 1
