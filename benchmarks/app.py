"""What the benchmarks run: empty bodies, so that all that is measured is ours."""

from greenroom import Agent, App, Workflow

STEPS = 50


async def pass_on(value: int) -> int:
    """Return the value."""
    return value


def _chain(steps: int) -> Workflow:
    workflow = Workflow("chain", input=int)
    for _ in range(steps):
        workflow.then(pass_on)
    return workflow


writer = Agent(id="writer", instructions="Answer in one sentence.", model="rehearsal/writer")

app = App(
    agents=[writer],
    workflows=[
        _chain(STEPS),
        Workflow("one", input=int).then(pass_on),
        Workflow("each").foreach(pass_on, concurrency=64),
    ],
)
