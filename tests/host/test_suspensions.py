"""Which suspension a resume is for. Lines 20 to 23 of the page on semantics, where a body suspends more than once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel, field_validator

from greenroom import Agent, AlreadyClaimed, App, RunFinished, StepContext, Workflow, step, tool
from greenroom.runtime.client.results import RunEvent, RunResult
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.entries import Entry, Resumed
from greenroom.runtime.contracts.records import JournalRow, Table
from greenroom.runtime.contracts.storage import Query
from tests.host.crash_store import CrashStore
from tests.host.harness import Harness, calm
from tests.host.scripted_turns import ScriptedTurns, called


class Checked(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def _is_positive(cls, value: int) -> int:
        if value < 0:
            raise ValueError("must not be negative")
        return value


@step
async def twice(value: Any, ctx: StepContext) -> Any:
    return [await ctx.suspend("first"), await ctx.suspend("second")]


async def journaled(harness: Harness, run_id: str) -> list[Any]:
    """Return the data of the resumes in a run's journal."""
    found: list[Any] = []
    async for page in harness.storage.scan(Table.JOURNAL, Query(prefix=(run_id,))):
        for row in page:
            assert isinstance(row, JournalRow)
            found += [
                entry.data for entry in msgspec.msgpack.decode(row.body, type=list[Entry]) if isinstance(entry, Resumed)
            ]
    return found


async def attempted(*resumes: Any) -> list[int]:
    """Return which of some resumes were taken; the others must have come too late."""
    answers = await asyncio.gather(*resumes, return_exceptions=True)
    assert all(isinstance(answer, RunHandle | AlreadyClaimed) for answer in answers), answers
    return [number for number, answer in enumerate(answers) if isinstance(answer, RunHandle)]


@pytest.mark.parametrize("is_named", [True, False], ids=["by its token", "by what the handle saw"])
async def test_of_sixteen_answers_to_one_suspension_none_is_taken_by_the_next(is_named: bool) -> None:
    """22. The body suspends again at once: one answer is for the first time, and late ones are not for the second."""
    async with Harness(App(workflows=[Workflow("w").then(twice)]), storage=CrashStore()) as harness:
        run = await harness.client.workflow("w").start(1)
        token = (await run.result(timeout_s=5)).suspensions["twice"]
        handles = [harness.client.run_handle(run.run_id) for _ in range(16)]
        if not is_named:
            for handle in handles:
                await handle.get()

        def answer(number: int) -> Any:
            return handles[number].resume("twice", number, suspension=token if is_named else None)

        won = await attempted(*(answer(number) for number in range(8)))
        await calm()
        assert (await run.result(timeout_s=5)).suspend_payload == {"twice": "second"}
        assert await attempted(*(answer(number) for number in range(8, 16))) == []
        assert (await run.result(timeout_s=5)).suspend_payload == {"twice": "second"}
        assert await journaled(harness, run.run_id) == won
        assert len(won) == 1
        await run.resume("twice", "yes")
        assert (await run.result(timeout_s=5)).output == [won[0], "yes"]


