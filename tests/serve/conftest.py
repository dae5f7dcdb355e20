"""What tests of routes share: a stage with the cast, and the turns that its agent plays."""

from collections.abc import AsyncIterator

import pytest

from tests.serve.cast import make_app
from tests.serve.stage import ScriptedTurns, Stage, staged


@pytest.fixture
def turns() -> ScriptedTurns:
    """The turns of the agent, filled by each test."""
    return ScriptedTurns()


@pytest.fixture
async def stage(turns: ScriptedTurns) -> AsyncIterator[Stage]:
    """A runtime in this process and an HTTP client of it."""
    async with staged(make_app(), turns) as opened:
        yield opened
