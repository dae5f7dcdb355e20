"""What type checkers know of definitions. Checked by mypy; run once, so that it cannot lie."""

from typing import Any, assert_type

from greenroom import Agent, App, Memory, Step, StepContext, Tool, ToolContext, Workflow, from_step, step, tool
from greenroom.runtime.contracts.plan import BundlePlan, Source
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.context import Ready


@step
def double(value: int) -> int:
    return 2 * value


@step(id="other", retries=3)
async def outline(text: str, ctx: StepContext) -> list[str]:
    return [text, ctx.run_id]


@tool
def search(query: str, limit: int = 5) -> list[str]:
    return [query] * limit


@tool(requires_approval=True, timeout_s=3)
async def publish(page: str, ctx: ToolContext) -> str:
    return page + ctx.run_id


def test_steps_and_tools_keep_the_signature_of_their_function() -> None:
    """They are called, and checked, as the function is."""
    assert_type(double(2), int)
    assert_type(search("x", limit=2), list[str])
    assert isinstance(outline, Step)
    assert isinstance(publish, Tool)


def test_async_functions_stay_async() -> None:
    """Calling one gives its coroutine."""

    async def calls(ctx: ToolContext) -> None:
        assert_type(await outline("x", ctx), list[str])
        assert_type(await publish("x", ctx), str)

    assert callable(calls)


def test_builders_return_the_workflow() -> None:
    """Whatever is chained stays a Workflow."""
    workflow = (
        Workflow("w", input=str)
        .then(outline)
        .foreach(double)
        .parallel(double, search)
        .branch((lambda value: value > 1, double))
        .do_until(double, lambda value, ctx: value > ctx.iteration)
        .map({"x": from_step(outline)})
        .sleep(1)
        .wait_for_signal("paid")
    )
    assert_type(workflow, Workflow)
    assert_type(from_step(outline), Source)


def test_an_app_gives_a_plan_and_code() -> None:
    """The two things other parts ask it for."""
    app = App(agents=[Agent(id="a", model="openai/x", memory=Memory(last_messages=3))])
    assert_type(app.plan, BundlePlan)
    assert_type(app.code, dict[str, Body])


def test_contexts_are_typed() -> None:
    """Only what must be awaited is an awaitable."""

    async def body(ctx: StepContext) -> None:
        assert_type(ctx.suspend({"a": 1}), Ready)
        assert_type(ctx.run_id, str)
        assert_type(ctx.state, dict[str, Any])
        await ctx.write("chunk", durable=True)
        ctx.write("chunk")

    assert callable(body)
