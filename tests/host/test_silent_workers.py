"""A worker that lives and does not react keeps no run from going on."""

import asyncio

from greenroom import App, StepContext, Workflow, step
from greenroom.runtime.host.desk import SILENT_S
from tests.host.harness import Harness, LocalWorker, calm


@step(timeout_s=5, retries=1)
async def limited(value: int, ctx: StepContext) -> int:
    """Never end at the first attempt."""
    if ctx.attempt == 1:
        await asyncio.Event().wait()
    return ctx.attempt


async def add_one(value: int) -> int:
    """Add one."""
    return value + 1


def app() -> App:
    """Return an app with a step whose time ends."""
    return App(workflows=[Workflow("limited", input=int).then(limited), Workflow("plain", input=int).then(add_one)])


async def _never(payload: bytes) -> bytes:
    await asyncio.Event().wait()
    raise AssertionError


def stop(worker: LocalWorker) -> None:
    """Let a worker answer nothing any more, as a stopped process does."""
    vars(worker)["exchange"] = _never


async def test_a_retry_goes_to_a_worker_that_reacts() -> None:
    """27. The worker stands still when the attempt's time ends: the next attempt is executed by another one."""
    async with Harness(app()) as harness:
        run = await harness.client.workflow("limited").start(1)
        await calm()
        (busy,) = [worker for worker in harness.spawner.workers if worker.executor._attempts]
        stop(busy)
        for _ in range(20):
            await harness.clock.advance(1)
        result = await run.result(timeout_s=5)
        assert (result.status, result.output) == ("success", 2)


async def test_new_work_goes_to_workers_that_react() -> None:
    """Once a worker has not reacted to one thing, no other is given to it while others are there."""
    async with Harness(app()) as harness:
        stop(harness.spawner.workers[0])
        first = await harness.client.workflow("plain").start(1)
        await calm()
        await harness.clock.advance(2 * SILENT_S)
        workflow = harness.client.workflow("plain")
        results = await asyncio.gather(*(workflow.run(number, timeout_s=5) for number in range(8)))
        assert [result.output for result in results] == list(range(1, 9))
        assert (await first.status()) == "running"
