"""What a run took is in the store when it has ended: for traces and for questions in SQL."""

import asyncio
from typing import Any

from greenroom import App, StepContext, Workflow, step
from greenroom.runtime.contracts.records import SpanRow, Table
from greenroom.runtime.contracts.storage import Query
from tests.host.crash_store import CrashStore
from tests.host.harness import START, Harness


async def spans_of(harness: Harness, run_id: str) -> dict[str, SpanRow]:
    """Return a run's spans by path, as the store has them."""
    return {
        row.path: row
        async for page in harness.storage.scan(Table.SPANS, Query(prefix=(run_id,)))
        for row in page
        if isinstance(row, SpanRow)
    }


async def echo(value: Any) -> Any:
    return value


@step(retries=1, backoff=0)
async def shaky(value: int, ctx: StepContext) -> int:
    """Fail once."""
    if ctx.attempt == 1:
        raise OSError("not yet")
    return value + 1


async def test_an_ended_run_has_a_span_for_itself_and_for_each_step() -> None:
    """With attempts, times, kinds, and who stands in whom."""
    inner = Workflow("inner").then(shaky)
    flow = Workflow("w").then(echo).sleep(30).parallel(inner, step(id="side")(echo))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(7)
        await run.wait_for("waiting")
        assert await spans_of(harness, run.run_id) == {}
        await harness.clock.advance(30)
        result = await run.result(timeout_s=5)
        found = await spans_of(harness, run.run_id)
    assert set(found) == {"", *result.steps}
    run_span = found[""]
    assert (run_span.kind, run_span.name, run_span.status, run_span.parent_path) == ("run", "w", "success", None)
    assert (run_span.started_at, run_span.ended_at, run_span.trace_id) == (START, START + 30, result.trace_id)
    assert {path: row.parent_path for path, row in found.items() if path} == {
        "echo": "",
        "sleep": "",
        "inner": "",
        "side": "",
        "inner/shaky": "inner",
    }
    assert {path: row.attempts for path, row in found.items() if row.attempts > 1} == {"inner/shaky": 2}
    assert (found["sleep"].started_at, found["sleep"].ended_at) == (START, START + 30)
    assert {row.kind for row in found.values()} == {"run", "step", "sleep", "workflow"}


async def test_a_failed_run_says_in_its_spans_where_and_why() -> None:
    """The step and the run have the error; others have none."""

    async def fail(_value: int) -> int:
        raise ValueError("no good")

    async with Harness(App(workflows=[Workflow("w").then(echo).then(fail)])) as harness:
        result = await harness.client.workflow("w").run(7, timeout_s=5)
        found = await spans_of(harness, result.run_id)
    errors = {path: (row.error_type, row.error) for path, row in found.items() if row.error_type}
    assert errors == {"": ("ValueError", "no good"), "fail": ("ValueError", "no good")}
    assert {path: row.status for path, row in found.items()} == {"": "failed", "echo": "success", "fail": "failed"}


async def test_spans_are_written_with_the_end_of_the_run_and_once() -> None:
    """In the same append, so a crash leaves both or none, and no sync is added."""
    for stop in range(1, 4):
        store = CrashStore([stop])
        async with Harness(App(workflows=[Workflow("w").then(echo)]), storage=store) as harness:
            start = asyncio.ensure_future(harness.client.workflow("w").start(7, run_id="mine"))
            hit = asyncio.ensure_future(store.hit.wait())
            await asyncio.wait({hit}, timeout=0.2)
            hit.cancel()
            if store.hit.is_set():
                await harness.crash()
                store.hit.clear()
            assert (await (await start).result(timeout_s=5)).status == "success"
            assert set(await spans_of(harness, "mine")) == {"", "echo"}
            assert store.health().figures["appends"] <= store.count + 1
