"""What a body calls through the runtime: `ctx.workflow`, `ctx.tool`, `ctx.agent`. Journaled children of its step."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from greenroom import Agent, App, GreenroomError, StepContext, Workflow, step, tool
from greenroom.runtime.contracts.work import Call
from greenroom.runtime.host.intake import Intake
from tests.host.crash_store import CrashStore
from tests.host.harness import Harness, calm
from tests.host.scripted_turns import ScriptedTurns, said


async def add(value: int) -> int:
    return value + 1


async def ask(value: Any, ctx: StepContext) -> Any:
    return [value, await ctx.suspend({"about": value})]


async def fail(value: Any) -> Any:
    raise ValueError("no")


@tool
async def shout(text: str) -> str:
    """Shout."""
    return text.upper()


async def test_a_body_calls_workflows_tools_and_agents_and_gets_their_outputs() -> None:
    """14. Each is a child in the run's steps, with the step's path before its own."""

    async def body(value: int, ctx: StepContext) -> Any:
        return [
            await ctx.workflow("plus").run(value),
            await ctx.tool("shout").execute({"text": "hey"}),
            await ctx.agent("writer").generate("Go."),
        ]

    flows = [Workflow("w").then(body), Workflow("plus", input=int).then(add)]
    app = App(workflows=flows, tools=[shout], agents=[Agent(id="writer", instructions="", model="m/m")])
    async with Harness(app, turns=ScriptedTurns([said("Hello.")])) as harness:
        result = await harness.client.workflow("w").run(1, timeout_s=5)
        heads = await harness.client.runs()
    assert result.output == [2, "HEY", "Hello."]
    assert {"body", "body/plus", "body/plus/add", "body/shout", "body/writer"} <= set(result.steps)
    assert {head.target: head.parent_id for head in heads} == {
        "w": None,
        "plus": result.run_id,
        "writer": result.run_id,
    }


async def test_options_of_a_call_to_an_agent_reach_its_turns() -> None:
    """41. What the caller asks for beside the prompt counts."""

    async def body(value: int, ctx: StepContext) -> Any:
        return await ctx.agent("writer").generate("Go.", settings={"temperature": 0})

    turns = ScriptedTurns([said("Hello.")])
    app = App(workflows=[Workflow("w").then(body)], agents=[Agent(id="writer", instructions="", model="m/m")])
    async with Harness(app, turns=turns) as harness:
        await harness.client.workflow("w").run(1, timeout_s=5)
    assert turns.asked[0]["settings"] == {"temperature": 0}


async def test_calls_may_be_made_at_once() -> None:
    """14. Two calls of one target are told apart by their order."""

    async def body(value: int, ctx: StepContext) -> Any:
        return await asyncio.gather(ctx.workflow("plus").run(value), ctx.workflow("plus").run(value + 10))

    app = App(workflows=[Workflow("w").then(body), Workflow("plus").then(add)])
    async with Harness(app) as harness:
        result = await harness.client.workflow("w").run(1, timeout_s=5)
    assert result.output == [2, 12]
    assert {"body/plus", "body/plus#2"} <= set(result.steps)


async def test_a_failing_child_raises_in_the_body() -> None:
    """14. The body may catch it; what it does not catch fails its step."""

    async def catch(value: int, ctx: StepContext) -> Any:
        try:
            await ctx.workflow("bad").run(value)
        except GreenroomError as error:
            return [error.message, error.facts["type"], error.facts["path"]]

    async def leave(value: int, ctx: StepContext) -> Any:
        await ctx.workflow("bad").run(value)

    app = App(workflows=[Workflow("c").then(catch), Workflow("l").then(leave), Workflow("bad").then(fail)])
    async with Harness(app) as harness:
        caught = await harness.client.workflow("c").run(1, timeout_s=5)
        left = await harness.client.workflow("l").run(1, timeout_s=5)
    assert caught.output == ["no", "ValueError", "catch/bad/fail"]
    assert left.status == "failed"


async def test_an_unknown_target_raises_in_the_body() -> None:
    """14. The error names what there is."""

    async def body(value: int, ctx: StepContext) -> Any:
        try:
            await ctx.workflow("nowhere").run(value)
        except GreenroomError as error:
            return [error.code, error.message]

    async with Harness(App(workflows=[Workflow("w").then(body)])) as harness:
        result = await harness.client.workflow("w").run(1, timeout_s=5)
    assert result.output[0] == "not_found"
    assert "w" in result.output[1]


async def test_an_invalid_input_of_a_child_raises_in_the_body() -> None:
    """7. The called workflow's input schema holds."""

    async def body(value: int, ctx: StepContext) -> Any:
        try:
            await ctx.workflow("plus").run("text")
        except GreenroomError as error:
            return error.code

    app = App(workflows=[Workflow("w").then(body), Workflow("plus", input=int).then(add)])
    async with Harness(app) as harness:
        assert (await harness.client.workflow("w").run(1, timeout_s=5)).output == "invalid_input"


