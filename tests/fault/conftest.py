"""The long form of the fault suite: `make fault` asks for it, CI runs the short one."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.servers import Servers, running


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="kill at more places, and lose power in more ways")


@pytest.fixture(scope="session")
def is_long(pytestconfig: pytest.Config) -> bool:
    # Unknown where this folder is only a part of what is run: then it is the short form.
    return bool(pytestconfig.getoption("--long", default=False))


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied and filled thousands of times, in memory where the system has such a place."""
    shared = Path("/dev/shm")
    if not (shared.is_dir() and os.access(shared, os.W_OK)):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.fixture
def servers() -> Iterator[Servers]:
    with running() as started:
        yield started
