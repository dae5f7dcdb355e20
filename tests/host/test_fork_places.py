"""Where a fork may begin: at an item, an iteration, a member, a nested step, a call of a body, a part of an agent."""

from typing import Any

import pytest

from greenroom import (
    Agent,
    App,
    InvalidInput,
    StepContext,
    Workflow,
    tool,
)
from tests.host.counted import body, calls, forget_calls
from tests.host.harness import Harness
from tests.host.scripted_turns import ScriptedTurns, called, said


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    forget_calls()


@pytest.mark.parametrize(("from_step", "expected"), [("each[3]", [1, 1, 1, 2, 2]), ("each[0]", [2] * 5)])
async def test_a_foreach_begins_from_an_item(from_step: str, expected: list[int]) -> None:
    """36. Items before it keep their outcomes, it and those behind it are executed, the order is kept."""
    flow = Workflow("main", input=list[int]).foreach(body("each"), concurrency=2).then(body("end", lambda v, _: v))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start([0, 10, 20, 30, 40])
        await parent.result(timeout_s=5)
        fork = await parent.fork(from_step=from_step)
        result = await fork.result(timeout_s=5)
    assert result.output == [1, 11, 21, 31, 41]
    assert [calls[f"each[{index}]"] for index in range(5)] == expected


async def test_an_item_before_it_that_failed_begins_again() -> None:
    """36. Only what succeeded is taken over; the foreach keeps its concurrency and gets every item."""
    failing = {"each[1]"}
    most: list[int] = []

    async def shaky(value: Any, ctx: StepContext) -> Any:
        most.append(sum(1 for _ in most) + 1)
        if ctx.path in failing:
            raise ValueError(ctx.path)
        return value * 2

    flow = Workflow("main", input=list[int]).foreach(body("each", shaky), concurrency=1 + 2)
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start([1, 2, 3, 4])
        assert (await parent.result(timeout_s=5)).status == "failed"
        failing.clear()
        fork = await parent.fork(from_step="each[2]", input=30)
        assert (await fork.result(timeout_s=5)).output == [2, 4, 60, 8]
    assert calls["each[0]"] == 1
    assert calls["each[1]"] == 2


async def test_a_loop_begins_from_an_iteration() -> None:
    """36. Earlier iterations and their conditions are kept, also when the input of the iteration is given."""
    asked: list[int] = []

    async def enough(value: int) -> bool:
        asked.append(value)
        return value >= 5

    flow = Workflow("main", input=int).do_until(body("count"), enough)
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(0)
        assert (await parent.result(timeout_s=5)).output == 5
        asked.clear()
        fork = await parent.fork(from_step="count[3]")
        assert (await fork.result(timeout_s=5)).output == 5
        assert asked == [4, 5]
        again = await parent.fork(from_step="count[2]", input=4)
        result = await again.result(timeout_s=5)
        assert (result.output, result.steps["count[1]"].output) == (5, 2)
    assert [calls[f"count[{index}]"] for index in range(5)] == [1, 1, 2, 2, 2]


async def test_a_nested_path_begins_inside_its_workflow() -> None:
    """36. What came before it in every workflow around it is taken over; nested parts are runs of the fork's own."""
    inner = Workflow("inner").then(body("x")).then(body("y"))
    outer = Workflow("outer").then(body("o")).then(inner).then(body("p"))
    flow = Workflow("main", input=int).then(body("a")).then(outer).then(body("z"))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(0)
        first = await parent.result(timeout_s=5)
        fork = await parent.fork(from_step="outer/inner/y", input=100)
        result = await fork.result(timeout_s=5)
        assert (first.output, result.output) == (6, 103)
        child = result.steps["outer/inner"].run_id
        assert child != first.steps["outer/inner"].run_id
        assert (await (await harness.client.run(child or "")).get()).output == 101
    assert calls == {"a": 1, "outer/o": 1, "outer/inner/x": 1, "outer/inner/y": 2, "outer/p": 2, "z": 2}


async def test_members_beside_the_step_are_taken_over() -> None:
    """36. Of a parallel and of a branch only the member is executed again, conditions are not asked again."""
    conditions: list[int] = []

    async def always(value: Any) -> bool:
        conditions.append(1)
        return True

    flow = Workflow("main", input=int).parallel(body("left"), body("right"))
    flow.map(lambda value: value["left"]).branch((always, body("one")), (always, body("two")))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(0)
        await parent.result(timeout_s=5)
        fork = await parent.fork(from_step="two", input=7)
        assert (await fork.result(timeout_s=5)).output == {"one": 2, "two": 8}
        assert (len(conditions), calls["one"], calls["two"]) == (2, 1, 2)
        other = await parent.fork(from_step="right", input=7)
        result = await other.result(timeout_s=5)
        assert result.steps["right"].output == 8
        assert (calls["left"], calls["right"], calls["one"], len(conditions)) == (1, 2, 2, 4)


