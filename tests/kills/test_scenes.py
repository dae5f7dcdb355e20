"""Nodes, workers and runtimes of a real cluster die or stand still: what must hold then. `scenes.py` does it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kills import scenes
from tests.tree import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

LIMIT_S = 400

Facts = dict[str, Any]


@pytest.fixture(scope="module")
def told() -> Iterator[dict[str, Facts]]:
    """The facts of all scenes. They are played once, on one cluster, in a process of their own."""
    with tempfile.TemporaryDirectory(prefix="grk-", dir="/tmp") as folder:
        command = [sys.executable, "-m", "tests.kills.scenes", folder]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        facts = Path(folder, "facts.json")
        assert facts.exists(), done.stderr[-3000:]
        yield json.loads(facts.read_text())


@pytest.fixture
def facts(told: dict[str, Facts], request: pytest.FixtureRequest) -> Facts:
    """The facts of the scene that the test's marker names."""
    found = told[request.param.__name__]
    if "error" in found:
        pytest.fail(found["error"])  # whole: pytest shortens what an assertion shows
    return found


def scene(play: Any) -> pytest.MarkDecorator:
    """Let a test have the facts of a scene."""
    return pytest.mark.parametrize("facts", [play], indirect=True, ids=[""])


@scene(scenes.a_node_with_workers_dies)
def test_a_dead_node_costs_each_of_its_bodies_one_more_attempt(facts: Facts) -> None:
    """30. Every run ends with its result and by itself; what was done is not repeated, what is repeated has its key."""
    count = len(facts["outputs"])
    assert facts["outputs"] == [(number + 1) * 10 + 1 for number in range(count)]
    assert facts["calls"]["add_one"] == facts["calls"]["add_one#2"] == [1] * count
    assert sum(facts["calls"]["held"]) == count + facts["bodies_on_the_node"]
    assert facts["bodies_on_the_node"] > 0
    assert max(facts["calls"]["held"]) == 2
    assert facts["keys"] == [1] * count
    assert facts["same_runtime"]


@scene(scenes.the_node_of_the_runtime_dies)
def test_a_runtime_whose_node_died_goes_on_elsewhere(facts: Facts) -> None:
    """Its runs end by themselves: those in hand, and one that slept. One that waits for a person still waits."""
    count = len(facts["outputs"])
    assert facts["is_another_process"]
    assert facts["outputs"] == [(number + 1) * 10 + 1 for number in range(count)]
    assert facts["calls"]["add_one"] == facts["calls"]["add_one#2"] == [1] * count
    assert max(facts["calls"]["held"]) <= 2
    assert facts["keys"] == [1] * count
    assert facts["sleepy"] == 3
    assert facts["asking"] == ["suspended", 43]


@scene(scenes.the_runtime_dies_while_it_recovers)
def test_a_runtime_that_dies_again_and_again_repeats_no_body(facts: Facts) -> None:
    """31. Its workers live through four deaths of it, and no body under way is executed again."""
    count = len(facts["outputs"])
    assert facts["lives"] == 4
    assert facts["outputs"] == [(number + 1) * 10 + 1 for number in range(count)]
    assert all(calls == [1] * count for calls in facts["calls"].values())


@scene(scenes.the_runtime_dies_during_a_model_call)
def test_a_model_call_under_way_is_not_paid_again_when_the_runtime_dies(facts: Facts) -> None:
    """46. The agent's worker lives on, and its answer is taken by the next runtime: the model was asked once."""
    assert facts["output"] == "At last."
    assert (facts["asked"], facts["outcomes"]) == (1, ["answered"])


@scene(scenes.everything_dies_while_it_recovers)
def test_runtime_and_workers_that_die_together_twice_repeat_only_what_was_under_way(facts: Facts) -> None:
    """31. What was done stays done; what was under way is executed again with its key."""
    count = len(facts["outputs"])
    assert facts["outputs"] == [(number + 1) * 10 + 1 for number in range(count)]
    assert facts["calls"]["add_one"] == facts["calls"]["add_one#2"] == [1] * count
    assert max(facts["calls"]["held"]) <= 3
    assert facts["keys"] == [1] * count


@scene(scenes.a_worker_stands_still)
def test_the_late_result_of_a_stopped_worker_is_dropped_and_counted(facts: Facts) -> None:
    """27, 32. Its time ends although its process stands still; another worker has the next attempt, which counts."""
    for told in facts["rounds"]:
        assert set(told["stopped"]) == {2}
        assert set(told["others"]) <= {1}
        assert told["is_same_later"]
        assert told["lives_on"]
    assert facts["late"] > 0


@scene(scenes.a_partitioned_node_comes_back)
def test_a_node_that_comes_back_after_it_counted_as_dead_changes_nothing(facts: Facts) -> None:
    """32. Others have done its work; its bodies come to their end all the same, and their outcomes are never taken."""
    count = len(facts["outputs"])
    assert facts["outputs"] == [(number + 1) * 10 + 1 for number in range(count)]
    assert facts["bodies_on_the_node"] > 0
    assert facts["calls"]["add_one"] == facts["calls"]["add_one#2"] == [1] * count
    assert sum(facts["calls"]["held"]) == count + facts["bodies_on_the_node"]
    assert facts["after"] == {name: facts[name] for name in facts["after"]}


@scene(scenes.a_stale_runtime_goes_on)
def test_a_runtime_that_was_replaced_tells_nobody_anything(facts: Facts) -> None:
    """It answers no read, no resume and no start, nor whoever waited since before; the truth is the other one's."""
    assert facts["truth"] == facts["truth_later"] == [11, 43]
    assert set(facts["told_by_the_stale_one"]) == {"fenced"}
    assert facts["resumed_by_the_stale_one"] == "fenced"
    assert facts["told_to_who_waited"] == "fenced"
    assert facts["calls"] == 1
