"""The store is looked after on request, and nobody waits for it."""

import asyncio
from typing import Any

from greenroom import App, Workflow, step
from greenroom.runtime.contracts.storage import CompactReport, PurgeReceipt, VerifyReport
from greenroom.storage.memory import MemoryStorage
from tests.host.harness import Harness, calm


async def echo(value: Any) -> Any:
    return value


async def make(value: int) -> list[str]:
    """Return a value that is stored by reference."""
    return [f"{value:0300000}"]


def app() -> App:
    """Return an app with a run that ends at once and one that makes a large value."""
    return App(workflows=[Workflow("w").then(echo), Workflow("large").then(make)])


class SlowPurge(MemoryStorage):
    """Purges when the gate is open.

    Attributes:
        under_way: How many purges are under way; the most that ever were is `most`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.reached = asyncio.Event()
        self.under_way = self.most = self.done = 0

    async def purge(self) -> PurgeReceipt:
        """Wait, then purge."""
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.reached.set()
        await self.gate.wait()
        self.under_way -= 1
        self.done += 1
        return await super().purge()


async def test_every_look_after_the_store_returns_its_report() -> None:
    """As the structs that the store gives."""
    async with Harness(app()) as harness:
        await harness.client.workflow("w").run(1, timeout_s=5)
        compacted, verified = await harness.client.compact(), await harness.client.verify()
        purged = await harness.client.purge()
    assert isinstance(compacted, CompactReport)
    assert isinstance(verified, VerifyReport)
    assert isinstance(purged, PurgeReceipt)
    assert verified.rows > 0
    assert verified.damages == ()


async def test_a_purge_keeps_nobody_waiting() -> None:
    """Runs go on; a second purge waits for the first."""
    store = SlowPurge()
    async with Harness(app(), storage=store) as harness:
        purges = [asyncio.ensure_future(harness.client.purge()) for _ in range(2)]
        await store.reached.wait()
        assert (await harness.client.workflow("w").run(1, timeout_s=5)).status == "success"
        assert (store.under_way, store.most) == (1, 1)
        store.gate.set()
        await asyncio.gather(*purges)
        assert (store.most, store.done) == (1, 2)


async def test_a_purge_goes_on_when_its_caller_goes_away() -> None:
    """What takes minutes does not begin anew because a client lost patience."""
    store = SlowPurge()
    async with Harness(app(), storage=store) as harness:
        purge = asyncio.ensure_future(harness.client.purge())
        await store.reached.wait()
        purge.cancel()
        await calm()
        store.gate.set()
        await calm()
        assert store.done == 1


async def test_a_stored_value_is_purged_with_the_last_run_that_refers_to_it() -> None:
    """Two runs made the same value; the first deletion leaves it, the second takes it away."""
    async with Harness(app()) as harness:
        runs = [await harness.client.workflow("large").start(7) for _ in range(2)]
        references = [(await run.result(timeout_s=5)).steps["make"].output for run in runs]
        assert references[0] == references[1]
        sha256 = references[0]["$blob"]["sha256"]
        await runs[0].delete()
        assert sha256 not in str((await harness.client.purge()).files)
        assert await harness.storage.get_blob(sha256)
        await runs[1].delete()
        receipt = await harness.client.purge()
        assert sha256 in str(receipt.files)
        assert receipt.deletions == 1


async def test_a_fork_outlives_the_run_it_comes_from() -> None:
    """What it took over is its own: deleting and purging its parent leaves the stored values that it refers to."""
    flow = Workflow("w").then(make).then(step(id="last")(echo))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(7)
        before = await run.result(timeout_s=5)
        fork = await run.fork(from_step="last")
        await fork.result(timeout_s=5)
        await run.delete()
        await harness.client.purge()
        await harness.crash()
        after = await fork.get()
        assert after.output == before.output
        assert after.steps["make"].output == before.steps["make"].output
        assert await fork.value(after.steps["make"].output) == before.output
