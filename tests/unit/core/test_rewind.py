"""Going back: from every step of a run that uses every construct, in place and as a fork, for many orders of events."""

from typing import Any

import pytest

from greenroom import App, StepContext, Workflow, from_step, step
from greenroom.runtime.contracts.entries import (
    Bailed,
    CancelRequested,
    ErrorInfo,
    Failed,
    Fork,
    Outcome,
    Rewound,
    RunStarted,
    Scheduled,
    Succeeded,
    SuspendedHere,
    Taken,
)
from greenroom.runtime.contracts.statuses import RunStatus, StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.core.advance import start
from greenroom.runtime.core.nodes import is_internal
from greenroom.runtime.core.state import RunState
from greenroom.runtime.core.taking import taken_over
from tests.unit.core.pure_run import START, Body, PureRun, check


def named(name: str) -> Any:
    """Return a step of this name; its body is the test's."""

    async def body(value: Any, ctx: StepContext) -> Any:
        return value

    return step(id=name)(body)


async def condition(value: Any) -> bool:
    return True


def app() -> App:
    """Return an app whose one workflow has every kind of block, nested in others."""
    inner = Workflow("inner").then(named("x")).parallel(named("left"), named("right"))
    inner.map({"l": from_step("left"), "r": from_step("right")}).then(named("note"))
    flow = Workflow("main", input=list[int]).then(named("first"))
    flow.foreach(inner, concurrency=2).branch((condition, named("yes")), (condition, named("also")))
    flow.then(named("ask")).sleep(5).do_until(named("more"), condition).wait_for_signal("go").then(named("last"))
    return App(workflows=[flow])


def add(item: WorkItem, _: Scope) -> tuple[Outcome, dict[str, Json]]:
    """Add one to an item, and note the path in the state."""
    value = item.input + 1 if isinstance(item.input, int) else item.input
    return Succeeded(output=value), {item.path: value, "last": item.path}


def asked(item: WorkItem, _: Scope) -> Outcome:
    return Succeeded(output=[item.input, item.resumes[0]]) if item.resumes else SuspendedHere(payload=None)


def more(item: WorkItem, _: Scope) -> Outcome:
    if item.kind == "condition":
        return Succeeded(output=item.iteration >= 3)
    return Succeeded(output=[*item.input, item.iteration])


def holds(item: WorkItem, _: Scope) -> Outcome:
    return Succeeded(output=True)


BODIES: dict[str, Body] = {
    "x": add,
    "left": add,
    "note": add,
    "ask": asked,
    "more": more,
    "~3?0": holds,
    "~3?1": holds,
}


class Driven(PureRun):
    """A run whose commits are compared with their replay only from a moment on: that takes long."""

    is_compared = False

    def _compare(self) -> None:
        if self.is_compared:
            super()._compare()


def driven_run() -> Driven:
    """Return a run of the app that has just begun."""
    return Driven(app(), "main", [1, 2, 3], BODIES)


def shown(run: RunState) -> dict[str, Any]:
    """Return what a run's end is made of, without times and attempts."""
    frame = run.root.frame
    assert frame is not None
    nodes = {path: (node.status, node.input, node.output) for path, node in run.nodes.items()}
    return {"status": run.status, "output": run.root.output, "nodes": nodes, "state": {**frame.state, "last": None}}


def steps_of(run: RunState) -> list[str]:
    """Return the paths that a run can go back to."""
    return [path for path in run.nodes if path and not is_internal(path)]


def _paths() -> list[str]:
    run = driven_run()
    run.finish()
    return steps_of(run.run)


@pytest.mark.parametrize("seed", range(4))
def test_going_back_to_any_step_gives_the_same_end(seed: int) -> None:
    """36. With the inputs as they were, the outcome is the same; every commit is replayed to the same state."""
    for path in _paths()[seed::4]:
        driven = driven_run()
        before = shown(driven.finish(seed))
        driven.is_compared = True
        driven.take(Rewound(at=driven.now, path=path))
        assert driven.run.status is not RunStatus.SUCCESS
        assert shown(driven.finish(seed + 7)) == before, path


