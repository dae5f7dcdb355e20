"""What the simulator has found, each as a test of its own; those of one part stand beside the part's other tests."""

from collections import Counter
from typing import Any

from greenroom import App, StepContext, Workflow, step
from greenroom.testing.scenario import Scenario
from greenroom.testing.simulation import Simulation


def test_a_stream_ends_behind_its_last_event_when_commits_overlap() -> None:
    """39. Two commits of one run are under way, the second ends it: readers of the first one's events read on."""

    def make(calls: Counter[str]) -> App:
        def body(name: str) -> Any:
            async def act(value: int, ctx: StepContext) -> int:
                return value

            return step(id=name)(act)

        return App(workflows=[Workflow("main", input=int).parallel(body("a"), body("b"), body("c"), body("d"))])

    assert Simulation(Scenario(name="overlapping", make=make, input=1)).peaceful.violations == ()
