"""What tests of rehearsal share: a server that forgets between tests, and the real client without retries."""

from collections.abc import AsyncIterator, Iterator

import pytest
from openai import AsyncOpenAI

from greenroom.actors.rehearsal.server import RehearsalServer


@pytest.fixture(scope="session")
def stage() -> Iterator[RehearsalServer]:
    with RehearsalServer(now=lambda: 1_700_000_000.0) as running:
        yield running


@pytest.fixture
def server(stage: RehearsalServer) -> RehearsalServer:
    stage.reset()
    return stage


@pytest.fixture
async def client(server: RehearsalServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0, timeout=10.0) as opened:
        yield opened
