"""The application that tests of routes run: one of each thing."""

from typing import Any

from pydantic import BaseModel

from greenroom import Agent, App, Memory, StepContext, Workflow, step, tool


class Decision(BaseModel):
    approved: bool


async def add_one(value: int) -> int:
    return value + 1


async def double(value: int) -> int:
    return value * 2


@step(resume=Decision)
async def review(value: int, ctx: StepContext) -> int:
    decision = await ctx.suspend({"value": value}, label="review-it")
    return value if decision.approved else -1


async def listed(value: int) -> list[int]:
    return [value, value + 1]


async def ask_each(value: int, ctx: StepContext) -> Any:
    return await ctx.suspend({"item": value})


async def noted(value: int, ctx: StepContext) -> int:
    ctx.write({"seen": value})
    return value


async def explode(value: int) -> int:
    message = f"boom {value}"
    raise ValueError(message)


@tool
async def search(query: str) -> str:
    """Search."""
    return f"found {query}"


@tool(requires_approval=True)
async def publish(page: str) -> str:
    """Publish."""
    return f"published {page}"


@tool
async def broken(query: str) -> str:
    """Fail."""
    message = f"no {query}"
    raise RuntimeError(message)


@tool
async def confirm(question: str, ctx: StepContext) -> str:
    """Ask a person."""
    return f"{question} {await ctx.suspend({'question': question})}"


def make_app() -> App:
    writer = Agent(
        id="writer",
        instructions="Write.",
        model="rehearsal/any",
        tools=[search, publish, broken, confirm],
        memory=Memory(last_messages=5),
    )
    inner = Workflow("inner", input=int).then(add_one).then(review)
    return App(
        agents=[writer],
        tools=[search, publish, broken, confirm],
        workflows=[
            Workflow("sum", input=int, description="Adds.").then(add_one).then(double),
            Workflow("ask", input=int).then(add_one).then(review).then(double),
            Workflow("outer", input=int).then(inner).then(double),
            Workflow("each", input=int).then(listed).foreach(ask_each),
            Workflow("both", input=int).parallel(add_one, double),
            Workflow("fail", input=int).then(explode),
            Workflow("note", input=int).then(noted),
            Workflow("pay", input=int).wait_for_signal("paid", schema=Decision).map(_approved),
            Workflow("write", input=str).then(writer),
            inner,
        ],
    )


async def _approved(value: Any) -> bool:
    return bool(value["approved"])
