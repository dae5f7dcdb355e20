"""Reruns: a run that goes back to one of its steps, in place; what it gives up stays in its history."""

from typing import Any

import pytest

from greenroom import App, InvalidInput, NotFound, RunNotFound, RunStillRunning, StepContext, Workflow, step
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.entries import Succeeded
from greenroom.runtime.contracts.records import JournalRow, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.contracts.work import Finished
from greenroom.runtime.host.intake import Intake
from tests.host.counted import ask, body, calls, forget_calls, keys
from tests.host.harness import Harness, calm


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    forget_calls()


async def journal_of(harness: Harness, run_id: str) -> list[JournalRow]:
    """Return a run's journal."""
    found: list[JournalRow] = []
    async for page in harness.storage.scan(Table.JOURNAL, Query(prefix=(run_id,))):
        found.extend(row for row in page if isinstance(row, JournalRow))
    return found


async def events_of(run: RunHandle, after: int = 0) -> list[tuple[str, str]]:
    """Return type and path of the durable events of a run that has ended."""
    return [(event.type, event.path) async for event in run.events(after=after) if event.seq]


async def test_a_finished_run_goes_back_and_ends_again() -> None:
    """36. It keeps its id, bodies before the step are not called again, the result is the new one."""
    flow = Workflow("main", input=int).then(body("a")).then(body("b")).then(body("c"))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        assert (await run.result(timeout_s=5)).output == 4
        again = await run.rerun(from_step="b", input=10)
        result = await again.result(timeout_s=5)
        assert (again.run_id, result.output, result.view["rewinds"]) == (run.run_id, 12, 1)
        await harness.crash()
        assert (await run.get()).view == result.view
    assert calls == {"a": 1, "b": 2, "c": 2}


async def test_the_old_outcomes_stay_in_the_history() -> None:
    """36. The journal only grows: its earlier rows are byte for byte what they were, and so are the earlier events."""
    flow = Workflow("main", input=int).then(body("a")).then(body("b"))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        await run.result(timeout_s=5)
        rows = await journal_of(harness, run.run_id)
        events = [event async for event in run.events()]
        await run.rerun(from_step="b")
        await run.result(timeout_s=5)
        assert (await journal_of(harness, run.run_id))[: len(rows)] == rows
        assert await events_of(run) == [
            *[(event.type, event.path) for event in events],
            ("run_rewound", ""),
            ("step_started", "b"),
            ("step_finished", "b"),
            ("run_finished", ""),
        ]


async def test_a_stream_from_the_rerun_on_has_only_what_is_new() -> None:
    """36. Behind the last event before it come the going back, with what was kept, and the steps from there."""
    flow = Workflow("main", input=int).then(body("a")).then(body("b"))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        last = (await run.result(timeout_s=5)).view["event_seq"]
        await run.rerun(from_step="b")
        events = [event async for event in run.events(after=last)]
    assert [event.seq for event in events] == list(range(last + 1, last + 5))
    assert events[0].data == {"path": "b", "kept": ["a"], "kept_count": 1}


async def test_a_parked_run_goes_back() -> None:
    """36. What waited is given up: a resume of it is refused, and the step that waits now takes a resume of its own."""
    flow = Workflow("main", input=int).then(body("a")).then(body("ask", ask)).then(body("end", lambda v, _: v))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        await run.result(timeout_s=5)
        await run.rerun(from_step="a", input=5)
        assert (await run.result(timeout_s=5)).suspend_payload == {"ask": {"about": 6}}
        await run.resume("ask", "yes")
        assert (await run.result(timeout_s=5)).output == [6, "yes"]
    assert calls == {"a": 2, "ask": 3, "end": 1}


@pytest.mark.parametrize("kind", ["failed", "canceled", "waiting"])
async def test_a_run_goes_back_however_it_stopped(kind: str) -> None:
    """36. A failed run tries again, a canceled one lives again, a sleeping one sleeps anew."""
    failing = [kind == "failed"]

    def shaky(value: Any, ctx: StepContext) -> Any:
        if failing[0]:
            raise ValueError("once")
        return value

    flow = Workflow("main", input=int).then(body("a")).then(body("b", shaky)).sleep(60).then(body("c"))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        await calm()
        if kind == "canceled":
            await run.cancel("enough")
        assert (await run.get()).status == kind
        failing[0] = False
        await run.rerun(from_step="b")
        await calm()
        await harness.clock.advance(59)
        assert (await run.get()).status == "waiting"
        await harness.clock.advance(1)
        result = await run.result(timeout_s=5)
        assert (result.status, result.output, result.error, result.reason) == ("success", 3, None, "")
    assert calls["a"] == 1


async def test_a_running_run_does_not_go_back() -> None:
    """36. While something moves in it, the refusal says so."""

    async def wait(value: Any, ctx: StepContext) -> Any:
        await ctx.cancelled.wait()

    flow = Workflow("main", input=int).then(body("a")).then(body("wait", wait))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        await calm()
        with pytest.raises(RunStillRunning, match="cannot be rerun now: it is running"):
            await run.rerun(from_step="a")
        await run.cancel()


async def test_an_unknown_step_and_a_wrong_input_are_named() -> None:
    """36. The run stays as it is when the step is none of it, or does not take the input."""

    @step
    async def count(value: int) -> int:
        return value

    async with Harness(App(workflows=[Workflow("main", input=int).then(count)])) as harness:
        run = await harness.client.workflow("main").start(1)
        before = (await run.result(timeout_s=5)).view
        with pytest.raises(NotFound, match=r"step 'x' is not one of run .*: count"):
            await run.rerun(from_step="x")
        with pytest.raises(InvalidInput, match="input for step 'count'"):
            await run.rerun(from_step="count", input="many")
        assert (await run.get()).view == before


