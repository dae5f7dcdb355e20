"""The pure engine: the same facts give the same state and the same events, whatever the schedule of the bodies."""

from typing import Any

import pytest

from greenroom import App, StepContext, Workflow, constant, from_step, step
from greenroom.runtime.contracts.entries import (
    AttemptEnded,
    Bailed,
    CancelRequested,
    ErrorInfo,
    Failed,
    Outcome,
    Parked,
    Succeeded,
    SuspendedHere,
    TimerFired,
)
from greenroom.runtime.contracts.work import Scope, WorkItem
from tests.unit.core.pure_run import PureRun

SEEDS = range(12)


def named(name: str, **options: Any) -> Any:
    async def body(value: Any, ctx: StepContext) -> Any:
        raise AssertionError(name)

    return step(id=name, **options)(body)


async def condition(value: Any) -> bool:
    raise AssertionError


def add(item: WorkItem, _: Scope) -> Outcome:
    return Succeeded(output=item.input + 1)


def ask(item: WorkItem, _: Scope) -> Outcome:
    if not item.resumes:
        return SuspendedHere(payload=item.input)
    return Succeeded(output=[item.input, *item.resumes])


def fail(item: WorkItem, _: Scope) -> Outcome:
    return Failed(error=ErrorInfo(type="ValueError", message="no"))


def until_attempt(number: int) -> Any:
    def body(item: WorkItem, scope: Scope) -> Outcome:
        return Succeeded(output=item.input) if item.attempt >= number else fail(item, scope)

    return body


def write(item: WorkItem, _: Scope) -> tuple[Outcome, dict[str, Any]]:
    return Succeeded(output=None), {"last": item.path, item.path: True}


def sequence() -> PureRun:
    flow = Workflow("w").then(named("a")).then(named("b")).map({"k": constant(1), "a": from_step("a")})
    return PureRun(App(workflows=[flow]), "w", 1, {"a": add, "b": add})


def blocks() -> PureRun:
    flow = Workflow("w").parallel(named("a"), named("b"), named("c"), allow_failure=True)
    flow.branch((condition, named("d")), (condition, named("e")))
    bodies = {"a": add, "b": fail, "c": ask, "~2?0": lambda *_: Succeeded(output=True)}
    bodies["~2?1"] = lambda *_: Succeeded(output=False)
    return PureRun(App(workflows=[flow]), "w", 1, bodies)


def waits() -> PureRun:
    flow = Workflow("w").sleep(10).wait_for_signal("go").then(named("ask"))
    flow.wait_for_signal("never", timeout_s=10, default=5)
    return PureRun(App(workflows=[flow]), "w", 1, {"ask": ask})


def retries() -> PureRun:
    flow = Workflow("w", retries=4).parallel(named("a"), named("b", retries=0), allow_failure=True)
    return PureRun(App(workflows=[flow]), "w", 1, {"a": until_attempt(3), "b": fail})


def bails() -> PureRun:
    inner = Workflow("inner").foreach(named("leave"), concurrency=1).then(named("never"))
    flow = Workflow("w").then(inner).then(named("a"))
    return PureRun(
        App(workflows=[flow]), "w", [1, 2], {"leave": lambda item, _: Bailed(result=[item.input]), "a": write}
    )


def states() -> PureRun:
    flow = Workflow("w").parallel(named("a"), Workflow("inner").then(named("b")), named("c"))
    return PureRun(App(workflows=[flow]), "w", 1, {"a": write, "b": write, "c": write})


def test_a_sequence_ends_with_the_last_output() -> None:
    """Steps follow one another; a declarative map is decided without a worker."""
    for seed in SEEDS:
        run = sequence().finish(seed, losses=2)
        assert run.root.output == {"k": 1, "a": 2}


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_give_the_same_output_in_every_schedule(seed: int) -> None:
    """Outcomes, losses and resumes in any order; the replay of each prefix is the state itself."""
    run = blocks().finish(seed, losses=2)
    assert run.root.output == {"d": {"a": 2, "b": None, "c": [1, "yes"]}}


@pytest.mark.parametrize("seed", SEEDS)
def test_waits_end_in_every_schedule(seed: int) -> None:
    """Sleeps, signals, suspensions and limits are all facts of the journal."""
    run = waits().finish(seed)
    assert run.status == "success"


@pytest.mark.parametrize("seed", SEEDS)
def test_retries_are_counted_in_every_schedule(seed: int) -> None:
    """Losses are no failures."""
    run = retries().finish(seed, losses=2)
    assert run.root.output == {"a": 1, "b": None}
    assert run.nodes["a"].failures + run.nodes["a"].deaths == run.nodes["a"].attempt - 1


