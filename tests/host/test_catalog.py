"""What a runtime knows: bundles, and what it refuses to take."""

import pytest

from greenroom import Agent, App, Workflow
from greenroom.runtime.contracts.errors import DefinitionError, NotFound
from tests.host.harness import Harness


def add_one(value: int) -> int:
    """Return one more."""
    return value + 1


def add_two(value: int) -> int:
    """Return two more."""
    return value + 2


def guard(text: str) -> str:
    """Let everything pass."""
    return text


async def test_an_app_that_needs_what_is_not_carried_out_is_refused() -> None:
    """A guard or a schedule is never left out silently: the refusal names each."""
    agent = Agent(id="careful", instructions="Be careful.", model="rehearsal/x", input_guards=[guard])
    app = App(agents=[agent], workflows=[Workflow("nightly", schedule="0 3 * * *").then(add_one)])
    harness = Harness(app)
    harness.host.start()
    with pytest.raises(DefinitionError, match="agent 'careful': input_guards; workflow 'nightly': schedule"):
        await harness.register(app)
    await harness.host.close()


async def test_a_new_bundle_is_for_new_runs_only() -> None:
    """A run keeps the bundle it started with; the next start takes the newest."""
    first = App(workflows=[Workflow("sum", input=int).then(add_one)])
    second = App(workflows=[Workflow("sum", input=int).then(add_two)])
    async with Harness(first) as harness:
        before = await harness.client.workflow("sum").run(1, timeout_s=5)
        await harness.register(second)
        after = await harness.client.workflow("sum").run(1, timeout_s=5)
        assert (before.output, after.output) == (2, 3)
        assert before.view["bundle"] != after.view["bundle"]


async def test_an_unknown_workflow_is_named_with_those_there_are() -> None:
    """The error says what was asked for and what there is."""
    app = App(workflows=[Workflow("sum").then(add_one)])
    async with Harness(app) as harness:
        with pytest.raises(NotFound, match="there is no workflow 'sun'; there are: sum"):
            await harness.client.workflow("sun").start(1)