@pytest.mark.parametrize("is_crashed", [False, True])
async def test_a_suspended_child_parks_its_caller(is_crashed: bool) -> None:
    """21. The run is suspended and holds no worker; after the resume the body runs again and gets the output."""
    calls: Counter[str] = Counter()

    async def body(value: int, ctx: StepContext) -> Any:
        calls["body"] += 1
        before = await ctx.workflow("plus").run(value)
        return [before, await ctx.workflow("asker").run(value)]

    async def count(value: int) -> int:
        calls["count"] += 1
        return value + 1

    app = App(workflows=[Workflow("w").then(body), Workflow("asker").then(ask), Workflow("plus").then(count)])
    async with Harness(app) as harness:
        run = await harness.client.workflow("w").start(1)
        result = await run.result(timeout_s=5)
        assert (result.status, result.suspended) == ("suspended", ["body/asker/ask"])
        assert {worker["load"] for worker in (await harness.client.status())["workers"]} == {0}
        if is_crashed:
            await harness.crash()
        await run.resume("ask", "yes")
        assert (await run.result(timeout_s=5)).output == [2, [1, "yes"]]
    assert calls == {"body": 2, "count": 1}


async def test_a_child_that_goes_on_while_its_caller_leaves_is_not_missed() -> None:
    """21. Two children at once: one parks the caller, the other ends before the caller has left."""
    gate = asyncio.Event()

    async def slow(value: Any) -> Any:
        await gate.wait()
        return "slow"

    async def body(value: int, ctx: StepContext) -> Any:
        return await asyncio.gather(ctx.workflow("asker").run(value), ctx.workflow("slow").run(value))

    app = App(workflows=[Workflow("w").then(body), Workflow("asker").then(ask), Workflow("slow").then(slow)])
    async with Harness(app) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        await run.resume("ask", "yes")
        await calm()
        gate.set()
        assert (await run.result(timeout_s=5)).output == [[1, "yes"], "slow"]


@pytest.mark.parametrize("turns", range(0, 40, 2))
async def test_a_child_resumed_at_any_moment_brings_its_caller_back(turns: int) -> None:
    """21. However the resume falls between the caller's parking and its report of it."""

    async def body(value: int, ctx: StepContext) -> Any:
        return await ctx.workflow("asker").run(value)

    app = App(workflows=[Workflow("w").then(body), Workflow("asker").then(ask)])
    async with Harness(app) as harness:
        run = await harness.client.workflow("w").start(1)
        state = harness.find_state(run.run_id)
        assert state is not None
        while not state.root.suspended:
            await calm(1)
        await calm(turns)
        await run.resume("ask", "yes")
        assert (await run.result(timeout_s=5)).output == [1, "yes"]


async def test_a_parked_caller_in_an_item_frees_its_slot() -> None:
    """13. It holds no slot of the foreach while its child waits for a person."""

    async def body(value: int, ctx: StepContext) -> Any:
        return await ctx.workflow("asker").run(value)

    app = App(workflows=[Workflow("w").foreach(step(id="each")(body), concurrency=1), Workflow("asker").then(ask)])
    async with Harness(app) as harness:
        run = await harness.client.workflow("w").start([1, 2, 3])
        assert len((await run.result(timeout_s=5)).suspended) == 3
        await run.resume("each", "all")
        assert (await run.result(timeout_s=5)).output == [[1, "all"], [2, "all"], [3, "all"]]


async def test_a_tool_runs_by_itself() -> None:
    """2. Arguments are validated; the result is the tool's."""
    async with Harness(App(tools=[shout])) as harness:
        assert await harness.client.tool("shout").execute({"text": "hey"}, timeout_s=5) == "HEY"
        with pytest.raises(GreenroomError) as caught:
            await harness.client.tool("shout").execute({"text": 5})
    assert caught.value.code == "invalid_input"


async def test_an_answer_that_died_with_the_runtime_is_given_by_the_next() -> None:
    """30. The child's outcome is durable and its caller lives on, waiting: it is answered and does not run again."""
    calls: Counter[str] = Counter()

    async def body(value: int, ctx: StepContext) -> Any:
        calls[ctx.path] += 1
        return await ctx.workflow("plus").run(value)

    store = CrashStore([3], "after")
    app = App(workflows=[Workflow("w").then(body), Workflow("plus", input=int).then(add)])
    async with Harness(app, storage=store, workers=1) as harness:
        run = await harness.client.workflow("w").start(1)
        await store.hit.wait()
        await harness.crash()
        store.hit.clear()
        result = await run.result(timeout_s=5)
    assert (result.output, calls) == (2, {"body": 1})


async def test_a_call_is_answered_only_when_its_childs_outcome_is_durable() -> None:
    """5. A worker that asks again, while the child's outcome is being written, does not go on with what may be lost."""
    gate, answered = asyncio.Event(), asyncio.Event()

    async def body(value: int, ctx: StepContext) -> Any:
        output = await ctx.workflow("plus").run(value)
        answered.set()
        return output

    async def held(value: int) -> int:
        await gate.wait()
        return value + 1

    store = CrashStore([3], "before")
    app = App(workflows=[Workflow("w").then(body), Workflow("plus", input=int).then(held)])
    async with Harness(app, storage=store) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        gate.set()
        await store.hit.wait()
        engine = harness.host._engine
        assert engine is not None
        again = Call(run_id=run.run_id, path="body", attempt=1, name="plus", kind="workflow", target="plus", input=1)
        asking = asyncio.ensure_future(Intake(engine).reported((again,)))
        await calm()
        assert not answered.is_set()
        await harness.crash()
        store.hit.clear()
        assert (await run.result(timeout_s=5)).output == 2
        asking.cancel()
