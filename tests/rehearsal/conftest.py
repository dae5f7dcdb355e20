"""What tests of rehearsal share: a server of their own and the real client, which must not retry by itself."""

from collections.abc import AsyncIterator, Iterator

import pytest
from openai import AsyncOpenAI

from greenroom.actors.rehearsal.server import RehearsalServer


@pytest.fixture
def server() -> Iterator[RehearsalServer]:
    with RehearsalServer(now=lambda: 1_700_000_000.0) as running:
        yield running


@pytest.fixture
async def client(server: RehearsalServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0, timeout=10.0) as opened:
        yield opened
