"""Executors for tests, closed at the end of each."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from greenroom.actors.executor import Executor
from greenroom.runtime.definitions.body import Body
from tests.actors.desk import Desk, OpenDesk


@pytest.fixture
async def open_desk() -> AsyncIterator[OpenDesk]:
    """Gives desks over executors of the given bodies; closes the executors at the end."""
    opened: list[Executor] = []

    def open_one(*bodies: Body, scope: dict[str, Any] | None = None, **options: Any) -> Desk:
        executor = Executor({body.key: body for body in bodies}, **options)
        opened.append(executor)
        desk = Desk(executor, **(scope or {}))
        desk.attach()
        return desk

    yield open_one
    for executor in opened:
        await executor.close()
