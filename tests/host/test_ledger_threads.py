"""Money and conversations, as an agent's runs write them. Of lines 41, 45 and 46 of the page on semantics."""

import asyncio
from typing import Any

import pytest

from greenroom import Agent, App, Memory, NotFound, tool
from tests.host.crash_store import CrashStore
from tests.host.harness import Harness
from tests.host.scripted_turns import ScriptedTurns, called, said


@tool
async def search(query: str) -> str:
    """Search."""
    return query


def writer(**options: Any) -> App:
    return App(agents=[Agent(id="writer", instructions="", model="m/m", tools=[search], **options)])


def echo_turns() -> ScriptedTurns:
    """Answer with what was asked last, and how much came before."""
    return ScriptedTurns(lambda request: said(f"{request['messages'][-1]['content']}!"))


async def test_every_turn_is_charged_once_whatever_crashes() -> None:
    """41, 46. One entry for each paid turn; the balance is grants less charges."""
    for stop in range(1, 8):
        turns = ScriptedTurns([called(("search", {"query": "a"})), said("Done.")])
        store = CrashStore([stop])
        async with Harness(writer(), turns=turns, storage=store) as harness:
            await harness.client.ledger.grant(1000, key="g")
            start = asyncio.ensure_future(harness.client.agent("writer").start("Go.", run_id="mine"))
            hit = asyncio.ensure_future(store.hit.wait())
            await asyncio.wait({hit}, timeout=0.2)
            hit.cancel()
            if store.hit.is_set():
                await harness.crash()
                store.hit.clear()
            assert (await (await start).result(timeout_s=5)).status == "success"
            entries = await harness.client.ledger.entries(run_id="mine")
            assert [entry["amount_micros"] for entry in entries] == [-100, -100]
            assert len({entry["entry_id"] for entry in entries}) == 2
            assert await harness.client.ledger.balance() == 800


async def test_a_grant_counts_once_for_each_key() -> None:
    """A client may send it again."""
    async with Harness(writer()) as harness:
        await harness.client.ledger.grant(500, key="a")
        await harness.client.ledger.grant(500, key="a")
        await harness.client.ledger.grant(200, key="b")
        assert await harness.client.ledger.balance() == 700


async def test_a_thread_holds_what_was_asked_and_answered() -> None:
    """45. The next run is given the last messages, as many as the memory says; also after a crash."""
    turns = echo_turns()
    async with Harness(writer(memory=Memory(last_messages=3)), turns=turns) as harness:
        agent = harness.client.agent("writer")
        for text in ("one", "two", "three"):
            await agent.generate(text, thread="t", resource_id="u", timeout_s=5)
            await harness.crash()
        messages = await harness.client.threads.messages("t")
    assert [(message["role"], message["content"], message["position"]) for message in messages] == [
        ("user", "one", 1),
        ("assistant", "one!", 2),
        ("user", "two", 3),
        ("assistant", "two!", 4),
        ("user", "three", 5),
        ("assistant", "three!", 6),
    ]
    assert [message["content"] for message in turns.asked[-1]["messages"]] == ["one!", "two", "two!", "three"]


async def test_a_failed_run_leaves_no_messages() -> None:
    """45. Memory is written in the commit that ends a run with success, or not at all."""
    turns = ScriptedTurns([RuntimeError("gone")])
    async with Harness(writer(memory=Memory()), turns=turns) as harness:
        run = await harness.client.agent("writer").start("one", thread="t")
        assert (await run.result(timeout_s=5)).status == "failed"
        with pytest.raises(NotFound):
            await harness.client.threads.get("t")


async def test_a_thread_belongs_to_one_resource() -> None:
    """45. Another's is NotFound."""
    async with Harness(writer(memory=Memory()), turns=echo_turns()) as harness:
        agent = harness.client.agent("writer")
        await agent.generate("one", thread="t", resource_id="u", timeout_s=5)
        with pytest.raises(NotFound):
            await agent.generate("two", thread="t", resource_id="other", timeout_s=5)


async def test_concurrent_runs_on_one_thread_lose_no_message() -> None:
    """45. Both conversations stand in the thread, each together, in the order in which the runs ended."""
    turns = echo_turns()
    turns.gate.clear()
    async with Harness(writer(memory=Memory()), turns=turns) as harness:
        agent = harness.client.agent("writer")
        one = await agent.start("one", thread="t")
        two = await agent.start("two", thread="t")
        await turns.started.wait()
        await harness.crash()
        turns.gate.set()
        for run in (one, two):
            assert (await run.result(timeout_s=5)).status == "success"
        messages = await harness.client.threads.messages("t")
    said_there = [message["content"] for message in messages]
    assert said_there in (["one", "one!", "two", "two!"], ["two", "two!", "one", "one!"])
    assert [message["position"] for message in messages] == [1, 2, 3, 4]
