"""Workflows that between them use every construct, and a driver that brings a run of any of them to its end.

A scenario says how its steps are resumed; the driver resumes, sends signals and moves the clock by what it sees of the
run, with keys, so that it may be interrupted by a crash anywhere and go on.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from greenroom import (
    Agent,
    AlreadyClaimed,
    App,
    Limit,
    RunNotSuspended,
    StepContext,
    ToolContext,
    Workflow,
    constant,
    from_input,
    from_step,
    step,
    tool,
)
from greenroom.runtime.client.results import RunResult
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.values import Json
from tests.host.harness import Harness
from tests.host.scripted_turns import called, said

RUN_ID = "run"


@dataclass(kw_only=True)
class Scenario:
    """One workflow and how it is driven.

    Attributes:
        make: Makes the app; is given the counter of body calls, by path.
        answers: What a suspended step is resumed with, by path.
        signals: Signals to send while the run waits, in order.
        turns: What the model turns of its agents answer, by agent.
    """

    name: str
    make: Callable[[Counter[str]], App]
    input: Json = None
    answers: dict[str, list[Json]] = field(default_factory=dict)
    signals: list[tuple[str, Json]] = field(default_factory=list)
    state: dict[str, Json] = field(default_factory=dict)
    turns: dict[str, list[Any]] | None = None


async def drive(harness: Harness, scenario: Scenario) -> RunResult:
    """Start the scenario's run, or find it, and bring it to its end."""
    client = harness.client
    run = await client.workflow("main").start(scenario.input, run_id=RUN_ID, state=scenario.state)
    while True:
        result = await run.get()
        if result.status.is_final:
            return result
        await _nudge(harness, run, result, scenario)


async def _nudge(harness: Harness, run: RunHandle, result: RunResult, scenario: Scenario) -> None:
    state = harness.find_state(run.run_id)
    if state is None or any(node.has_attempt for node in list(state.nodes.values())):
        await asyncio.sleep(0)
        return
    for path in result.suspended:
        answers = scenario.answers[path]
        position = len(state.nodes[path].resumes)
        with contextlib.suppress(AlreadyClaimed, RunNotSuspended):
            await run.resume(path, answers[position], key=f"{path}:{position}")
        return
    for name, payload in scenario.signals:
        if state.waiters.get(name):
            await run.signal(name, payload, key=name)
            return
    if state.timers:
        await harness.clock.advance(max(0.0, min(state.timers.values()) - harness.clock.now()))


def _counted(calls: Counter[str]) -> Callable[..., Any]:
    """Return a maker of async bodies that count their calls by path."""

    def make(name: str, act: Callable[[Any, StepContext], Any] | None = None, **options: Any) -> Any:
        async def body(value: Any, ctx: StepContext) -> Any:
            calls[ctx.path] += 1
            result = act(value, ctx) if act is not None else value
            return await result if asyncio.iscoroutine(result) else result

        return step(id=name, **options)(body)

    return make


async def is_long(value: Any) -> bool:
    return len(str(value)) > 2


async def is_short(value: Any) -> bool:
    return len(str(value)) <= 2


async def is_big(value: int) -> bool:
    return value >= 3


def _add(value: int, _: StepContext) -> int:
    return value + 1


def sequence(calls: Counter[str]) -> App:
    make = _counted(calls)
    flow = Workflow("main", input=int).then(make("a", _add)).then(make("b", _add)).then(make("a", _add))
    return App(workflows=[flow.map({"sum": from_step("b"), "first": from_input(), "k": constant("v")})])


def blocks(calls: Counter[str]) -> App:
    make = _counted(calls)

    def fail(value: Any, ctx: StepContext) -> Any:
        raise ValueError(ctx.path)

    flow = Workflow("main", input=int)
    flow.parallel(make("left", _add), make("broken", fail), make("right", _add), allow_failure=True)
    flow.branch((is_long, make("long")), (is_short, make("short")), (is_long, make("also")))
    return App(workflows=[flow])


def loops(calls: Counter[str]) -> App:
    make = _counted(calls)
    flow = Workflow("main", input=int).do_until(make("count", _add), is_big)
    flow.map({"items": constant([5, 0, None, "x", []])}).map(_items)
    flow.foreach(make("each"), concurrency=2)
    return App(workflows=[flow])


async def _items(value: Any) -> Any:
    return value["items"]


def nested(calls: Counter[str]) -> App:
    make = _counted(calls)

    def note(value: Any, ctx: StepContext) -> Any:
        ctx.set_state({ctx.path: value})
        return value

    inner = Workflow("inner").then(make("note", note)).then(make("plus", _add))
    leaver = Workflow("leaver").then(make("leave", lambda v, ctx: ctx.bail({"left": v}))).then(make("never"))
    middle = Workflow("middle").then(inner).parallel(inner, leaver)
    flow = Workflow("main", input=list[int]).foreach(middle, concurrency=2).then(make("end", note))
    return App(workflows=[flow])


def people(calls: Counter[str]) -> App:
    make = _counted(calls)

    async def ask(value: Any, ctx: StepContext) -> Any:
        ctx.set_state({"asked": ctx.path})
        first = await ctx.suspend({"about": value})
        second = await ctx.suspend({"again": first}, label="second") if first == "more" else "-"
        return [value, first, second]

    flow = Workflow("main", input=int).then(make("before")).then(make("ask", ask))
    flow.parallel(make("p1", ask), make("p2", _items_of), make("p3", ask))
    flow.map(_three).foreach(make("review", ask), concurrency=2).then(make("after"))
    return App(workflows=[flow])


