"""The short form of `make probe`: Greenroom holds all six promises."""

from pathlib import Path

import pytest

from benchmarks.probe.probing import verdict
from benchmarks.probe.promises import Outcome, Promise
from benchmarks.probe.stage import QUICK, Stage
from benchmarks.probe.systems import SYSTEMS


def _check(promise: Promise, root: Path) -> None:
    system = SYSTEMS["greenroom"]
    found = verdict(promise, Stage(target=system.target, beside=system.beside, root=root, scale=QUICK))
    assert found.outcome is Outcome.HELD, found.evidence


@pytest.mark.parametrize("promise", [promise for promise in Promise if promise is not Promise.CONSUMED])
def test_greenroom_holds_a_promise_of_the_probe(promise: Promise, tmp_path: Path) -> None:
    """In processes that are killed with -9, on the store that users have."""
    _check(promise, tmp_path)


@pytest.mark.cluster
def test_of_resumes_from_many_processes_greenroom_consumes_one(tmp_path: Path) -> None:
    """Two and four processes resume one suspension through the runtime actor of a real Ray."""
    _check(Promise.CONSUMED, tmp_path)
