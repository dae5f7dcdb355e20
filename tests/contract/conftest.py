"""The stores that every contract test runs on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from greenroom.runtime.contracts.storage import Storage
from tests.contract.stores import STORES, Store


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path / "store")


@pytest.fixture
async def storage(store: Store) -> AsyncIterator[Storage]:
    opened = await store.open()
    yield opened
    await opened.close()
