"""The stream of a run. Lines 38 to 40 of the page on semantics."""

import asyncio
from typing import Any

import pytest

from greenroom import Agent, App, StepContext, Workflow, step, tool
from greenroom.runtime.client.results import RunEvent
from greenroom.runtime.client.run import RunHandle
from tests.host.crash_store import CrashStore
from tests.host.harness import Harness, calm
from tests.host.scripted_turns import ScriptedTurns, called, said

CALL = "inner/writer/look_up"


@tool
async def look_up(query: str) -> str:
    """Look something up."""
    return f"found {query}"


async def echo(value: Any) -> Any:
    return value


async def ask(value: Any, ctx: StepContext) -> Any:
    return await ctx.suspend()


def named(name: str, body: Any = echo) -> Any:
    return step(id=name)(body)


async def read(run: RunHandle, after: int = 0) -> list[RunEvent]:
    return [event async for event in run.events(after=after)]


def shown(events: list[RunEvent]) -> list[str]:
    return [f"{event.type} {event.path}".strip() for event in events]


async def test_two_steps_give_their_events_in_order() -> None:
    """38. Run start, step start, step result, step start, step result, run finish; numbered without gaps."""
    async with Harness(App(workflows=[Workflow("w").then(named("a")).then(named("b"))])) as harness:
        run = await harness.client.workflow("w").start(7)
        events = await read(run)
    assert shown(events) == [
        "run_started",
        "step_started a",
        "step_finished a",
        "step_started b",
        "step_finished b",
        "run_finished",
    ]
    assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6]
    assert events[-1].data == {"status": "success", "output": 7}


async def test_a_map_starts_and_finishes_like_a_step() -> None:
    """38. Nothing finishes that has not started."""
    async with Harness(App(workflows=[Workflow("w").map({}).then(named("a"))])) as harness:
        events = await read(await harness.client.workflow("w").start(7))
    assert shown(events)[1:4] == ["step_started map", "step_finished map", "step_started a"]


async def test_foreach_gives_progress_per_item() -> None:
    """38. How many have ended of how many."""
    async with Harness(App(workflows=[Workflow("w").foreach(named("each"), concurrency=1)])) as harness:
        events = await read(await harness.client.workflow("w").start([1, 2]))
    progress = [event.data for event in events if event.type == "foreach_progress"]
    assert [(data["completed"], data["total"], data["index"]) for data in progress] == [(1, 2, 0), (2, 2, 1)]


async def test_nested_events_carry_the_full_path() -> None:
    """38. From the outside in, blocks that have no name left out."""
    inner = Workflow("inner").parallel(named("a"), named("b"))
    async with Harness(App(workflows=[Workflow("w").then(inner)])) as harness:
        events = await read(await harness.client.workflow("w").start(7))
    assert {event.path for event in events} == {"", "inner", "inner/a", "inner/b"}


async def test_the_chunks_of_an_agent_that_is_a_step_carry_its_path() -> None:
    """38. Turns, calls and deltas stand between the step's start and its end; calls are below its path."""
    writer = Agent(id="writer", instructions="Write.", model="m/m", tools=[look_up])
    turns = ScriptedTurns([called(("look_up", {"query": "a"}), text="Looking."), said("Found it.")])
    flow = Workflow("w").then(Workflow("inner").then(writer))
    async with Harness(App(workflows=[flow], agents=[writer]), turns=turns) as harness:
        run = await harness.client.workflow("w").start("Find a.")
        events = await asyncio.wait_for(read(run), 5)
    inside = [event for event in events if event.path.startswith("inner/writer")]
    assert (inside[0].type, inside[-1].type) == ("step_started", "step_finished")
    assert {event.path for event in events if event.type == "agent_text_delta"} == {"inner/writer"}
    assert {event.path for event in inside if event.type.startswith("agent_")} <= {"inner/writer", CALL}
    assert [event.type for event in inside if event.path == CALL and event.type.startswith("step_")] == [
        "step_started",
        "step_finished",
    ]


async def test_failures_retries_suspensions_and_cancels_are_events() -> None:
    """38. Every turn of a step is told."""

    @step(retries=1, backoff=1)
    async def flaky(value: Any, ctx: StepContext) -> Any:
        if ctx.attempt == 1:
            raise ValueError("first")
        return await ctx.suspend({"p": 1}, label="l")

    flow = Workflow("w").then(flaky).sleep(60)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(7)
        await calm()
        await harness.clock.advance(1)
        await run.result(timeout_s=5)
        await run.resume("flaky", 5)
        await run.wait_for("waiting")
        await run.cancel()
        events = await read(run)
    assert shown(events) == [
        "run_started",
        "step_started flaky",
        "step_retrying flaky",
        "step_suspended flaky",
        "run_suspended",
        "run_resumed flaky",
        "step_started flaky",
        "step_finished flaky",
        "step_started sleep",
        "run_waiting",
        "step_canceled sleep",
        "run_finished",
    ]
    assert events[3].data | {"suspension": ""} == {"payload": {"p": 1}, "label": "l", "suspension": ""}
    assert events[5].data == {"data": 5}


