"""Values above 256 kB, which stand in the journal as references, where the core itself must look into them."""

import asyncio
import hashlib
from typing import Any

import pytest
from pydantic import BaseModel

from greenroom import Agent, App, InvalidInput, NotFound, RunNotFound, Workflow
from greenroom.runtime.client import stored_values
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


class Report(BaseModel):
    """A large output with a type."""

    text: str


def make_report(_value: Any) -> Report:
    """Return half a megabyte."""
    return Report(text=make_text(None))


async def test_an_output_that_is_stored_by_reference_reaches_the_caller_whole() -> None:
    """As itself, as the type the workflow promises, and inside a list; also from the journal alone."""
    typed = Workflow("typed", output=Report).map(make_report)
    listed = Workflow("listed").map(lambda _: [1, 2]).foreach(make_items)
    async with Harness(App(workflows=[typed, listed])) as harness:
        report = await harness.client.workflow("typed").run(timeout_s=20)
        items = await harness.client.workflow("listed").run(timeout_s=20)
        await harness.crash()
        again = await (await harness.client.run(items.run_id)).get()
    assert report.output == make_report(None)
    assert items.output == again.output == [make_items(None)] * 2
    assert items.view["output"] == items.output


async def test_an_output_with_too_much_in_it_keeps_its_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is read by itself; whoever only knows a digest reads nothing."""
    monkeypatch.setattr(stored_values, "MAX_WHOLE_BYTES", 100)
    async with Harness(App(workflows=[Workflow("w").map(make_text), Workflow("small").map(str)])) as harness:
        result = await harness.client.workflow("w").run(timeout_s=20)
        run = harness.client.run_handle(result.run_id)
        assert list(result.output) == ["$blob"]
        assert await run.value(result.output) == make_text(None)
        with pytest.raises(InvalidInput, match="no reference"):
            await run.value({"text": "x"})
        other = await harness.client.workflow("small").start(1)
        with pytest.raises(NotFound, match="refers to no stored value"):
            await other.value(result.output)
        harness.client.workspace = "elsewhere"
        with pytest.raises(RunNotFound):
            await harness.client.run_handle(result.run_id).value(result.output)


async def test_bytes_stay_a_reference_and_are_read_by_it() -> None:
    """They are no JSON, so no view of the run can hold them."""
    async with Harness(App(workflows=[Workflow("w").map(lambda _: b"\0\1")])) as harness:
        result = await harness.client.workflow("w").run(timeout_s=20)
        assert result.output["$blob"]["kind"] == "bytes"
        assert await harness.client.run_handle(result.run_id).value(result.output) == b"\0\1"


async def test_what_only_looks_like_a_reference_is_left_alone() -> None:
    """An output may be anything."""
    likeness = {"$blob": {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1, "kind": "json"}}
    async with Harness(App(workflows=[Workflow("w").map(lambda _: [likeness])])) as harness:
        result = await harness.client.workflow("w").run(timeout_s=20)
    assert result.output == [likeness]
