"""The probe can fail: each check is green on a system that keeps its promise, and red on one that breaks it."""

from pathlib import Path

import pytest

from benchmarks.probe.probing import CHECKS, verdict
from benchmarks.probe.promises import Outcome, Promise, Verdict
from benchmarks.probe.stage import QUICK, Stage
from tests.probe.toy import BREAKS


def _verdict(promise: Promise, root: Path, defect: str | None = None) -> Verdict:
    stage = Stage(target="tests.probe.toy:Toy", root=root, scale=QUICK, options={"defect": defect})
    return verdict(promise, stage)


@pytest.mark.parametrize("promise", CHECKS)
def test_a_system_that_keeps_a_promise_is_found_to_hold_it(promise: Promise, tmp_path: Path) -> None:
    """The toy without a defect holds all six."""
    found = _verdict(promise, tmp_path)
    assert (found.promise, found.outcome) == (promise, Outcome.HELD), found.evidence


@pytest.mark.parametrize("defect", BREAKS)
def test_a_defect_is_found_by_the_check_of_its_promise(defect: str, tmp_path: Path) -> None:
    """A system that breaks one promise is said to break it, with evidence."""
    promise = BREAKS[defect]
    found = _verdict(promise, tmp_path, defect)
    assert (found.promise, found.outcome) == (promise, Outcome.BROKEN)
    assert found.evidence
