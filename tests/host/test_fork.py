"""Forks: a new run that takes over what came before a step, and executes from there."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from greenroom import (
    AlreadyClaimed,
    App,
    InvalidInput,
    NotFound,
    RequestError,
    RunStillRunning,
    StepContext,
    Workflow,
    step,
)
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.records import JournalRow, RunHead, Table
from greenroom.runtime.contracts.storage import Query
from tests.host.counted import ask, body, calls, forget_calls
from tests.host.harness import Harness, calm


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    forget_calls()


async def rows_of(harness: Harness, run_id: str) -> list[Any]:
    """Return all the store has of a run: its journal and its head."""
    found: list[Any] = [await harness.storage.get(Table.RUNS, (run_id,))]
    async for page in harness.storage.scan(Table.JOURNAL, Query(prefix=(run_id,))):
        found.extend(page)
    return found


async def events_of(run: RunHandle) -> list[Any]:
    """Return the durable events of a run that has ended."""
    return [event async for event in run.events() if event.seq]


async def test_a_fork_takes_over_what_came_before_and_executes_from_the_step() -> None:
    """36. Bodies before the step are not called again, those from it on are; the fork has an id of its own."""
    flow = Workflow("main", input=int).then(body("a")).then(body("b")).then(body("c"))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(1)
        first = await parent.result(timeout_s=5)
        fork = await parent.fork(from_step="b")
        second = await fork.result(timeout_s=5)
    assert (first.output, second.output, second.run_id != first.run_id) == (4, 4, True)
    assert calls == {"a": 1, "b": 2, "c": 2}
    assert second.steps["a"].output == 2
    assert second.view["forked_from"] == {"run_id": parent.run_id, "path": "b"}
    assert (second.input, second.view["bundle"]) == (1, first.view["bundle"])


async def test_a_fork_leaves_its_parent_byte_for_byte() -> None:
    """36. Journal, head and events of the parent are the same before and after."""
    flow = Workflow("main", input=int).then(body("a")).then(body("ask", ask)).then(body("c", lambda v, _: v))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(1)
        await parent.result(timeout_s=5)
        before, shown = await rows_of(harness, parent.run_id), (await parent.get()).view
        fork = await parent.fork(from_step="a", input=10)
        await fork.result(timeout_s=5)
        await fork.resume("ask", "fork")
        assert (await fork.result(timeout_s=5)).output == [11, "fork"]
        assert await rows_of(harness, parent.run_id) == before
        assert (await parent.get()).view == shown
        await parent.resume("ask", "parent")
        assert (await parent.result(timeout_s=5)).output == [2, "parent"]


async def test_a_fork_of_a_suspended_run_begins_at_what_is_suspended() -> None:
    """36. The step that waits in the parent begins anew in the fork and waits there by itself."""
    flow = Workflow("main", input=int).then(body("a")).then(body("ask", ask))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").run(1, timeout_s=5)
        fork = await (await harness.client.run(parent.run_id)).fork(from_step="ask", input=5)
        waiting = await fork.result(timeout_s=5)
        assert (waiting.status, waiting.suspend_payload) == ("suspended", {"ask": {"about": 5}})
        await fork.resume("ask", "yes")
        assert (await fork.result(timeout_s=5)).output == [5, "yes"]
        assert (await harness.client.run(parent.run_id)) is not None
        assert calls == {"a": 1, "ask": 3}


async def test_a_running_run_is_not_forked() -> None:
    """36. While something moves in it, the refusal says so and nothing is recorded."""

    async def wait(value: Any, ctx: StepContext) -> Any:
        await ctx.cancelled.wait()

    flow = Workflow("main", input=int).then(body("a")).then(body("wait", wait))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(1)
        await calm()
        with pytest.raises(RunStillRunning, match="cannot be forked now: it is running"):
            await parent.fork(from_step="a")
        assert len((await harness.client.runs()).items) == 1
        await parent.cancel()


async def test_an_unknown_step_is_named_with_those_there_are() -> None:
    """36. The error names the step that was asked for and lists the steps that have begun."""
    flow = Workflow("main", input=int).then(body("a")).then(body("b"))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(1)
        await parent.result(timeout_s=5)
        with pytest.raises(NotFound, match=r"step 'c' is not one of run .*: a, b") as caught:
            await parent.fork(from_step="c")
        assert caught.value.facts["candidates"] == ["a", "b"]


class Draft(BaseModel):
    text: str
    pages: int = 3


async def test_an_input_is_validated_by_the_steps_schema() -> None:
    """36. Every wrong field is listed, nothing is recorded; a valid one has the defaults."""

    @step
    async def write(draft: Draft) -> int:
        return draft.pages

    flow = Workflow("main").map(lambda value: {"text": "t"}).then(write)
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(None)
        assert (await parent.result(timeout_s=5)).output == 3
        with pytest.raises(InvalidInput, match="input for step 'write'") as caught:
            await parent.fork(from_step="write", input={"pages": "many"})
        assert {issue["field"] for issue in caught.value.facts["issues"]} == {"text", "pages"}
        assert len((await harness.client.runs()).items) == 1
        fork = await parent.fork(from_step="write", input={"text": "u", "pages": 7})
        assert (await fork.result(timeout_s=5)).output == 7


async def test_the_state_is_what_it_was_when_the_step_began() -> None:
    """36. What later steps set is not there; a given state takes its place and is validated."""

    def note(value: Any, ctx: StepContext) -> Any:
        seen = dict(ctx.state)
        ctx.set_state({"last": ctx.path, ctx.path: value})
        return seen

    class Notes(BaseModel):
        last: str = ""
        a: int | None = None
        b: Any = None
        limit: int = 1

    flow = (
        Workflow("main", input=int, state=Notes)
        .then(body("a", note))
        .then(body("b", note))
        .then(body("c", lambda v, ctx: ctx.state))
    )
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(1, state={"limit": 5})
        await parent.result(timeout_s=5)
        fork = await (await parent.fork(from_step="b")).result(timeout_s=5)
        seen = fork.steps["b"].output
        assert (seen["last"], seen["a"], seen["limit"]) == ("a", 1, 5)
        assert (fork.state["last"], fork.state["a"]) == ("b", 1)
        given = await parent.fork(from_step="c", state={"limit": 9})
        assert (await given.result(timeout_s=5)).output["limit"] == 9
        assert (await given.get()).output["last"] == ""
        with pytest.raises(InvalidInput, match="state for workflow 'main'"):
            await parent.fork(from_step="c", state={"limit": "x"})


async def test_the_events_of_a_fork_begin_with_what_was_taken_over() -> None:
    """36. The first event names parent, step and what was kept; then come the steps that are executed, without gaps."""
    flow = Workflow("main", input=int).then(body("a")).then(body("b")).then(body("c"))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(1)
        await parent.result(timeout_s=5)
        fork = await parent.fork(from_step="c")
        await fork.result(timeout_s=5)
        events = await events_of(fork)
    assert [(event.type, event.path) for event in events] == [
        ("run_started", ""),
        ("step_started", "c"),
        ("step_finished", "c"),
        ("run_finished", ""),
    ]
    assert [event.seq for event in events] == [1, 2, 3, 4]
    assert events[0].data["forked_from"] == {
        "run_id": parent.run_id,
        "path": "c",
        "kept": ["a", "b"],
        "kept_count": 2,
    }


async def test_two_forks_with_one_key_are_one() -> None:
    """36. The same request again gives the same run; the key with another step is refused."""
    flow = Workflow("main", input=int).then(body("a")).then(body("b"))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(1)
        await parent.result(timeout_s=5)
        made = await asyncio.gather(*(parent.fork(from_step="b", key="k") for _ in range(8)))
        one = made[0]
        await one.result(timeout_s=5)
        assert {fork.run_id for fork in made} == {one.run_id}
        assert (await parent.fork(from_step="b", key="k")).run_id == one.run_id
        with pytest.raises(AlreadyClaimed, match="key 'k' already started run"):
            await parent.fork(from_step="a", key="k")
    assert calls["b"] == 2


async def test_a_part_of_a_run_is_not_forked_by_itself() -> None:
    """36. The refusal says which run and which step to take instead."""
    inner = Workflow("inner").then(body("x"))
    async with Harness(App(workflows=[Workflow("main", input=int).then(inner)])) as harness:
        result = await harness.client.workflow("main").run(0, timeout_s=5)
        child = await harness.client.run(result.steps["inner"].run_id or "")
        with pytest.raises(RequestError, match=r"take run .* from step 'inner/x'"):
            await child.fork(from_step="x")


async def test_a_fork_outlives_its_parent() -> None:
    """36. What was taken over is the fork's own: the parent can be deleted, and the fork is read after a restart."""
    flow = Workflow("main", input=int).then(body("a")).then(body("ask", ask))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(1)
        await parent.result(timeout_s=5)
        fork = await parent.fork(from_step="ask")
        shown = (await fork.result(timeout_s=5)).view
        await parent.delete()
        await harness.crash()
        assert (await fork.get()).view == shown
        await fork.resume("ask", "yes")
        assert (await fork.result(timeout_s=5)).output == [2, "yes"]


