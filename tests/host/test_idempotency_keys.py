"""Idempotency keys: one for everything that may be executed again, whatever interrupts it, and another for all else."""

from collections import defaultdict
from typing import Any

import pytest

from greenroom import Agent, App, StepContext, ToolContext, Workflow, step, tool
from greenroom.runtime.contracts.entries import Outcome
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.definitions.context import Channel
from tests.host.harness import Harness, calm
from tests.host.scripted_turns import ScriptedTurns, called, said

keys: defaultdict[str, list[str]] = defaultdict(list)


@pytest.fixture(autouse=True)
def _no_keys() -> None:
    keys.clear()


def seen(ctx: StepContext) -> int:
    """Note the key of this execution; return how many there were before at its path."""
    keys[ctx.path].append(ctx.idempotency_key)
    return len(keys[ctx.path]) - 1


class NotedTurns(ScriptedTurns):
    """Notes the key of every turn; the first execution of each waits until it is killed."""

    async def run_turn(self, item: WorkItem, scope: Scope, channel: Channel) -> Outcome:
        keys[item.path].append(item.key)
        if len(keys[item.path]) == 1:
            self.gate.clear()
        return await super().run_turn(item, scope, channel)


async def test_a_step_has_one_key_over_retries_deaths_crashes_and_resumes() -> None:
    """33. The key is the same in every execution at a path, and no other path has it."""

    async def shaky(value: int, ctx: StepContext) -> Any:
        match seen(ctx):
            case 0:
                raise OSError("again")
            case 1 | 2:
                await ctx.cancelled.wait()
            case _:
                pass
        return await ctx.suspend(None)

    flow = Workflow("main", input=list[int], retries=1).foreach(step(id="each")(shaky))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start([1, 2])
        await calm()
        await harness.clock.advance(1)
        await harness.kill_workers()
        await harness.crash()
        await calm()
        harness.strike()
        await calm()
        await harness.clock.advance(5)
        await run.result(timeout_s=5)
        await run.resume("each", "yes")
        assert (await run.result(timeout_s=5)).output == ["yes", "yes"]
    assert {path: (len(found) >= 5, len(set(found))) for path, found in keys.items()} == {
        "each[0]": (True, 1),
        "each[1]": (True, 1),
    }
    assert keys["each[0]"][0] != keys["each[1]"][0]


async def test_two_runs_have_keys_of_their_own() -> None:
    """33. What the same step does for two runs are two things."""

    async def note(value: Any, ctx: StepContext) -> None:
        seen(ctx)

    async with Harness(App(workflows=[Workflow("main").then(step(id="a")(note))])) as harness:
        for _ in range(2):
            await harness.client.workflow("main").run(None, timeout_s=5)
    assert len(set(keys["a"])) == 2


async def test_a_tool_gets_the_key_of_its_call() -> None:
    """33. Each call of an agent has a key, the same when it is executed again; so has a call that a body makes."""

    @tool(retries=1)
    async def pay(amount: int, ctx: ToolContext) -> int:
        """Pay."""
        if seen(ctx) == 0:
            raise OSError("again")
        return amount

    async def caller(value: int, ctx: StepContext) -> Any:
        return await ctx.tool("pay").execute({"amount": value})

    agent = Agent(id="payer", instructions="Pay.", model="m/m", tools=[pay])
    flow = Workflow("main", input=int).then(step(id="call")(caller))
    script = {"payer": [called(("pay", {"amount": 1}), ("pay", {"amount": 1})), said("Paid.")]}
    async with Harness(App(agents=[agent], workflows=[flow], tools=[pay]), turns=ScriptedTurns(script)) as harness:
        run = await harness.client.start("agent", "payer", "Pay twice.")
        await calm()
        await harness.clock.advance(1)
        assert (await run.result(timeout_s=5)).output == "Paid."
        other = await harness.client.workflow("main").start(3)
        await calm()
        await harness.clock.advance(1)
        assert (await other.result(timeout_s=5)).output == 3
    assert {path: (len(found), len(set(found))) for path, found in keys.items()} == dict.fromkeys(
        ("pay", "pay#2", "call/pay"), (2, 1)
    )
    assert len({found[0] for found in keys.values()}) == 3


@pytest.mark.parametrize("victim", ["worker", "runtime and worker"])
async def test_a_model_turn_has_one_key_whatever_dies(victim: str) -> None:
    """33. The key that goes to the provider as a header is the same when the turn is asked for again."""
    turns = NotedTurns({"writer": [said("Hello.")]})
    agent = Agent(id="writer", instructions="Write.", model="m/m")
    async with Harness(App(agents=[agent]), turns=turns) as harness:
        run = await harness.client.start("agent", "writer", "Go.")
        await calm()
        turns.gate.set()
        harness.strike(("agents",))
        if victim != "worker":
            await harness.crash()
        assert (await run.result(timeout_s=5)).output == "Hello."
    assert [(len(found), len(set(found))) for found in keys.values()] == [(2, 1)]