async def test_a_handle_that_has_not_looked_takes_what_waits() -> None:
    """20. Without a token a resume is for whatever suspension the step is at."""
    async with Harness(App(workflows=[Workflow("w").then(twice)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        for data in ("one", "two"):
            await harness.client.run_handle(run.run_id).resume("twice", data)
            await calm()
        assert (await run.result(timeout_s=5)).output == ["one", "two"]


async def test_a_token_alone_names_the_step_that_waits() -> None:
    """20. Where several wait it tells which; with a name that means another step it is refused."""
    flow = Workflow("w").parallel(step(id="a")(twice.function), step(id="b")(twice.function))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(1)
        waiting = (await run.result(timeout_s=5)).suspensions
        stranger = harness.client.run_handle(run.run_id)
        with pytest.raises(AlreadyClaimed):
            await stranger.resume("a", 1, suspension=waiting["b"])
        await stranger.resume(data=1, suspension=waiting["b"])
        assert (await run.result(timeout_s=5)).steps["b"].suspend_payload == "second"
        with pytest.raises(AlreadyClaimed) as caught:
            await stranger.resume(data=2, suspension=waiting["b"])
        assert caught.value.facts["suspended"] == ["a", "b"]


async def test_a_suspension_keeps_its_token_across_crashes_and_shows_it_everywhere() -> None:
    """22. View, event and the next life of the runtime have the same; it is not stored, it follows."""
    async with Harness(App(workflows=[Workflow("w").then(twice)])) as harness:
        run = await harness.client.workflow("w").start(1)
        token = (await run.result(timeout_s=5)).suspensions["twice"]
        told = [event.data["suspension"] async for event in until_suspended(run) if event.type == "step_suspended"]
        await harness.crash()
        assert (await run.get()).suspensions == {"twice": token}
        assert told == [token]


async def until_suspended(run: RunHandle) -> AsyncIterator[RunEvent]:
    """Yield a run's events up to where it is suspended."""
    async for event in run.events():
        yield event
        if event.type == "run_suspended":
            return


async def test_an_answer_that_comes_when_all_is_over_changes_nothing() -> None:
    """20, 22. What was answered is claimed, also when the run has ended; what was canceled never was."""
    async with Harness(App(workflows=[Workflow("w").then(twice)])) as harness:
        run, canceled = [await harness.client.workflow("w").start(1) for _ in range(2)]
        first = (await run.result(timeout_s=5)).suspensions["twice"]
        await run.resume("twice", 1)
        await run.result(timeout_s=5)
        await run.resume("twice", 2)
        await run.result(timeout_s=5)
        with pytest.raises(AlreadyClaimed):
            await harness.client.run_handle(run.run_id).resume("twice", 3, suspension=first)
        token = (await canceled.result(timeout_s=5)).suspensions["twice"]
        await canceled.cancel()
        with pytest.raises(RunFinished):
            await canceled.resume("twice", 3, suspension=token)


async def test_every_suspension_has_a_token_of_its_own() -> None:
    """22. Approval and suspension of one call, iterations, items, and what a rerun comes to."""
    seen: list[str] = []

    async def look(run: RunHandle) -> RunResult:
        result = await run.result(timeout_s=5)
        seen.extend(result.suspensions.values())
        return result

    @tool(requires_approval=True)
    async def publish(ctx: Any) -> Any:
        return await ctx.suspend()

    async def again(value: Any, ctx: StepContext) -> bool:
        return ctx.iteration < 2

    turns = ScriptedTurns({"writer": [called(("publish", {})), called(("publish", {}))]})
    writer = Agent(id="writer", instructions="Write.", model="m/m", tools=[publish])
    each = Workflow("each").map(lambda value: [1, 2]).foreach(step(id="item")(twice.function))
    flow = Workflow("w").do_while(twice, again).then(each).map(lambda value: "go").then(writer)
    async with Harness(App(workflows=[flow], agents=[writer], tools=[publish]), turns=turns) as harness:
        run = await harness.client.workflow("w").start(1)
        for _ in range(4):
            await look(run)
            await run.resume(data=1)
        for _ in range(2):
            for index in range(2):
                await look(run) if not index else None
                await run.resume("item", 1, index=index)
        asked = await look(run)
        await run.resume(asked.suspended[0], {"approved": True})
        await look(run)
        for step_again in ("writer", "twice[0]"):
            await run.rerun(step_again)
            await look(run)
    assert len(seen) == 4 + 2 * 2 + 2 + 2
    assert len(set(seen)) == len(seen)


async def test_a_resume_of_a_foreach_is_for_all_of_its_items_that_wait() -> None:
    """21. Also by a handle that has seen them; a token beside the name picks one."""
    flow = Workflow("w").map(lambda value: [1, 2, 3]).foreach(step(id="item")(twice.function))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(1)
        tokens = (await run.result(timeout_s=5)).suspensions
        await run.resume("item", "x", suspension=tokens["item[1]"])
        await run.result(timeout_s=5)
        await run.resume("item", "y")
        await run.result(timeout_s=5)
        await run.resume("item", "z")
        result = await run.result(timeout_s=5)
        assert result.suspended == []
        assert result.output == [["y", "z"], ["x", "y"], ["y", "z"]]


async def test_items_that_others_resume_meanwhile_are_left_to_them() -> None:
    """21, 22. One item is claimed while data is checked on a worker: the rest is resumed, durably."""

    @step(resume=Checked)
    async def item(value: Any, ctx: StepContext) -> Any:
        return (await ctx.suspend()).number

    flow = Workflow("w").map(lambda value: [1, 2]).foreach(item)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        others = harness.client.run_handle(run.run_id)
        await asyncio.gather(run.resume("item", {"number": 5}), others.resume("item", {"number": 7}, index=1))
        assert (await run.result(timeout_s=5)).output == [5, 7]
        await harness.crash()
        assert (await run.get()).output == [5, 7]


async def test_one_key_is_one_resume_while_its_data_is_checked() -> None:
    """22. Two requests with one key whose data is checked on a worker: both are acknowledged."""

    @step(resume=Checked)
    async def ask(value: Any, ctx: StepContext) -> Any:
        return (await ctx.suspend()).number

    async with Harness(App(workflows=[Workflow("w").then(ask)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        await asyncio.gather(*(run.resume("ask", {"number": 5}, key="k") for _ in range(4)))
        assert (await run.result(timeout_s=5)).output == 5
        assert len(await journaled(harness, run.run_id)) == 1
