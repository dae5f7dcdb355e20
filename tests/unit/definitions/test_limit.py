"""Limits as users write them, and the options that name them."""

from typing import Any

import pytest

from greenroom import Agent, App, DefinitionError, Limit, Workflow, step, tool
from greenroom.runtime.contracts.plan import LimitPlan, StepNode


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give a concurrency, a rate, or both"),
        ({"concurrency": 0}, "concurrency is 1 or more, not 0"),
        ({"rate": 0}, "rate is between 1 and 100000, not 0"),
        ({"rate": 100_001}, "choose another per_s"),
        ({"rate": 1, "per_s": 0}, "per_s is seconds above 0"),
        ({"rate": 1, "per_s": float("nan")}, "per_s is seconds above 0"),
        ({"rate": 1, "each": "run"}, "each is 'all' or 'workspace', not 'run'"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(given: dict[str, Any], said: str) -> None:
    """Where it is written, in words."""
    with pytest.raises(DefinitionError, match=said):
        Limit(**given)


def test_limits_and_priorities_stand_in_the_plan() -> None:
    """Of steps, tools and agents; another limit is another bundle."""

    @step(limits=("b", "a", "a"), priority=-1)
    def one(value: int) -> int:
        return value

    @tool(limits="c")
    async def two(value: int) -> int:
        """Two."""
        return value

    def app(most: int) -> App:
        agent = Agent(id="agent", model="m/m", tools=[two], limits="a", priority=2)
        limits = {name: Limit(concurrency=most) for name in "abc"}
        return App(agents=[agent], workflows=[Workflow("w").then(one)], limits=limits)

    plan = app(1).plan
    node = plan.workflows["w"].nodes[0]
    assert isinstance(node, StepNode)
    assert (node.options.limits, node.options.priority, node.options.is_threaded) == (("a", "b"), -1, True)
    assert (plan.tools["two"].options.limits, plan.tools["two"].options.is_threaded) == (("c",), False)
    assert (plan.agents["agent"].options.limits, plan.agents["agent"].options.priority) == (("a",), 2)
    assert plan.limits["c"] == LimitPlan(concurrency=1)
    assert app(2).plan.id != plan.id == app(1).plan.id


@pytest.mark.parametrize(
    ("option", "said"), [({"limits": 3}, "limits"), ({"limits": [""]}, "limits must be"), ({"priority": 1.5}, "whole")]
)
def test_wrong_options_are_refused(option: dict[str, Any], said: str) -> None:
    """The step is named."""
    with pytest.raises(DefinitionError, match=said):
        step(id="s", **option)(len)
