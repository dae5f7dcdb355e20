"""The probe's processes come from one fork server; it imports what the tests of this folder open."""

import pytest

from benchmarks.probe import hand


@pytest.fixture(autouse=True, scope="session")
def adapters() -> None:
    """Let the fork server import the adapters once."""
    hand.preload("tests.probe.toy:Toy", "benchmarks.probe.subjects.greenroom:Greenroom")