def _items_of(value: Any, _: StepContext) -> Any:
    return value


async def _three(value: Any) -> list[int]:
    return [1, 2, 3]


def waits(calls: Counter[str]) -> App:
    make = _counted(calls)
    flow = Workflow("main", input=int).then(make("a")).sleep(30).then(make("b")).wait_for_signal("paid")
    flow.then(make("c")).wait_for_signal("shipped", timeout_s=60, default="late").then(make("d"))
    return App(workflows=[flow])


def retries(calls: Counter[str]) -> App:
    make = _counted(calls)
    failed: set[tuple[str, int]] = set()

    def shaky(value: Any, ctx: StepContext) -> Any:
        failed.add((ctx.path, ctx.attempt))
        if calls[ctx.path] < 3:
            raise OSError("not yet")
        return value

    flow = Workflow("main", input=list[int], retries=3).foreach(make("shaky", shaky, backoff=2)).then(make("end"))
    return App(workflows=[flow])


def children(calls: Counter[str]) -> App:
    make = _counted(calls)

    async def call(value: Any, ctx: StepContext) -> Any:
        first = await ctx.workflow("child").run(value)
        second = await ctx.workflow("child").run(first)
        return [first, second]

    async def ask(value: Any, ctx: StepContext) -> Any:
        return value + await ctx.suspend({"about": value})

    child = Workflow("child").then(make("plus", _add)).then(make("ask", ask))
    return App(workflows=[Workflow("main", input=int).then(make("call", call)).then(make("end")), child])


def failing(calls: Counter[str]) -> App:
    make = _counted(calls)

    def fail(value: Any, ctx: StepContext) -> Any:
        if value == 2:
            raise ValueError("two")
        return value

    async def told(result: Any, ctx: StepContext) -> None:
        calls[ctx.path] += 1

    inner = Workflow("inner").then(make("fail", fail))
    flow = Workflow("main", input=list[int], on_error=told).foreach(inner, concurrency=1).then(make("never"))
    return App(workflows=[flow])


def finishing(calls: Counter[str]) -> App:
    make = _counted(calls)

    async def told(result: Any, ctx: StepContext) -> None:
        calls[ctx.path] += 1

    return App(workflows=[Workflow("main", input=int, on_finish=told).then(make("a")).then(make("b"))])


def agents(calls: Counter[str]) -> App:
    @tool
    async def search(query: str, ctx: ToolContext) -> str:
        """Search."""
        calls[ctx.path] += 1
        return query.upper()

    @tool(requires_approval=True)
    async def publish(page: str, ctx: ToolContext) -> str:
        """Publish."""
        calls[ctx.path] += 1
        return f"published {page}"

    helper = Agent(id="helper", instructions="Help.", model="m/m", tools=[search])
    writer = Agent(id="writer", instructions="Write.", model="m/m", tools=[search, helper, publish])
    return App(workflows=[Workflow("main", input=str).then(writer).then(_counted(calls)("end"))])


def limited(calls: Counter[str]) -> App:
    make = _counted(calls)
    flow = Workflow("main", input=list[int])
    flow.foreach(make("each", _add, limits="one"), concurrency=3)
    flow.parallel(make("once", limits=("one", "two"), effect="once", reconcile=_not_started), make("two", limits="two"))
    return App(workflows=[flow], limits={"one": Limit(concurrency=1), "two": Limit(concurrency=2)})


async def _not_started(key: str) -> Any:
    return {"outcome": "not_started"}


SCENARIOS = [
    Scenario(
        name="agents",
        make=agents,
        input="Go.",
        answers={"writer/publish": [{"approved": True}]},
        turns={
            "writer": [
                called(("search", {"query": "a"}), ("helper", {"prompt": "b"}), ("nothing", {})),
                called(("publish", {"page": "p"})),
                said("Done."),
            ],
            "helper": [called(("search", {"query": "c"})), said("Helped.")],
        },
    ),
    Scenario(name="sequence", make=sequence, input=1),
    Scenario(name="blocks", make=blocks, input=1),
    Scenario(name="loops", make=loops, input=1),
    Scenario(name="nested", make=nested, input=[1, 2, 3]),
    Scenario(
        name="people",
        make=people,
        input=1,
        answers={
            "ask": ["more", "yes"],
            "p1": ["no"],
            "p3": ["more", "ok"],
            "review[0]": ["a"],
            "review[1]": ["more", "b"],
            "review[2]": ["c"],
        },
    ),
    Scenario(name="waits", make=waits, input=1, signals=[("paid", {"sum": 3})]),
    Scenario(name="retries", make=retries, input=[1, 2, 3]),
    Scenario(
        name="children",
        make=children,
        input=1,
        answers={"call/child/ask": [10], "call/child#2/ask": [20]},
    ),
    Scenario(name="failing", make=failing, input=[1, 2, 3]),
    Scenario(name="limited", make=limited, input=[1, 2, 3]),
    Scenario(name="finishing", make=finishing, input=1),
]

NAMES = [scenario.name for scenario in SCENARIOS]