@pytest.mark.parametrize("seed", SEEDS)
def test_the_state_is_the_same_in_every_schedule(seed: int) -> None:
    """Of parallel writers the later in definition order wins, nested ones included."""
    run = states().finish(seed, losses=1)
    frame = run.root.frame
    assert frame is not None
    assert frame.state == {"last": "c", "a": True, "inner/b": True, "c": True}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_foreach_of_workflows_ends_in_every_schedule(seed: int) -> None:
    """Items suspend, are resumed and wait for slots; never more than allowed move."""
    inner = Workflow("inner").then(named("ask")).then(named("ask2"))
    flow = Workflow("w").foreach(inner, concurrency=2)
    pure = PureRun(App(workflows=[flow]), "w", [1, 2, 3, 4], {"ask": ask, "ask2": ask})
    run = pure.finish(seed, losses=2)
    assert run.root.output == [[[number, "yes"], "yes"] for number in range(1, 5)]


def test_a_bail_is_decided_before_its_foreach_goes_on() -> None:
    """No further item is begun, no entry of one is in the journal."""
    pure = bails()
    run = pure.finish()
    assert run.nodes["inner"].output == [1]
    assert "inner/leave[1]" not in run.nodes


def test_a_loop_repeats_its_body_until_its_condition_holds() -> None:
    """Each iteration's condition is a body of its own, asked once."""
    flow = Workflow("w").do_until(named("a"), condition)
    pure = PureRun(App(workflows=[flow]), "w", 0, {"a": add})
    for value in (1, 2):
        pure.end(pure.pending[0][0])
        asked = pure.pending[0][0]
        assert (asked.path, asked.input) == (f"a[{value - 1}]?", value)
        pure.take(AttemptEnded(at=pure.now, path=asked.path, attempt=1, outcome=Succeeded(output=value == 2)))
    assert (pure.run.status, pure.run.root.output) == ("success", 2)


def test_a_late_wake_up_sleeps_no_longer() -> None:
    """The time to wake is in the entry, not computed from when somebody looked."""
    pure = PureRun(App(workflows=[Workflow("w").sleep(10)]), "w", 1)
    assert pure.run.timers == {("sleep", "sleep"): pure.now + 10}


def test_a_cancel_ends_everything_below() -> None:
    """Attempts are dropped, timers and waiters are gone."""
    flow = Workflow("w").parallel(named("a"), Workflow("s").sleep(5), Workflow("g").wait_for_signal("go"))
    pure = PureRun(App(workflows=[flow]), "w", 1)
    pure.take(CancelRequested(at=pure.now, reason="enough"))
    run = pure.run
    assert (run.status, run.reason, run.timers, run.waiters) == ("canceled", "enough", {}, {})
    assert {node.status for node in run.nodes.values()} == {"canceled"}


def test_a_run_limit_counts_moving_time_only() -> None:
    """The timer is taken off while the run is parked and set again to what is left."""
    flow = Workflow("w", timeout_s=60).sleep(40).then(named("ask")).sleep(40)
    pure = PureRun(App(workflows=[flow]), "w", 1, {"ask": ask})
    pure.wait()
    pure.end(pure.pending[0][0])
    assert pure.run.timers == {}
    pure.now += 1000
    pure.resume("ask", 1)
    assert pure.run.timers["", "run"] == pure.now + 20
    pure.end(pure.pending[0][0])
    pure.wait()
    assert pure.run.error is not None
    assert pure.run.error.code == "step_timeout"


def test_a_child_that_ends_before_its_caller_has_parked_is_not_missed() -> None:
    """The caller that reports to be parked on a child with an outcome runs again at once."""
    app = App(workflows=[Workflow("w").then(named("a")), Workflow("child").then(named("ask"))])
    pure = PureRun(app, "w", 1, {"ask": ask, "a": lambda *_: Parked(on="child")})
    caller = pure.pending[0][0]
    pure.call("a", "child", "child", 5)
    child = next(node for node, _ in pure.pending if node.path == "a/child/ask")
    pure.end(child)
    pure.resume("a/child/ask", 1)
    pure.end(child)
    assert pure.run.nodes["a/child"].output == [5, 1]
    pure.end(caller)
    assert (caller.attempt, caller.has_attempt) == (2, True)


def test_a_timer_of_an_attempt_is_a_failure() -> None:
    """The attempt is dropped and counts as a failed one."""
    flow = Workflow("w").then(named("a", retries=1, timeout_s=5))
    pure = PureRun(App(workflows=[flow]), "w", 1)
    pure.take(TimerFired(at=pure.now, path="a", kind="attempt", attempt=1))
    assert (pure.pending, pure.run.nodes["a"].failures) == ([], 1)
    pure.wait()
    assert pure.run.nodes["a"].attempt == 2
