"""Small workflows drawn from a number: every construct, in every combination that has one right result.

What a body returns depends on its input alone, never on the order in which things happen: then the run that nothing
happened to tells what the result must be.
"""

import asyncio
import random
from collections import Counter
from typing import Any, Literal

from greenroom import Agent, App, Limit, StepContext, ToolContext, Workflow, step, tool
from greenroom.runtime.contracts.values import Json
from greenroom.testing.scenario import Scenario
from greenroom.testing.scripted_model import tool_call

MAX_DEPTH = 2

MAX_ITERATIONS = 4
"""Enough for a body that adds one or two to come to a multiple of three."""

ONCE_OUTPUT = 7
"""What every body with `effect="once"` gives: a person who is asked whether it took effect knows it."""


def generate(number: int) -> Scenario:
    """Return the scenario of a number."""
    return Scenario(
        name=f"generated {number}",
        make=lambda calls: _Maker(number, calls).app(),
        input=number % 5,
        signals=_Maker(number, Counter()).signals_of(),
        script=_script,
        in_doubt=lambda path, number: ONCE_OUTPUT,
        is_once=lambda path: path.rpartition("/")[2].startswith("once"),
    )


def _script(request: Json) -> Any:
    """Call the tool once, then say what it gave: told by the request alone, whatever was asked before."""
    last = request["messages"][-1]
    if last["role"] == "tool":
        return f"it is {last['content']}"
    return tool_call("double", value=3)


LIMITS = {"one": Limit(concurrency=1), "two": Limit(concurrency=2)}


