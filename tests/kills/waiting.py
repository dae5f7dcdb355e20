"""Waiting for what other processes do, which tell of it in files and in the list of processes only."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

LIMIT_S: Final = 90.0
LOOK_S: Final = 0.05


async def until(find: Callable[[], T], limit_s: float = LIMIT_S) -> T:
    """Return what is found, once it is something.

    Raises:
        TimeoutError: Nothing was found.
    """
    async with asyncio.timeout(limit_s):
        while not (found := await asyncio.to_thread(find)):  # noqa: ASYNC110 - other processes tell nobody
            await asyncio.sleep(LOOK_S)
        return found