async def test_a_step_inside_a_call_of_a_body_begins_again_and_its_caller_after_it() -> None:
    """36. The caller waits for the child that begins again, then runs once more with the answers of its other calls."""

    async def caller(value: Any, ctx: StepContext) -> Any:
        first = await ctx.workflow("child").run(value)
        return [first, await ctx.workflow("child").run(first)]

    child = Workflow("child").then(body("plus")).then(body("more"))
    flow = Workflow("main", input=int).then(body("call", caller)).then(body("end", lambda v, _: v))
    async with Harness(App(workflows=[flow, child])) as harness:
        parent = await harness.client.workflow("main").start(0)
        assert (await parent.result(timeout_s=5)).output == [2, 4]
        fork = await parent.fork(from_step="call/child#2/more", input=100)
        assert (await fork.result(timeout_s=5)).output == [2, 101]
        assert (calls["call/child/plus"], calls["call/child#2/plus"], calls["call/child#2/more"]) == (1, 1, 2)
        whole = await parent.fork(from_step="call/child", input=10)
        assert (await whole.result(timeout_s=5)).output == [12, 14]


async def test_an_agent_is_forked_at_a_turn_and_at_a_call() -> None:
    """36. Turns before it are not paid again; a call with given arguments shows the model its new result."""

    @tool
    async def search(query: str) -> str:
        """Search."""
        calls[query] += 1
        return query.upper()

    asks = called(("search", {"query": "a"}), ("search", {"query": "b"}))
    turns = ScriptedTurns({"writer": [asks, said("Done.")]})
    writer = Agent(id="writer", instructions="Write.", model="m/m", tools=[search])
    async with Harness(App(agents=[writer]), turns=turns) as harness:
        first = await harness.client.agent("writer").generate("Go.")
        parent = await harness.client.run(first.run_id)
        fork = await parent.fork(from_step="turn[1]")
        assert (await fork.result(timeout_s=5)).output == "Done."
        assert (len(turns.asked), calls) == (3, {"a": 1, "b": 1})
        other = await parent.fork(from_step="search#2", input={"query": "c"})
        result = await other.result(timeout_s=5)
        assert (result.output, result.steps["search"].output, result.steps["search#2"].output) == ("Done.", "A", "C")
        assert calls == {"a": 1, "b": 1, "c": 1}
        assert [message["content"] for message in turns.asked[-1]["messages"][-2:]] == ["A", "C"]
        assert (await fork.get()).usage.total_tokens < first.usage.total_tokens


async def test_a_lone_tool_is_forked_with_other_arguments() -> None:
    """36. A run of a tool has one step, which is executed again; its arguments are checked."""

    @tool
    async def search(query: str, limit: int = 5) -> str:
        """Search."""
        calls[query] += 1
        return f"{query} {limit}"

    async with Harness(App(tools=[search])) as harness:
        parent = await harness.client.start("tool", "search", {"query": "a"})
        assert (await parent.result(timeout_s=5)).output == "a 5"
        fork = await parent.fork(from_step="search", input={"query": "b"})
        assert (await fork.result(timeout_s=5)).output == "b 5"
        with pytest.raises(InvalidInput, match="input for step 'search'"):
            await parent.fork(from_step="search", input={"limit": "x"})
        await parent.rerun(from_step="search")
        assert (await parent.result(timeout_s=5)).output == "a 5"
    assert calls == {"a": 2, "b": 1}


async def test_what_is_approved_in_a_fork_is_what_is_executed() -> None:
    """36, 43. Arguments that are given for a call are those that are shown, with their hash, and those that it gets."""

    @tool(requires_approval=True)
    async def publish(page: str) -> str:
        """Publish."""
        calls[page] += 1
        return page

    turns = ScriptedTurns({"writer": [called(("publish", {"page": "old"})), said("Done.")]})
    writer = Agent(id="writer", instructions="Write.", model="m/m", tools=[publish])
    async with Harness(App(agents=[writer]), turns=turns) as harness:
        parent = await harness.client.start("agent", "writer", "Go.")
        asked = (await parent.result(timeout_s=5)).suspend_payload["publish"]
        fork = await parent.fork(from_step="publish", input={"page": "new"})
        shown = (await fork.result(timeout_s=5)).suspend_payload["publish"]
        assert (shown["arguments"], shown["args_hash"] != asked["args_hash"]) == ({"page": "new"}, True)
        agent = harness.client.agent("writer")
        await agent.approve(fork.run_id, shown["tool_call_id"], args_hash=shown["args_hash"])
        assert (await fork.result(timeout_s=5)).output == "Done."
        assert (await parent.get()).suspend_payload["publish"] == asked
    assert calls == {"new": 1}
