"""What the simulated loop complains of."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

import pytest

from greenroom.testing.event_loop import run_simulated

ORDERS: Final = [None, *range(20)]


async def _fail() -> None:
    message = "lost"
    raise ValueError(message)


def _complaints(order: int | None, begin: Callable[[], object], turns: int = 0) -> list[str]:
    """Return what is complained of where something begins so many turns before the last one."""
    complaints: list[str] = []
    kept: list[object] = []

    async def work() -> None:
        kept.append(begin())
        for _ in range(turns):
            await asyncio.sleep(0)

    run_simulated(work(), random.Random(order) if order is not None else None, complaints)
    return complaints


@pytest.mark.parametrize("turns", [0, 20])
def test_an_error_that_nobody_asks_for_is_complained_of(turns: int) -> None:
    """Whether the task failed early or in the last turn."""
    complaints = _complaints(None, lambda: asyncio.create_task(_fail()), turns)

    assert len(complaints) == 1
    assert "failed unseen: ValueError('lost')" in complaints[0]


@pytest.mark.parametrize("order", ORDERS)
def test_an_error_of_the_last_turn_is_seen_by_the_callback_of_its_task(order: int | None) -> None:
    """The callback is due in the turn after the end, in whatever order the turns before ran."""

    def begin() -> object:
        task = asyncio.create_task(_fail())
        task.add_done_callback(lambda ended: ended.exception())
        return task

    assert _complaints(order, begin) == []


@pytest.mark.parametrize("order", ORDERS)
def test_an_error_of_the_last_turn_is_seen_by_who_waits_for_its_task(order: int | None) -> None:
    """Who waits is woken in the turn after the end and reads in the one after that."""

    async def watch(task: asyncio.Task[None]) -> None:
        await asyncio.wait({task})
        task.exception()

    def begin() -> object:
        task = asyncio.create_task(_fail())
        return task, asyncio.create_task(watch(task))

    assert _complaints(order, begin) == []