@pytest.mark.parametrize("seed", range(4))
def test_a_fork_at_any_step_gives_the_same_end(seed: int) -> None:
    """36. The fork is a run of its own, in which only the step and what is behind it was executed."""
    for path in _paths()[seed::4]:
        parent = driven_run()
        before = shown(parent.finish(seed))
        kept = taken_over(parent.run.nodes[path])
        fork = _forked(path, kept)
        assert shown(fork.finish(seed + 1)) == before, path
        assert not set(fork.ended) & {item.path for item in kept if item.status != "open"}
        assert fork.events[0].type == "run_started"


def _forked(path: str, kept: tuple[Taken, ...]) -> Driven:
    started = RunStarted(
        at=START,
        run_id="fork",
        workspace="default",
        kind="workflow",
        target="main",
        bundle=app().plan.id,
        input=[1, 2, 3],
        fork=Fork(run_id="run", path=path, taken=kept),
    )
    fork = driven_run()
    fork.groups, fork.events, fork.pending, fork.ended = [], [], [], []
    fork.is_compared = True
    fork.run = start(started, fork.app.plan, check)
    fork.take(started)
    return fork


@pytest.mark.parametrize("seed", range(4))
def test_going_back_in_the_middle_gives_up_what_is_under_way(seed: int) -> None:
    """36. A run that is parked at its person goes back to any step it has, and comes to its end from there."""
    expected = shown(driven_run().finish())
    for path in _paths()[seed::4]:
        driven = driven_run()
        while "ask" not in driven.run.nodes or driven.run.nodes["ask"].status is not StepStatus.SUSPENDED:
            driven.end(driven.pending[seed % len(driven.pending)][0])
        if path in driven.run.nodes:
            driven.take(Rewound(at=driven.now, path=path))
            assert shown(driven.finish(seed)) == expected, path


def test_attempts_have_numbers_behind_the_old_ones() -> None:
    """32, 36. The journal says the number that the worker is given, and it was never used before."""
    driven = driven_run()
    driven.finish()
    last = {path: node.attempt for path, node in driven.run.nodes.items()}
    for _ in range(2):
        count = len(driven.groups)
        driven.take(Rewound(at=driven.now, path="inner[1]/left"))
        driven.finish()
        for entry in (entry for group in driven.groups[count:] for entry in group if isinstance(entry, Scheduled)):
            assert entry.attempt == last.get(entry.path, 0) + 1
            last[entry.path] = entry.attempt
    assert last["inner[1]/left"] == 3


def test_what_bailed_beside_the_step_is_not_taken_over() -> None:
    """15, 36. A member that ended the workflow runs again: its outcome would end it before the step has begun."""
    flow = Workflow("main", input=int).parallel(named("leaves"), named("stays")).then(named("end"))
    run = PureRun(App(workflows=[flow]), "main", 1, {"leaves": lambda item, _: Bailed(result="left")})
    run.end(run.pending[1][0])
    run.end(run.pending[0][0])
    assert run.run.root.output == "left"
    run.bodies = {}
    run.take(Rewound(at=START, path="stays"))
    assert [node.path for node, _ in run.pending] == ["leaves", "stays"]
    assert run.finish().root.output == {"leaves": 1, "stays": 1}


def test_a_failure_that_is_allowed_is_taken_over() -> None:
    """10, 36. Where failure is allowed a failed member has its outcome; where it is not, it runs again."""
    error = Failed(error=ErrorInfo(type="ValueError", message="no", retryable=False))
    for allowed in (True, False):
        flow = Workflow("main", input=int).parallel(named("breaks"), named("works"), allow_failure=allowed)
        run = PureRun(App(workflows=[flow]), "main", 1, {"breaks": lambda item, _: error})
        run.finish()
        run.take(Rewound(at=START, path="works"))
        assert [node.path for node, _ in run.pending] == (["works"] if allowed else ["breaks", "works"])


def test_a_canceled_run_can_go_back() -> None:
    """28, 36. The cancel is over with the timeline that it ended."""
    driven = driven_run()
    driven.take(CancelRequested(at=START, reason="no"))
    assert driven.run.status is RunStatus.CANCELED
    driven.take(Rewound(at=START, path="first"))
    assert driven.finish().status is RunStatus.SUCCESS
