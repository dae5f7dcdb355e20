"""Keys that are declared secret. Of line 4 of the page on semantics."""

from typing import Any

from greenroom import App, StepContext, Workflow
from greenroom.runtime.contracts.records import Table
from greenroom.runtime.contracts.storage import Query
from tests.host.harness import Harness

MARK = "never-to-be-stored"


async def use(value: Any, ctx: StepContext) -> Any:
    """Return what the context holds, before and after a resume."""
    given = ctx.request_context.get("token")
    return [given == MARK, ctx.request_context["user"], await ctx.suspend({"had": given == MARK})]


async def stored(harness: Harness) -> str:
    """Return every row of the store as text."""
    rows: list[str] = []
    for table in Table:
        async for page in harness.storage.scan(table, Query()):
            rows.extend(repr(row) for row in page)
    return "".join(rows)


async def test_a_secret_key_reaches_the_body_and_no_store() -> None:
    """4. It is there while the run is in memory, gone after a restart, and back when the resume brings it."""
    async with Harness(App(workflows=[Workflow("w").then(use)]), secret_keys=frozenset({"token"})) as harness:
        run = await harness.client.workflow("w").start(1, request_context={"token": MARK, "user": "u"})
        assert (await run.result(timeout_s=5)).suspend_payload == {"use": {"had": True}}
        assert MARK not in str((await run.get()).view)
        await harness.crash()
        await run.resume("use", "go", request_context={"token": MARK})
        assert (await run.result(timeout_s=5)).output == [True, "u", "go"]
        text = await stored(harness)
    assert "user" in text
    assert MARK not in text