async def test_a_fork_of_a_fork_takes_over_what_it_took_over() -> None:
    """36. A fork is a run like any other: it can be forked from a step that it never executed itself."""
    flow = Workflow("main", input=int).then(body("a")).then(body("b")).then(body("c"))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(0)
        await parent.result(timeout_s=5)
        fork = await parent.fork(from_step="c", input=10)
        await fork.result(timeout_s=5)
        second = await fork.fork(from_step="b", input=20)
        assert (await second.result(timeout_s=5)).output == 22
    assert calls == {"a": 1, "b": 2, "c": 3}


async def test_values_kept_by_reference_stay_references() -> None:
    """36. A large output is taken over as a reference, and a list that the engine looked into is read by its digest."""
    big = ["x" * 200_000, "y" * 200_000]
    flow = (
        Workflow("main")
        .then(body("make", lambda v, _: big))
        .foreach(body("each", lambda v, _: v[0]))
        .then(body("end", lambda v, _: v))
    )
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(None)
        assert (await parent.result(timeout_s=5)).output == ["x", "y"]
        fork = await parent.fork(from_step="each[1]")
        assert (await fork.result(timeout_s=5)).output == ["x", "y"]
        rows = [row for row in await rows_of(harness, fork.run_id) if isinstance(row, JournalRow)]
        assert sum(len(row.body) for row in rows) < 20_000
        await harness.crash()
        assert (await fork.get()).output == ["x", "y"]
    assert calls == {"make": 1, "each[0]": 1, "each[1]": 2, "end": 2}


async def test_a_fork_is_listed_with_its_parent() -> None:
    """36. The head of a fork names the run it was taken from."""
    flow = Workflow("main", input=int).then(body("a"))
    async with Harness(App(workflows=[flow])) as harness:
        parent = await harness.client.workflow("main").start(1)
        await parent.result(timeout_s=5)
        fork = await parent.fork(from_step="a")
        await fork.result(timeout_s=5)
        head = await harness.storage.get(Table.RUNS, (fork.run_id,))
    assert isinstance(head, RunHead)
    assert (head.forked_from, head.root_id, head.parent_id) == (parent.run_id, fork.run_id, None)