async def test_a_late_reader_gets_everything_once() -> None:
    """39. Earlier events, then live ones; a cursor goes on behind it."""
    gate = asyncio.Event()

    async def wait(value: Any) -> Any:
        await gate.wait()
        return value

    async with Harness(App(workflows=[Workflow("w").then(named("a")).then(named("b", wait))])) as harness:
        run = await harness.client.workflow("w").start(7)
        await calm()
        readers = [asyncio.ensure_future(read(run, after)) for after in (0, 0, 2, 4)]
        await calm()
        gate.set()
        found = await asyncio.gather(*readers)
        assert [[event.seq for event in events] for events in found] == [
            [1, 2, 3, 4, 5, 6],
            [1, 2, 3, 4, 5, 6],
            [3, 4, 5, 6],
            [5, 6],
        ]


@pytest.mark.parametrize("stop", range(1, 6))
async def test_a_reader_sees_no_crash(stop: int) -> None:
    """39. With the runtime killed at any append it gets every later event once, without gaps."""
    store = CrashStore([stop])
    flow = Workflow("w").then(named("a")).parallel(named("b"), named("c")).then(named("d"))
    async with Harness(App(workflows=[flow]), storage=store) as harness:
        start = asyncio.ensure_future(harness.client.workflow("w").start(7, run_id="mine"))
        if stop == 1:
            await store.hit.wait()
            await harness.crash()
            store.hit.clear()
        reader = asyncio.ensure_future(read(await start))
        if stop > 1:
            await store.hit.wait()
            await calm()
            await harness.crash()
            store.hit.clear()
        events = await asyncio.wait_for(reader, 5)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert shown(events) == shown(await read(await harness.client.run("mine")))
    assert events[-1].type == "run_finished"


async def test_events_are_the_same_after_a_replay() -> None:
    """39. What was published is a projection of the journal: seq, type, path, time and data."""
    flow = Workflow("w").then(named("a")).then(ask).foreach(named("each"))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.result(timeout_s=5)
        await harness.clock.advance(5)
        await run.resume("ask", [1, 2])
        await run.result(timeout_s=5)
        before = await read(run)
        await harness.crash()
        assert await read(run) == before


async def test_the_stream_stays_open_while_the_run_is_parked() -> None:
    """39. A suspension is no end."""
    async with Harness(App(workflows=[Workflow("w").then(ask)])) as harness:
        run = await harness.client.workflow("w").start(7)
        reader = asyncio.ensure_future(read(run))
        await run.result(timeout_s=5)
        await calm()
        assert not reader.done()
        await run.resume("ask", 1)
        assert shown(await asyncio.wait_for(reader, 5))[-1] == "run_finished"


async def test_what_a_body_writes_comes_in_order_and_is_kept_only_if_durable() -> None:
    """40. Ephemeral chunks between the durable events; a late reader gets the durable ones."""
    gate = asyncio.Event()

    async def body(value: Any, ctx: StepContext) -> Any:
        await gate.wait()
        ctx.write({"n": 1})
        await ctx.write({"n": 2}, durable=True)
        ctx.write({"n": 3})
        return value

    async with Harness(App(workflows=[Workflow("w").then(named("a", body))])) as harness:
        run = await harness.client.workflow("w").start(7)
        reader = asyncio.ensure_future(read(run))
        await calm()
        gate.set()
        events = await asyncio.wait_for(reader, 5)
        assert [event.data["n"] for event in events if event.type == "step_output"] == [1, 2, 3]
        assert [event.seq for event in events] == [1, 2, 0, 3, 0, 4, 5]
        await harness.crash()
        late = await read(run)
    assert [event.data["n"] for event in late if event.type == "step_output"] == [2]


async def test_a_slow_reader_slows_neither_the_run_nor_others() -> None:
    """39. Nobody waits for it: it asks when it likes, and is given all the durable events."""

    async def chatter(value: Any, ctx: StepContext) -> Any:
        for number in range(6000):
            ctx.write(number)
        return value

    async with Harness(App(workflows=[Workflow("w").then(chatter).then(named("b"))])) as harness:
        run = await harness.client.workflow("w").start(7)
        slow = run.events()
        first = await anext(slow)
        await run.result(timeout_s=10)
        rest = [event async for event in slow]
    assert first.seq == 1
    assert [event.seq for event in rest if event.seq] == [2, 3, 4, 5, 6]


async def test_a_child_runs_stream_has_its_own_events() -> None:
    """38. Asked for by its own id, a nested run shows what is below its path, named from there."""
    async with Harness(App(workflows=[Workflow("w").then(Workflow("inner").then(echo)).then(ask)])) as harness:
        result = await harness.client.workflow("w").run(7, timeout_s=5)
        child = await harness.client.run(str(result.steps["inner"].run_id))
        events = await asyncio.wait_for(read(child), 5)
    assert shown(events) == ["step_started", "step_started echo", "step_finished echo", "step_finished"]


async def test_single_steps_pause_between_top_level_steps() -> None:
    """The run is `paused` after each step until somebody lets it go on, also after a crash."""
    flow = Workflow("w").then(named("a")).parallel(named("b"), named("c")).then(named("d"))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(7, single_step=True)
        for steps in (["a"], ["a", "b", "c"]):
            result = await run.result(timeout_s=5)
            assert (result.status, list(result.steps)) == ("paused", steps)
            await harness.crash()
            await run.advance()
        assert (await run.result(timeout_s=5)).status == "success"
