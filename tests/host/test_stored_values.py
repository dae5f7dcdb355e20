"""Values above 256 kB, which stand in the journal as references, where the core itself must look into them."""

import asyncio
from typing import Any

from greenroom import Agent, App, Workflow
from tests.host.harness import Harness
from tests.host.scripted_turns import ScriptedTurns, said

ITEMS = 1500
WIDTH = 300


def make_items(_value: Any) -> list[str]:
    """Return a list of half a megabyte."""
    return [f"{number:0{WIDTH}}" for number in range(ITEMS)]


def make_text(_value: Any) -> str:
    """Return a text of half a megabyte."""
    return "word " * 100_000


async def test_a_foreach_takes_a_list_that_is_stored_by_reference() -> None:
    """9, 13. Every item gets its own value, in order; what was done before a crash is not repeated after it."""
    gate = asyncio.Event()
    last = asyncio.Event()
    calls: list[int] = []

    async def measure(item: str) -> int:
        number = int(item)
        calls.append(number)
        if number == ITEMS - 1:
            last.set()
            await gate.wait()
        return len(item) + number

    flow = Workflow("w").map(make_items).foreach(measure, concurrency=100)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start()
        await asyncio.wait_for(last.wait(), 20)
        await harness.crash()
        gate.set()
        result = await run.result(timeout_s=20)
    assert result.output == [WIDTH + number for number in range(ITEMS)]
    assert sorted(calls) == list(range(ITEMS))


async def test_an_agent_takes_a_prompt_that_is_stored_by_reference() -> None:
    """The model gets the text, not the reference."""
    turns = ScriptedTurns([said("Long.")])
    agent = Agent(id="reader", instructions="", model="m/m")
    async with Harness(
        App(agents=[agent], workflows=[Workflow("w").map(make_text).then(agent)]), turns=turns
    ) as harness:
        result = await harness.client.workflow("w").run(timeout_s=20)
    assert result.output == "Long."
    assert turns.asked[0]["messages"][-1]["content"] == make_text(None)


async def test_a_stored_value_that_is_gone_fails_the_step_that_needs_it() -> None:
    """The error names the step and the value; nothing hangs."""
    async with Harness(App(workflows=[Workflow("w").map(make_items).foreach(len)])) as harness:
        storage = harness.storage

        async def get_blob(_sha256: str) -> bytes:
            return b"not JSON"

        storage.get_blob = get_blob
        result = await harness.client.workflow("w").run(timeout_s=20)
    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.code, result.error.path) == ("storage_error", "len")
