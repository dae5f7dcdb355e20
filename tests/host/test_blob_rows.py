"""Every stored value that a run refers to has a row that says so: a purge keeps what is needed and nothing else."""

from typing import Any

from greenroom import App, StepContext, Workflow, step
from greenroom.runtime.contracts.records import BlobRow, Table
from greenroom.runtime.contracts.storage import Query
from tests.host.harness import Harness

LENGTH = 300_000


@step(id="make")
async def make(value: int) -> dict[str, Any]:
    """Return a value with one large text, as a reference of its own, deep inside."""
    return {"n": value, "text": "x" * LENGTH}


async def keep(value: Any, ctx: StepContext) -> Any:
    """Put what came into the state."""
    ctx.set_state({"kept": value})
    return value


async def ask(value: Any, ctx: StepContext) -> Any:
    """Wait for a person."""
    await ctx.suspend()
    return value


async def blob_rows(harness: Harness) -> list[BlobRow]:
    """Return every row, as the store has them."""
    return [
        row async for page in harness.storage.scan(Table.BLOBS, Query()) for row in page if isinstance(row, BlobRow)
    ]


async def test_a_value_that_is_stored_by_reference_has_one_row_for_each_run() -> None:
    """However often and wherever a run refers to it, also after a restart; a second run has a row of its own."""
    flow = Workflow("w").then(make).then(keep).then(ask).then(step(id="again")(keep))
    async with Harness(App(workflows=[flow])) as harness:
        appended: list[BlobRow] = []
        append = harness.storage.append

        async def watch(records: Any) -> int:
            appended.extend(record for record in records if isinstance(record, BlobRow))
            return int(await append(records))

        harness.storage.append = watch
        for run_id in ("one", "two"):
            run = await harness.client.workflow("w").start(7, run_id=run_id)
            await run.result(timeout_s=5)
            await harness.crash()
            await run.resume("ask")
            assert (await run.result(timeout_s=5)).status == "success"
        rows = await blob_rows(harness)
        assert sorted(row.run_id for row in rows) == ["one", "two"]
        assert len({row.sha256 for row in rows}) == 1
        assert len(appended) == 2
        assert {row.workspace for row in rows} == {"default"}
        assert len(await harness.storage.get_blob(rows[0].sha256)) > LENGTH


async def test_a_run_without_stored_values_has_no_rows() -> None:
    """Nor has one whose text only looks like a reference."""
    async with Harness(App(workflows=[Workflow("w").then(keep)])) as harness:
        result = await harness.client.workflow("w").run({"$blob": "not one", "text": "$blob"}, timeout_s=5)
        assert result.status == "success"
        assert await blob_rows(harness) == []


async def test_a_value_of_a_nested_run_counts_for_the_run_around_it() -> None:
    """A child's values are deleted with the whole, so they are its root's."""
    async with Harness(App(workflows=[Workflow("w").then(Workflow("inner").then(make))])) as harness:
        result = await harness.client.workflow("w").run(7, timeout_s=5)
        assert [row.run_id for row in await blob_rows(harness)] == [result.run_id]
