"""Loops. Line 12 of the page on semantics."""

import asyncio
from typing import Any

from greenroom import App, StepContext, Workflow, step
from tests.host.harness import Harness, run_once


async def add(value: int) -> int:
    return value + 1


async def is_three(value: int) -> bool:
    return value == 3


async def is_small(value: int) -> bool:
    return value < 3


async def always(value: Any) -> bool:
    return True


async def never(value: Any) -> bool:
    return False


async def test_the_body_runs_at_least_once() -> None:
    """12. Also when the condition would have held, or not held, before."""
    assert (await run_once(Workflow("w", input=int).do_until(add, always), 5)).output == 6
    assert (await run_once(Workflow("w", input=int).do_while(add, never), 5)).output == 6


async def test_output_feeds_the_next_iteration_and_each_outcome_is_kept() -> None:
    """12. do_until and do_while end where the condition says; every iteration is in the steps."""
    for flow in (Workflow("w", input=int).do_until(add, is_three), Workflow("w", input=int).do_while(add, is_small)):
        result = await run_once(flow, 0)
        assert result.output == 3
        assert [result.steps[f"add[{index}]"].output for index in range(3)] == [1, 2, 3]
        assert result.steps["add"].output == 3


async def test_the_iteration_is_counted_from_one() -> None:
    """12. The body and the condition see which iteration it is, whatever flows; elsewhere it is 0."""
    seen: list[Any] = []

    async def body(value: list[int], ctx: StepContext) -> list[int]:
        seen.append(ctx.iteration)
        return [*value, len(value)]

    async def is_done(value: list[int], ctx: StepContext) -> bool:
        seen.append(f"?{ctx.iteration}")
        return len(value) == 2

    async def after(value: Any, ctx: StepContext) -> Any:
        return ctx.iteration

    result = await run_once(Workflow("w").do_until(body, is_done).then(after), [])
    assert seen == [1, "?1", 2, "?2"]
    assert result.output == 0


async def test_a_nested_workflow_in_a_loop_knows_its_iteration() -> None:
    """12. A step inside of what is repeated sees the number of the repetition."""
    seen: list[int] = []

    async def body(value: int, ctx: StepContext) -> int:
        seen.append(ctx.iteration)
        return value + 1

    inner = Workflow("inner").then(body)
    assert (await run_once(Workflow("w", input=int).do_until(inner, is_three), 1)).output == 3
    assert seen == [1, 2]


async def test_too_many_iterations_are_an_error() -> None:
    """12. `max_iterations` bodies run, then the loop fails and says so."""
    result = await run_once(Workflow("w", input=int).do_until(add, never, max_iterations=4), 0)
    assert result.status == "failed"
    assert result.error is not None
    assert "max_iterations=4" in result.error.message
    assert result.error.path == "add"
    assert result.steps["add[3]"].output == 4
    assert "add[4]" not in result.steps


async def test_a_failing_iteration_fails_the_loop() -> None:
    """12. The error is the body's, at the path of its iteration."""

    async def fail(value: int) -> int:
        if value == 1:
            raise ValueError("one")
        return value + 1

    result = await run_once(Workflow("w", input=int).do_until(fail, is_three), 0)
    assert result.error is not None
    assert (result.error.type, result.error.path) == ("ValueError", "fail[1]")


async def test_a_condition_that_raises_fails_the_loop() -> None:
    """12. It is named as the loop's condition."""

    async def broken(value: int) -> bool:
        raise KeyError("x")

    result = await run_once(Workflow("w", input=int).do_until(add, broken), 0)
    assert result.error is not None
    assert "condition of loop 'add'" in result.error.message


async def test_each_resume_belongs_to_its_iteration_only() -> None:
    """23. A loop that suspends in every iteration gets one resume for each."""

    async def ask(value: list[Any], ctx: StepContext) -> list[Any]:
        before = ctx.resume_data
        return [*value, [ctx.iteration, before, await ctx.suspend({"round": ctx.iteration})]]

    async def is_done(value: list[Any]) -> bool:
        return len(value) == 3

    async with Harness(App(workflows=[Workflow("w").do_until(step(id="ask")(ask), is_done)])) as harness:
        run = await harness.client.workflow("w").start([], state={"kept": 1}, request_context={"c": 1})
        for number in range(3):
            result = await run.result(timeout_s=5)
            assert result.suspended == [f"ask[{number}]"]
            assert result.suspend_payload == {f"ask[{number}]": {"round": number + 1}}
            if number == 1:
                await harness.crash()
            await run.resume("ask", f"r{number}")
        result = await run.result(timeout_s=5)
    assert result.output == [[1, "r0", "r0"], [2, "r1", "r1"], [3, "r2", "r2"]]
    assert result.state == {"kept": 1}


async def test_sixteen_concurrent_resumes_feed_one_iteration() -> None:
    """22, 23. Only one of them is taken, however soon the next iteration suspends."""

    async def ask(value: int, ctx: StepContext) -> int:
        await ctx.suspend()
        return value + 1

    async with Harness(App(workflows=[Workflow("w", input=int).do_until(ask, is_three)])) as harness:
        run = await harness.client.workflow("w").start(0)
        await run.result(timeout_s=5)
        answers = await asyncio.gather(*(run.resume("ask", n) for n in range(16)), return_exceptions=True)
        assert sum(1 for answer in answers if not isinstance(answer, Exception)) == 1
        result = await run.result(timeout_s=5)
    assert result.suspended == ["ask[1]"]
