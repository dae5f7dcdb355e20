"""Waits between attempts."""

import pytest

from greenroom.runtime.contracts.plan import StepNode, StepOptions
from greenroom.runtime.core.leaves import backoff_s
from greenroom.runtime.core.state import NodeState


def failed(times: int, path: str = "a") -> NodeState:
    node = NodeState(path=path, node=StepNode(name="a", code="a"), parent=None)
    node.failures = times
    return node


@pytest.mark.parametrize("failures", range(1, 8))
def test_a_wait_is_between_half_and_all_of_twice_the_one_before(failures: int) -> None:
    """26. Exponential with jitter."""
    full = 2.0 * 2 ** (failures - 1)
    assert full / 2 <= backoff_s("run", failed(failures), StepOptions(backoff_s=2.0, max_backoff_s=1e9)) <= full


def test_a_wait_has_a_limit() -> None:
    """26. Also after a thousand failures."""
    assert backoff_s("run", failed(1000), StepOptions(backoff_s=2.0, max_backoff_s=60.0)) <= 60.0


def test_every_replay_makes_the_same_wait_and_every_step_its_own() -> None:
    """26. The jitter follows from run, path and count; so failed steps do not return in step."""
    options = StepOptions(backoff_s=2.0)
    waits = {backoff_s(run, failed(1, path), options) for run in ("r1", "r2") for path in ("a", "b", "c[0]", "c[1]")}
    assert len(waits) == 8
    assert backoff_s("r1", failed(1), options) == backoff_s("r1", failed(1), options)
