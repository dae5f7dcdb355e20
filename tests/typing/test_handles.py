"""What type checkers know of handles of runs. Checked by mypy; run once, so that it cannot lie."""

from typing import Any, assert_type

from greenroom import App, StepContext, Workflow
from greenroom.runtime.client.results import RunResult
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.statuses import RunStatus
from tests.host.harness import Harness


async def ask(value: int, ctx: StepContext) -> Any:
    return [value, await ctx.suspend()]


async def test_handles_lead_to_handles_and_results() -> None:
    """A start, a resume, a fork and a rerun give the handle of the run they are about."""
    async with Harness(App(workflows=[Workflow("w", input=int).then(ask)])) as harness:
        run = await harness.client.workflow("w").start(1)
        assert_type(run, RunHandle)
        waiting = await run.result(timeout_s=5)
        assert_type(waiting, RunResult)
        assert_type(waiting.suspensions, dict[str, str])
        assert_type(await run.resume("ask", 2, suspension=waiting.suspensions["ask"]), RunHandle)
        await run.result(timeout_s=5)
        fork = await run.fork("ask", input=3, state={"n": 1}, key="f", request_context={})
        assert_type(fork, RunHandle)
        again = await run.rerun("ask", input=4, state=None, key="r")
        assert_type(again, RunHandle)
        assert_type(await run.status(), RunStatus)
        assert_type(await run.cancel("enough"), bool)
        assert fork.run_id != run.run_id
        assert again is run
