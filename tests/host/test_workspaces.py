"""Workspaces, money and conversations: each tenant has its own."""

from typing import Any

import pytest

from greenroom import Agent, App, Memory, Workflow
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts.entries import Succeeded, Usage
from greenroom.runtime.contracts.errors import NotFound, RunNotFound
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.definitions import values
from greenroom.runtime.definitions.context import Channel
from tests.host.harness import Harness


def add_one(value: int) -> int:
    """Return one more."""
    return value + 1


class Parrot:
    """A model that says how many messages it got."""

    async def run_turn(self, item: WorkItem, scope: Scope, channel: Channel) -> Succeeded:
        """Answer and cost 7 micros."""
        del scope, channel
        text = f"{len(item.input['messages'])} messages"
        output = {"text": text, "tool_calls": [], "finish_reason": "stop", "model": "parrot"}
        return Succeeded(output=output, usage=Usage(input_tokens=3, output_tokens=2, total_tokens=5, cost_micros=7))


def app() -> App:
    """Return an app with a workflow and an agent that remembers."""
    parrot = Agent(id="parrot", instructions="Repeat.", model="rehearsal/parrot", memory=Memory(last_messages=10))
    return App(agents=[parrot], workflows=[Workflow("sum", input=int).then(add_one)])


def of_workspace(harness: Harness, workspace: str) -> RuntimeClient:
    """Return a client of another tenant."""

    def schema_of(_type: Any) -> dict[str, Any]:
        return {}

    return RuntimeClient(
        harness.client.link, harness.ids, workspace=workspace, dump=values.dump, load=values.load, schema_of=schema_of
    )


async def test_a_run_of_another_workspace_is_not_found() -> None:
    """Not by its id, not to read and not to change."""
    async with Harness(app()) as harness:
        run = await harness.client.workflow("sum").start(1)
        other = of_workspace(harness, "other")
        with pytest.raises(RunNotFound):
            await other.run(run.run_id)
        with pytest.raises(RunNotFound):
            await other.run_handle(run.run_id).cancel()


async def test_one_key_in_two_workspaces_starts_two_runs() -> None:
    """An idempotency key is the workspace's own."""
    async with Harness(app()) as harness:
        one = await harness.client.workflow("sum").start(1, key="order")
        two = await of_workspace(harness, "other").workflow("sum").start(1, key="order")
        assert one.run_id != two.run_id


async def test_lists_threads_and_ledgers_hold_one_workspace_only() -> None:
    """What one tenant did, another's lists do not show."""
    async with Harness(app(), turns=Parrot()) as harness:
        await harness.client.agent("parrot").generate("Hello", thread="t")
        await harness.client.ledger.grant(100, key="welcome")
        other = of_workspace(harness, "other")
        assert len(await other.runs()) == 0
        assert await other.threads.list() == []
        assert await other.ledger.entries() == []
        assert await other.ledger.balance() == 0
        with pytest.raises(NotFound):
            await other.threads.get("t")
