"""Parallel and branch. Lines 10, 11 and 15 of the page on semantics."""

import asyncio
from collections import Counter
from typing import Any

from greenroom import App, StepContext, Workflow, step
from greenroom.runtime.client.results import StepResult
from tests.host.harness import Harness, calm, run_once


async def echo(value: Any) -> Any:
    return value


async def fail(value: Any) -> Any:
    raise ValueError("no")


async def ask(value: Any, ctx: StepContext) -> Any:
    return await ctx.suspend({"about": value})


def named(name: str, body: Any = echo) -> Any:
    return step(id=name)(body)


async def always(value: Any) -> bool:
    return True


async def never(value: Any) -> bool:
    return False


async def test_members_get_the_same_input_and_the_output_is_in_definition_order() -> None:
    """10. Whoever ends first, the output is keyed in the order of definition."""
    gates = {name: asyncio.Event() for name in "abc"}

    async def wait(value: Any, ctx: StepContext) -> Any:
        await gates[ctx.path].wait()
        return [ctx.path, value]

    flow = Workflow("w").parallel(named("a", wait), named("b", wait), named("c", wait))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(7)
        for name in "cab":
            gates[name].set()
            await calm()
        result = await run.result(timeout_s=5)
    assert list(result.output.items()) == [("a", ["a", 7]), ("b", ["b", 7]), ("c", ["c", 7])]


async def test_members_run_at_the_same_time() -> None:
    """10. No member waits for another."""
    meeting = asyncio.Barrier(3)

    async def meet(value: Any) -> Any:
        await meeting.wait()
        return value

    flow = Workflow("w").parallel(named("a", meet), named("b", meet), named("c", meet))
    assert (await run_once(flow, 1)).status == "success"


async def test_a_failing_member_fails_the_block_after_all_have_settled() -> None:
    """10. Siblings end first and their outcomes are kept; what stands behind the block is not called."""
    gate = asyncio.Event()
    calls: list[str] = []

    async def slow(value: Any) -> Any:
        await gate.wait()
        return "kept"

    async def later(value: Any) -> Any:
        calls.append("later")

    flow = Workflow("w").parallel(fail, slow).then(later)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        assert (await run.get()).status == "running"
        gate.set()
        result = await run.result(timeout_s=5)
    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.type, result.error.path) == ("ValueError", "fail")
    assert result.steps["slow"].output == "kept"
    assert calls == []


async def test_an_allowed_failure_is_none() -> None:
    """10. With `allow_failure` the block succeeds and the failed member is None."""
    result = await run_once(Workflow("w").parallel(echo, fail, allow_failure=True), 1)
    assert result.output == {"echo": 1, "fail": None}
    assert result.steps["fail"].status == "failed"


async def test_a_suspension_beats_an_allowed_failure() -> None:
    """10. The block waits for the suspended member; the failure does not end it."""
    async with Harness(App(workflows=[Workflow("w").parallel(fail, ask, allow_failure=True)])) as harness:
        run = await harness.client.workflow("w").start(1)
        result = await run.result(timeout_s=5)
        assert (result.status, result.suspended) == ("suspended", ["ask"])
        await run.resume("ask", "yes")
        result = await run.result(timeout_s=5)
    assert result.output == {"fail": None, "ask": "yes"}


async def test_conditions_are_evaluated_at_once_and_every_true_member_runs() -> None:
    """11. All conditions run concurrently; all true ones are taken, and only those."""
    meeting = asyncio.Barrier(3)

    async def meet(value: Any) -> bool:
        await meeting.wait()
        return True

    async def meet_too(value: Any) -> bool:
        await meeting.wait()
        return False

    flow = Workflow("w").branch((meet, named("a")), (meet_too, named("b")), (meet, named("c")))
    result = await run_once(flow, 5)
    assert list(result.output.items()) == [("a", 5), ("c", 5)]
    assert set(result.steps) == {"a", "c"}


async def test_no_true_condition_gives_an_empty_output() -> None:
    """11. None true gives `{}`, and the run goes on."""
    result = await run_once(Workflow("w").branch((never, fail)).then(echo), 5)
    assert (result.status, result.output) == ("success", {})


async def test_conditions_are_never_evaluated_again() -> None:
    """11. Once per visit: not at a resume, not at a recovery."""
    calls: Counter[str] = Counter()

    async def count(value: Any) -> bool:
        calls["condition"] += 1
        return calls["condition"] == 1

    async with Harness(App(workflows=[Workflow("w").branch((count, ask))])) as harness:
        run = await harness.client.workflow("w").start(5)
        await run.result(timeout_s=5)
        await harness.crash()
        await run.resume("ask", 1)
        result = await run.result(timeout_s=5)
    assert result.output == {"ask": 1}
    assert calls["condition"] == 1


async def test_a_condition_that_raises_fails_the_run_and_is_named() -> None:
    """11. The run fails with the condition's name, and no member runs."""

    async def is_odd(value: Any) -> bool:
        raise KeyError("odd")

    result = await run_once(Workflow("w").branch((is_odd, named("a")), (always, named("b"))), 5)
    assert result.status == "failed"
    assert result.error is not None
    assert "is_odd" in result.error.message
    assert "'a'" in result.error.message
    assert result.steps == {}


async def test_bail_in_parallel_ends_the_run_and_cancels_siblings() -> None:
    """15. The run succeeds with the bailed value; a running sibling is cancelled, later bodies have 0 calls."""
    seen: list[str] = []
    cancelled = asyncio.Event()

    async def leave(value: Any, ctx: StepContext) -> Any:
        await asyncio.sleep(0)
        ctx.bail({"left": value})

    async def slow(value: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def later(value: Any) -> Any:
        seen.append("later")

    async with Harness(App(workflows=[Workflow("w").parallel(leave, slow).then(later)])) as harness:
        result = await harness.client.workflow("w").run(3, timeout_s=5)
        await asyncio.wait_for(cancelled.wait(), 5)
    assert (result.status, result.output) == ("success", {"left": 3})
    assert seen == []
    slow_step: StepResult = result.steps["slow"]
    assert slow_step.status == "canceled"
