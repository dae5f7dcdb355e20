"""Fixtures for pytest: `fake_runtime`, `clock`, `crash_at`, `scripted_model`, `always_suspend`.

Loaded by pytest wherever greenroom is installed (entry point `pytest11`), so it must cost nothing: the runtime is
imported when a test asks for it. Asynchronous fixtures come from pytest-asyncio; without it there is
`async with FakeRuntime(app)`.
"""

from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from greenroom.testing.clock import FakeClock
    from greenroom.testing.scripted_model import Script, ScriptedModel
    from greenroom.testing.stage import Stage


@pytest.fixture
def greenroom_stage() -> "Stage":
    """What the other fixtures share."""
    from greenroom.testing.stage import Stage  # noqa: PLC0415 - see the module's docstring

    return Stage()


@pytest.fixture
def clock(greenroom_stage: "Stage") -> "FakeClock":
    """The runtime's time: it stands still until `await clock.advance(seconds)`."""
    return greenroom_stage.clock


@pytest.fixture
def crash_at(greenroom_stage: "Stage") -> Callable[..., None]:
    """`crash_at(n)` lets the runtime die at its n-th commit and come back."""
    return greenroom_stage.crash_at


@pytest.fixture
def scripted_model(greenroom_stage: "Stage") -> "Callable[[Script], ScriptedModel]":
    """`scripted_model([...])` says what the agents' model answers, turn by turn. Call it before the runtime starts."""
    return greenroom_stage.scripted_model


@pytest.fixture
def always_suspend(greenroom_stage: "Stage") -> None:
    """Park and reload every run at every commit: what depends on memory that a restart loses is found out."""
    greenroom_stage.evicts = True


async def _fake_runtime(greenroom_stage: "Stage") -> "AsyncIterator[Callable[..., Any]]":
    """`await fake_runtime(app)` starts a runtime in this process and gives the handle that `connect` gives."""
    yield greenroom_stage.start
    await greenroom_stage.close()


def _no_fake_runtime() -> None:
    """Say what is missing."""
    pytest.fail("fake_runtime needs pytest-asyncio: install it, or use `async with FakeRuntime(app) as fake`")


if find_spec("pytest_asyncio") is not None:
    import pytest_asyncio

    fake_runtime: Any = pytest_asyncio.fixture(name="fake_runtime")(_fake_runtime)
else:
    fake_runtime = pytest.fixture(name="fake_runtime")(_no_fake_runtime)
