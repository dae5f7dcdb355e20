"""A workflow that waits for a person, and tells when the person's answer has reached the steps."""

import time
from typing import Any

from greenroom import App, StepContext, Workflow


async def ask(value: dict[str, Any], ctx: StepContext) -> float:
    """Park the run; return the time at which the body went on."""
    await ctx.suspend({"question": "May this be published?", "about": value["title"]})
    return time.time()


async def after(resumed_at: float) -> list[float]:
    """Return when the step before went on, and when this one began."""
    return [resumed_at, time.time()]


app = App(workflows=[Workflow("review").then(ask).then(after)])
