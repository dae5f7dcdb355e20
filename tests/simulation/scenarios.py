"""The scenarios of the host's crash tests, for the simulator, and a few that only it can drive."""

import asyncio
from collections import Counter
from typing import Any

from pydantic import BaseModel, field_validator

from greenroom import App, Schedule, StepContext, Workflow
from greenroom.runtime.contracts.values import Json
from greenroom.testing.scenario import Answer, Scenario
from greenroom.testing.scripted_model import tool_call
from tests.host import scenarios as hosted


def _answers(answers: dict[str, list[Json]]) -> Answer:
    return lambda path, number: answers[path][number - 1]


def _hosted(name: str, **options: Any) -> Scenario:
    known = next(scenario for scenario in hosted.SCENARIOS if scenario.name == name)
    return Scenario(
        name=name, make=known.make, input=known.input, state=known.state, answer=_answers(known.answers), **options
    )


def once(calls: Counter[str]) -> App:
    make = hosted._counted(calls)
    flow = Workflow("main", input=int).then(make("a", effect="once"))
    return App(workflows=[flow.then(make("b", effect="once")).then(make("c"))])


def stuck(calls: Counter[str]) -> App:
    make = hosted._counted(calls)

    async def hang(value: Any, ctx: StepContext) -> Any:
        if ctx.attempt == 1 or calls[ctx.path] == 1:
            await asyncio.Event().wait()
        return value

    flow = Workflow("main", input=int).then(make("a")).then(make("hang", hang, timeout_s=30, retries=2))
    return App(workflows=[flow.then(make("b"))])


def canceled(calls: Counter[str]) -> App:
    make = hosted._counted(calls)

    async def hang(value: Any, ctx: StepContext) -> Any:
        await asyncio.Event().wait()

    inner = Workflow("inner").then(make("deep", hang))
    flow = Workflow("main", input=int).then(make("a")).then(inner)
    return App(workflows=[flow.then(make("never"))])


class Checked(BaseModel):
    """Resume data that only a worker can check."""

    number: int

    @field_validator("number")
    @classmethod
    def _is_positive(cls, value: int) -> int:
        if value < 0:
            raise ValueError("must not be negative")
        return value


def checked(calls: Counter[str]) -> App:
    make = hosted._counted(calls)

    async def ask(value: Any, ctx: StepContext) -> Any:
        return [(await ctx.suspend(number)).number for number in range(3)]

    return App(workflows=[Workflow("main", input=int).then(make("a")).then(make("ask", ask, resume=Checked))])


def scheduled(calls: Counter[str]) -> App:
    make = hosted._counted(calls)
    flow = Workflow("main", schedule=Schedule("*/10 * * * *", input=1, catch_up="all"))
    return App(workflows=[flow.then(make("a")).sleep(20).then(make("b"))])


AGENTS = {
    "writer": [
        [tool_call("search", query="a"), tool_call("helper", prompt="b"), tool_call("nothing")],
        tool_call("publish", page="p"),
        "Done.",
    ],
    "helper": [tool_call("search", query="c"), "Helped."],
}


def _agents_script(request: Json) -> Any:
    """Say the turn that follows those the agent has made: several runs may ask at once."""
    return AGENTS[request["agent"]][sum(message["role"] == "assistant" for message in request["messages"])]


SCENARIOS = [
    _hosted(
        "agents",
        script=_agents_script,
    ),
    *(_hosted(name) for name in ("sequence", "blocks", "loops", "nested", "people", "retries", "children")),
    _hosted("waits", signals={"paid": {"sum": 3}}),
    _hosted("failing"),
    _hosted("finishing"),
    Scenario(name="once", make=once, input=7, in_doubt=lambda path, number: 7, is_once=lambda path: path in {"a", "b"}),
    Scenario(name="stuck", make=stuck, input=1),
    Scenario(name="canceled", make=canceled, input=1, cancel_at="inner/deep"),
    Scenario(name="checked", make=checked, input=1, answer=lambda path, number: {"number": number}),
    Scenario(name="scheduled", make=scheduled, fires_for_s=3_300),
]