async def test_attempts_count_on_so_that_late_results_stay_late() -> None:
    """32, 36. What an attempt of the old timeline reports is dropped, also when its path runs again."""
    late: list[int] = []

    async def stubborn(value: Any, ctx: StepContext) -> Any:
        late.append(ctx.attempt)
        return value

    flow = Workflow("main", input=int).then(body("a", stubborn)).then(body("b"))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        await run.result(timeout_s=5)
        await run.rerun(from_step="a")
        engine = harness.host._engine
        assert engine is not None
        stale = Finished(run_id=run.run_id, path="a", attempt=1, outcome=Succeeded(output=100))
        await Intake(engine).reported((stale,))
        assert (await run.result(timeout_s=5)).output == 2
        assert (late, engine.stale_results) == ([1, 2], 1)


async def test_a_rerun_has_idempotency_keys_of_its_own() -> None:
    """36. It was asked for, so what a key stands for outside happens again."""
    flow = Workflow("main", input=int).then(body("a"))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        await run.result(timeout_s=5)
        await run.rerun(from_step="a")
        await run.result(timeout_s=5)
    assert len(set(keys)) == 2


async def test_two_reruns_with_one_key_are_one() -> None:
    """36. A request that is sent again changes nothing, also after the run has ended again and after a restart."""
    flow = Workflow("main", input=int).then(body("a"))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        await run.result(timeout_s=5)
        await run.rerun(from_step="a", key="k")
        await run.rerun(from_step="a", key="k")
        await run.result(timeout_s=5)
        await harness.crash()
        await run.rerun(from_step="a", key="k")
        assert (await run.result(timeout_s=5)).view["rewinds"] == 1
    assert calls == {"a": 2}


async def test_a_resume_from_before_the_rerun_is_not_taken_again() -> None:
    """36. A resume that is sent again with its key after the run went back does not answer the new question."""
    flow = Workflow("main", input=int).then(body("ask", ask))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        await run.result(timeout_s=5)
        await run.resume("ask", "old", key="k")
        await run.result(timeout_s=5)
        await run.rerun(from_step="ask")
        await run.result(timeout_s=5)
        await run.resume("ask", "old", key="k")
        assert (await run.result(timeout_s=5)).status == "suspended"


async def test_the_state_goes_back_too() -> None:
    """36. What steps set from there on is gone, the second time as well; a given state takes its place."""

    def note(value: Any, ctx: StepContext) -> Any:
        seen = dict(ctx.state)
        ctx.set_state({ctx.path: value})
        return seen

    flow = Workflow("main", input=int).then(body("a", note)).then(body("b", note))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        await run.result(timeout_s=5)
        await run.rerun(from_step="b", input=2)
        assert (await run.result(timeout_s=5)).output == {"a": 1}
        await run.rerun(from_step="b", state={"given": True})
        assert (await run.result(timeout_s=5)).output == {"given": True}
        await run.rerun(from_step="b", input=3)
        result = await run.result(timeout_s=5)
        assert (result.output, result.state) == ({"given": True}, {"given": True, "b": 3})


async def test_items_and_iterations_go_back_in_place() -> None:
    """36. A foreach goes back to an item, a loop to an iteration; a nested workflow to one of its steps."""

    async def enough(value: int) -> bool:
        return value >= 3

    inner = Workflow("inner").then(body("x")).then(body("y"))
    flow = Workflow("main", input=int).do_until(body("count"), enough).map(lambda value: [value] * 3).foreach(inner)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(0)
        assert (await run.result(timeout_s=5)).output == [5, 5, 5]
        await run.rerun(from_step="inner[1]/y", input=50)
        assert (await run.result(timeout_s=5)).output == [5, 51, 5]
        assert (calls["inner[0]/x"], calls["inner[1]/x"], calls["inner[1]/y"], calls["inner[2]/x"]) == (1, 1, 2, 2)
        await run.rerun(from_step="count[1]")
        assert (await run.result(timeout_s=5)).output == [5, 5, 5]
        assert [calls[f"count[{index}]"] for index in range(3)] == [1, 2, 2]


async def test_a_part_that_is_history_is_not_found() -> None:
    """36. A nested run that the run went back behind says so, until the run has come there again."""
    inner = Workflow("inner").then(body("x"))
    flow = Workflow("main", input=int).then(body("ask", ask)).then(body("first", lambda v, _: 1)).then(inner)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        await run.result(timeout_s=5)
        await run.resume("ask", "go")
        child = await harness.client.run((await run.result(timeout_s=5)).steps["inner"].run_id or "")
        await run.rerun(from_step="ask")
        await run.result(timeout_s=5)
        with pytest.raises(RunNotFound, match="went back to an earlier step since"):
            await child.get()
        await run.resume("ask", "go")
        await run.result(timeout_s=5)
        assert (await child.get()).status == "success"


async def test_a_callback_runs_again_for_the_new_end() -> None:
    """29, 36. Each end of a run has its callback once."""

    async def told(result: Any, ctx: StepContext) -> None:
        calls[f"told {result['status']}"] += 1

    flow = Workflow("main", input=int, on_finish=told).then(body("a"))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("main").start(1)
        await run.result(timeout_s=5)
        await calm()
        await run.rerun(from_step="a")
        await run.result(timeout_s=5)
        await calm()
    assert calls == {"a": 2, "told success": 2}
