"""The story as a Greenroom application: four steps that write state, and one that suspends."""

from typing import Any

from benchmarks.probe import story
from greenroom import App, StepContext, Workflow

# Synchronous bodies: they run in threads of a worker, so that one that stays in its body holds nobody else.


def prepare(value: Any, ctx: StepContext) -> Any:
    """Take the value up."""
    prepared = story.prepare(value)
    ctx.set_state({"value": value, "prepared": prepared})
    return prepared


def charge(prepared: Any, ctx: StepContext) -> Any:
    """Make a second part of the state."""
    charged = story.charge(prepared)
    ctx.set_state({"charged": charged})
    return charged


async def ask(_: Any, ctx: StepContext) -> Any:
    """Wait for somebody, and keep what they say."""
    answer = await ctx.suspend(story.ASK)
    ctx.set_state({"answer": answer})
    return answer


def ship(answer: Any, ctx: StepContext) -> Any:
    """Act on the answer."""
    had = ctx.state
    shipped = story.ship(had["value"], had["prepared"], had["charged"], answer)
    ctx.set_state({"shipped": shipped})
    return shipped


def finish(shipped: Any, ctx: StepContext) -> Any:
    """Close the run with all of its state."""
    closed = story.finish(shipped)
    ctx.set_state({"closed": closed})
    return story.ended(ctx.state)


app = App(workflows=[Workflow("probe").then(prepare).then(charge).then(ask).then(ship).then(finish)])
