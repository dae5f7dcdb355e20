"""Stateful tools: one instance, set up before its first call, torn down at the end."""

import asyncio
import threading
from typing import Any

from greenroom.actors.executor import Executor
from greenroom.actors.tool_actor import ToolInstances
from greenroom.runtime.contracts.entries import Failed, Succeeded
from greenroom.runtime.definitions.body import Body
from tests.actors.desk import Desk, work


class Browser:
    """An async tool that holds something."""

    made = 0
    torn_down = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.pages = -1

    async def setup(self) -> None:
        await asyncio.sleep(0)
        self.pages = 0

    async def teardown(self) -> None:
        type(self).torn_down += 1

    async def __call__(self, url: str) -> list[Any]:
        assert self.pages >= 0
        self.pages += 1
        return [url, self.pages]


class Connection:
    """A plain tool whose connection belongs to its thread."""

    def __init__(self) -> None:
        self.threads = [threading.get_ident()]

    def setup(self) -> None:
        self.threads.append(threading.get_ident())

    def __call__(self) -> int:
        self.threads.append(threading.get_ident())
        return len(set(self.threads))


class Moody:
    """Its setup fails the first time."""

    attempts = 0

    async def setup(self) -> None:
        type(self).attempts += 1
        if self.attempts == 1:
            raise ConnectionError("not yet")

    async def __call__(self) -> str:
        return "fine"


def desk_of(kind: type, instances: ToolInstances, *, is_async: bool = True) -> Desk:
    body = Body(key="tool", function=kind, is_async=is_async, expands=True, is_stateful=True)
    desk = Desk(Executor({"tool": body}, instances=instances))
    desk.attach()
    return desk


async def test_calls_share_one_instance_that_was_set_up() -> None:
    """Concurrent first calls make one instance, and it is torn down once."""
    instances = ToolInstances()
    desk = desk_of(Browser, instances)
    finished = await desk.finish(*(work("tool", {"url": "u"}, path=f"t[{n}]", kind="tool") for n in range(3)))
    assert [report.outcome for report in finished] == [Succeeded(output=["u", n]) for n in (1, 2, 3)]
    await instances.close()
    assert (Browser.made, Browser.torn_down) == (1, 1)


async def test_a_plain_tool_lives_on_one_thread() -> None:
    """It is made, set up and called there."""
    instances = ToolInstances()
    desk = desk_of(Connection, instances, is_async=False)
    for n in range(3):
        assert await desk.outcome(work("tool", {}, path=f"t[{n}]", kind="tool")) == Succeeded(output=1)
    await instances.close()


async def test_a_setup_that_fails_fails_the_call_and_is_tried_again() -> None:
    """The next call finds no half-made instance."""
    instances = ToolInstances()
    desk = desk_of(Moody, instances)
    first = await desk.outcome(work("tool", {}, path="a", kind="tool"))
    assert isinstance(first, Failed)
    assert first.error.type == "ConnectionError"
    assert await desk.outcome(work("tool", {}, path="b", kind="tool")) == Succeeded(output="fine")
    await instances.close()


async def test_a_stateful_tool_is_refused_by_an_ordinary_worker() -> None:
    """It would make an instance per worker."""
    body = Body(key="tool", function=Browser, is_async=True, expands=True, is_stateful=True)
    desk = Desk(Executor({"tool": body}))
    assert isinstance(await desk.outcome(work("tool", {"url": "u"}, kind="tool")), Failed)
