"""Nested workflows. Lines 14 and 15 of the page on semantics."""

import asyncio
from typing import Any

from pydantic import BaseModel

from greenroom import App, StepContext, Workflow, step
from tests.host.harness import Harness, calm, run_once


class Counter(BaseModel):
    count: int = 0


async def echo(value: Any) -> Any:
    return value


async def fail(value: Any) -> Any:
    raise ValueError("no")


async def ask(value: Any, ctx: StepContext) -> Any:
    return [value, await ctx.suspend({"about": value})]


async def leave(value: Any, ctx: StepContext) -> Any:
    ctx.bail({"left": value})


async def count(value: Any, ctx: StepContext) -> Any:
    ctx.set_state({"count": ctx.state.get("count", 0) + 1})
    return value


async def tell_state(value: Any, ctx: StepContext) -> Any:
    return ctx.state


async def test_a_nested_workflow_is_a_child_run_of_the_same_trace() -> None:
    """14. It has an id of its own and a parent, can be looked at like a run, and shares the trace."""

    async def tell(value: Any, ctx: StepContext) -> Any:
        return [ctx.run_id, ctx.workflow_id, ctx.path]

    inner = Workflow("inner").then(tell)
    async with Harness(App(workflows=[Workflow("outer").then(inner)])) as harness:
        result = await harness.client.workflow("outer").run(1, timeout_s=5)
        child_id = result.steps["inner"].run_id
        assert child_id is not None
        child = await (await harness.client.run(child_id)).get()
        page = await harness.client.runs()
        roots = await harness.client.runs(roots=True)
    assert result.output[1:] == ["inner", "inner/tell"]
    assert (child.status, child.trace_id, list(child.steps)) == ("success", result.trace_id, ["tell"])
    assert {run.run_id: run.parent_id for run in page} == {result.run_id: None, child_id: result.run_id}
    assert [run.run_id for run in roots] == [result.run_id]


async def test_a_failure_inside_fails_the_outer_run_at_the_full_path() -> None:
    """14. The error is the inner step's, named from the outside."""
    result = await run_once(Workflow("outer").then(Workflow("inner").then(fail)).then(echo), 1)
    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.type, result.error.path) == ("ValueError", "inner/fail")
    assert "echo" not in result.steps


async def test_an_allowed_failure_of_a_nested_workflow_is_none() -> None:
    """14. It behaves as a step in a block."""
    inner = Workflow("inner").then(fail)
    assert (await run_once(Workflow("outer").parallel(inner, echo, allow_failure=True), 1)).output == {
        "inner": None,
        "echo": 1,
    }


async def test_canceling_the_child_cancels_the_run() -> None:
    """14. A child that is canceled by its own id cancels what waits for it, siblings included."""
    inner = Workflow("inner").then(ask)
    for flow in (
        Workflow("outer").then(inner).then(echo),
        Workflow("outer").parallel(inner, echo).then(step(id="after")(echo)),
        Workflow("outer").map(lambda value: [value]).foreach(inner).then(echo),
        Workflow("outer").do_until(inner, fail).then(echo),
    ):
        async with Harness(App(workflows=[flow])) as harness:
            run = await harness.client.workflow("outer").start(1)
            result = await run.result(timeout_s=5)
            path = result.suspended[0].rpartition("/")[0]
            child = await harness.client.run(str(result.steps[path].run_id))
            assert await child.cancel()
            result = await run.result(timeout_s=5)
        assert result.status == "canceled", flow
        assert result.steps[path].status == "canceled"


async def test_canceling_the_run_cancels_the_child() -> None:
    """14. The cascade reaches what is nested."""
    inner = Workflow("inner").then(ask)
    async with Harness(App(workflows=[Workflow("outer").then(inner)])) as harness:
        run = await harness.client.workflow("outer").start(1)
        result = await run.result(timeout_s=5)
        assert await run.cancel()
        child = await (await harness.client.run(str(result.steps["inner"].run_id))).get()
    assert child.status == "canceled"


async def test_bail_ends_the_nested_workflow_only() -> None:
    """15. The nested workflow's output is the bailed value; the outer one goes on with it."""
    inner = Workflow("inner").then(leave).then(fail)
    result = await run_once(Workflow("outer").then(inner).then(echo), 7)
    assert (result.status, result.output) == ("success", {"left": 7})
    assert result.steps["inner"].output == {"left": 7}


async def test_bail_from_an_item_of_a_nested_foreach_ends_the_nested_workflow() -> None:
    """15. It ends the workflow in which the step stands, out of every block of it."""
    inner = Workflow("inner").foreach(leave, concurrency=1).then(fail)
    result = await run_once(Workflow("outer").then(inner).then(echo), [1, 2])
    assert (result.status, result.output) == ("success", {"left": 1})


async def test_the_state_is_shared_with_the_parent() -> None:
    """14. What a nested workflow sets, the parent sees, and the other way round."""
    inner = Workflow("inner").then(count).then(step(id="again")(count))
    result = await run_once(Workflow("outer").then(count).then(inner).then(tell_state), 1)
    assert result.output == {"count": 3}


async def test_a_nested_workflow_may_have_a_state_of_its_own() -> None:
    """14. It begins with its schema's defaults and changes nothing outside."""
    inner = Workflow("inner", state=Counter).then(tell_state).then(count).then(step(id="inside")(tell_state))
    result = await run_once(Workflow("outer").then(count).then(inner).then(step(id="end")(tell_state)), 1)
    assert result.output == {"count": 1}
    assert result.steps["inner/tell_state"].output == {"count": 0}
    assert result.steps["inner/inside"].output == {"count": 1}


async def test_a_sibling_of_a_nested_workflow_sees_what_it_set() -> None:
    """16. A step that is resumed later sees the state as it is then, also in the same life of the runtime."""

    async def look(value: Any, ctx: StepContext) -> Any:
        await ctx.suspend()
        return ctx.state

    gate = asyncio.Event()

    async def late(value: Any, ctx: StepContext) -> Any:
        await gate.wait()
        ctx.set_state({"late": True})

    inner = Workflow("inner").then(late).then(ask)
    async with Harness(App(workflows=[Workflow("outer").parallel(inner, look)])) as harness:
        run = await harness.client.workflow("outer").start(1)
        await calm()
        gate.set()
        await run.result(timeout_s=5)
        await run.resume("look")
        result = await run.result(timeout_s=5)
    assert result.steps["look"].output == {"late": True}


async def test_three_levels_are_resumed_by_path_dotted_id_and_suffix() -> None:
    """20, 21. A step deep inside is found by its path, a dotted id, a suffix, or the workflow around it."""
    for name in ("middle/inner/ask", "inner.ask", "middle.inner.ask", "inner/ask", "ask", "inner", "middle"):
        inner = Workflow("inner").then(ask)
        flow = Workflow("outer").then(Workflow("middle").then(inner))
        async with Harness(App(workflows=[flow])) as harness:
            run = await harness.client.workflow("outer").start(1)
            assert (await run.result(timeout_s=5)).suspended == ["middle/inner/ask"]
            await run.resume(name, "yes")
            assert (await run.result(timeout_s=5)).output == [1, "yes"], name
