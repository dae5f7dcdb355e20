"""The example of the public surface, as a user would type it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from pydantic import BaseModel

from greenroom import (
    Agent,
    App,
    Memory,
    StepContext,
    ToolContext,
    Workflow,
    constant,
    from_input,
    from_state,
    from_step,
    step,
    tool,
)
from greenroom.runtime.contracts.plan import (
    BranchNode,
    BundlePlan,
    ForeachNode,
    LoopNode,
    MapNode,
    ParallelNode,
    SignalNode,
    SleepNode,
    StepNode,
)


class Question(BaseModel):
    text: str
    sections: int = 3


class Decision(BaseModel):
    approved: bool
    note: str = ""


class Draft(BaseModel):
    text: str


class Finding(BaseModel):
    text: str


class Hit(BaseModel):
    title: str


class Page(BaseModel):
    body: str


class Receipt(BaseModel):
    url: str


class State(BaseModel):
    x: int = 0


class Payment(BaseModel):
    amount: int


@tool
async def search(query: str, limit: int = 5) -> list[Hit]:
    """Search the workspace's documents."""
    return [Hit(title=query)] * limit


@tool(requires_approval=True, effect="once")
async def publish(page: Page, ctx: ToolContext) -> Receipt:
    """Publish a page."""
    return Receipt(url=f"{ctx.run_id}/{page.body}")


def guard(text: str) -> str:
    return text


researcher = Agent(
    id="researcher",
    instructions="Find out.",
    model="openai/gpt-5-mini",
    tools=[search],
    memory=Memory(last_messages=20),
    output=Finding,
    max_steps=8,
    input_guards=[guard],
    output_guards=[guard],
)


@step
async def outline(question: Question) -> list[str]:
    return [question.text] * question.sections


@step(resume=Decision)
async def review(draft: Draft, ctx: StepContext) -> Draft:
    decision = await ctx.suspend({"draft": draft.text})
    if not decision.approved:
        return ctx.bail({"rejected": decision.note})
    return draft


async def research(section: str) -> Finding:
    return Finding(text=section)


def write(findings: list[Finding]) -> Draft:
    return Draft(text=" ".join(item.text for item in findings))


def illustrate(findings: list[Finding], ctx: StepContext) -> str:
    return f"{ctx.path}: {len(findings)}"


def is_long(value: dict[str, Any]) -> bool:
    return len(value) > 1


def is_short(value: dict[str, Any], ctx: StepContext) -> bool:
    return not ctx.restarted and len(value) <= 1


def shorten(value: Any) -> Draft:
    return Draft(text=str(value))


def extend(value: Any) -> Draft:
    return Draft(text=str(value))


def improve(value: Any) -> Draft:
    return Draft(text=str(value))


def good_enough(draft: Draft, ctx: StepContext) -> bool:
    return ctx.iteration > 1 and bool(draft.text)


def when(_value: Any, _ctx: StepContext) -> datetime:
    return datetime(2030, 1, 1, tzinfo=UTC)


to_draft: Callable[[Any, StepContext], Any] = lambda value, ctx: {"text": f"{value} {ctx.run_id}"}  # noqa: E731 - as users write it


briefing = (
    Workflow("briefing", input=Question, output=Draft, state=State, retries=0)
    .then(outline)
    .foreach(research, concurrency=8, allow_failure=False)
    .parallel(write, illustrate, allow_failure=False)
    .branch((is_long, shorten), (is_short, extend))
    .do_until(improve, good_enough)
    .map(to_draft)
    .map({"key": from_step(outline, "0"), "q": from_input("text"), "k": constant(1), "s": from_state("x")})
    .sleep(60)
    .sleep_until(when)
    .wait_for_signal("paid", schema=Payment, timeout_s=86_400)
    .map({"text": from_input("text")})
    .then(review)
)

app = App(agents=[researcher], workflows=[briefing], tools=[search, publish])


def test_the_example_has_the_nodes_it_shows() -> None:
    """Each builder method adds one node of its kind, in order."""
    kinds = [type(node) for node in app.plan.workflows["briefing"].nodes]
    assert kinds == [
        StepNode,
        ForeachNode,
        ParallelNode,
        BranchNode,
        LoopNode,
        MapNode,
        MapNode,
        SleepNode,
        SleepNode,
        SignalNode,
        MapNode,
        StepNode,
    ]


def test_the_example_has_readable_code_keys() -> None:
    """The code table is keyed by where a callable stands, in the order of the definitions."""
    assert list(app.code) == [
        "tool/search",
        "tool/publish",
        "agent/researcher.input_guards[0]",
        "agent/researcher.output_guards[0]",
        "briefing/outline",
        "briefing/research",
        "briefing/write",
        "briefing/illustrate",
        "briefing/shorten",
        "briefing/extend",
        "briefing/~4.condition[0]",
        "briefing/~4.condition[1]",
        "briefing/improve",
        "briefing/improve.condition",
        "briefing/map",
        "briefing/sleep_until",
        "briefing/review",
    ]


def test_the_plan_of_the_example_survives_msgpack() -> None:
    """What is stored of an app is read back equal."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(app.plan), type=BundlePlan) == app.plan


def test_steps_of_the_example_can_be_unit_tested_as_functions() -> None:
    """A step is called like the function it was made of."""
    assert write([Finding(text="a"), Finding(text="b")]) == Draft(text="a b")


async def test_async_steps_of_the_example_can_be_awaited() -> None:
    """Calling an async step or tool gives its coroutine."""
    assert await outline(Question(text="x", sections=2)) == ["x", "x"]
    assert await search("y", limit=1) == [Hit(title="y")]