class _Maker:
    """Draws an app."""

    def __init__(self, number: int, calls: Counter[str]) -> None:
        self._chance = random.Random(f"shape {number}")
        self._calls = calls
        self._count = 0
        self._inner: list[Workflow] = []
        self.signals: dict[str, Json] = {}

    def signals_of(self) -> dict[str, Json]:
        """Draw the app, and build none."""
        self._draw()
        return self.signals

    def app(self) -> App:
        flow, double = self._draw()
        return App(workflows=[flow, self._child], tools=[double], agents=[self._agent], limits=LIMITS)

    def _draw(self) -> tuple[Workflow, Any]:
        calls = self._calls

        @tool(id="double")
        async def double(value: int, ctx: ToolContext) -> int:
            """Double a number."""
            calls[ctx.path] += 1
            return value * 2

        self._child = Workflow("child").then(self._body("inner"))
        self._agent = Agent(id="agent", instructions="Double.", model="m/m", tools=[double])
        told = self._callback if self._chance.random() < 0.3 else None
        main = Workflow("main", input=int, retries=0, on_finish=told, on_error=told)
        flow = self._sequence(main, 0, self._chance.randint(1, 4))
        return flow, double

    async def _callback(self, result: Json, ctx: StepContext) -> None:
        self._calls[ctx.path] += 1

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _sequence(self, flow: Workflow, depth: int, length: int) -> Workflow:
        for _ in range(length):
            self._add(flow, depth)
        return flow

    def _add(self, flow: Workflow, depth: int) -> None:
        kinds = ["step", "step", "suspend", "retry", "sleep", "state", "once", "slow", "child", "agent", "map"]
        if depth == 0:
            kinds.append("signal")  # below, it might be waited for more than once
        if depth < MAX_DEPTH:
            kinds += ["parallel", "parallel", "branch", "loop", "foreach", "foreach", "nested", "bail"]
        kind = self._chance.choice(kinds)
        match kind:
            case "sleep":
                flow.sleep(self._chance.choice((0, 1, 40)))
            case "signal":
                name = self._name("signal")
                self.signals[name] = self._count
                flow.wait_for_signal(name)
            case "map":
                flow.map(_double)
            case "agent":
                flow.map(_prompt).then(self._agent).map(_length)
            case "parallel":
                flow.parallel(*self._members(depth), allow_failure=self._chance.random() < 0.3).map(_total)
            case "branch":
                flow.branch(*((self._chance.choice((_is_even, _is_odd, _is_any)), m) for m in self._members(depth)))
                flow.map(_total)
            case "loop":
                until = _is_round if depth == 0 else _is_round_in_time
                flow.do_until(self._member(depth), until, max_iterations=MAX_ITERATIONS)
            case "foreach":
                flow.map(_spread).foreach(self._member(depth), concurrency=self._chance.choice((1, 2, 8))).map(_total)
            case "nested":
                flow.then(self._nested(depth))
            case "bail":
                flow.then(self._bailing(depth))
            case _:
                flow.then(self._body(kind))

    def _members(self, depth: int) -> list[Any]:
        return [self._member(depth) for _ in range(self._chance.randint(2, 3))]

    def _member(self, depth: int) -> Any:
        if self._chance.random() < 0.3:
            return self._nested(depth)
        return self._body(self._chance.choice(("step", "step", "suspend", "retry", "state", "once", "slow", "child")))

    def _nested(self, depth: int) -> Workflow:
        return self._sequence(Workflow(self._name("flow")), depth + 1, self._chance.randint(1, 2))

    def _bailing(self, depth: int) -> Workflow:
        flow = Workflow(self._name("flow"))
        return self._sequence(flow.then(self._body("bail")), depth + 1, 1)

    def _body(self, kind: str) -> Any:
        calls, name = self._calls, self._name(kind)
        worth = self._chance.randint(1, 3)
        limits = self._chance.choice(((), (), "one", "two", ("one", "two")))
        if kind == "child" and limits == "two":  # else it and a caller that holds `one` wait for each other
            limits = ("one", "two")

        async def body(value: Any, ctx: StepContext) -> Any:
            calls[ctx.path] += 1
            count = _number(value)
            if self._chance_of(ctx.path):
                await asyncio.sleep(worth)
            match kind:
                case "suspend":
                    return count + await ctx.suspend({"about": count})
                case "retry" if calls[ctx.path] < worth:
                    raise OSError("not yet")
                case "slow" if calls[ctx.path] == 1:
                    await asyncio.Event().wait()  # until its time is over
                case "state":
                    ctx.set_state({"last": ctx.path, ctx.path: count})
                case "child":
                    return count + _number(await ctx.workflow("child").run(count))
                case "bail":
                    return ctx.bail(count * 10)
                case "once":
                    return ONCE_OUTPUT
                case _:
                    pass
            return count + worth

        effect: Literal["once", "idempotent"] = "once" if kind == "once" else "idempotent"
        retries = {"retry": 3, "slow": 4}.get(kind, 0)
        limit_s = 25 if kind == "slow" else None
        return step(id=name, effect=effect, retries=retries, backoff=1, timeout_s=limit_s, limits=limits)(body)

    def _chance_of(self, path: str) -> bool:
        """Tell whether a body takes its time: some do, always the same."""
        return sum(path.encode()) % 3 == 0


def _number(value: Any) -> int:
    return value if isinstance(value, int) else len(str(value))


async def _double(value: Any) -> int:
    return _number(value) * 2


async def _prompt(value: Any) -> str:
    return f"Double {_number(value)}."


async def _length(value: Any) -> int:
    return len(value)


async def _total(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value
    return sum(_number(item) for item in items) % 97


async def _spread(value: Any) -> list[int]:
    return [_number(value) + offset for offset in range(_number(value) % 4)]


async def _is_even(value: Any) -> bool:
    return _number(value) % 2 == 0


async def _is_odd(value: Any) -> bool:
    return _number(value) % 2 == 1


async def _is_any(value: Any) -> bool:
    return True


async def _is_round(value: Any) -> bool:
    return _number(value) % 3 == 0


async def _is_round_in_time(value: Any, ctx: StepContext) -> bool:
    """Of two loops side by side, the one that came to no end first would stop the other: which of them is luck."""
    return await _is_round(value) or ctx.iteration == MAX_ITERATIONS
