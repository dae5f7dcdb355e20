"""The simulator's workers. What they lose and repeat is what a real link to a real worker may lose and repeat."""

import asyncio

import msgspec
import pytest

from greenroom import App, Workflow, step
from greenroom.runtime.contracts.ports import WorkerLink, WorkerLost, WorkerSpec
from greenroom.runtime.contracts.work import Exchange, Finished, Reports, Scope, WorkItem
from greenroom.storage.memory import MemoryStorage
from greenroom.testing.event_loop import run_simulated
from greenroom.testing.fake_workers import FakeSpawner
from greenroom.testing.faults import Faults


class Repeating(Faults):
    """A worker that says again what it has said while `is_on`."""

    is_on = False

    def is_repeated(self) -> bool:
        return self.is_on


@step
async def double(value: int) -> int:
    return value * 2


class Slow(Faults):
    """Every message is under way for some time, when it is switched on."""

    DELAY_S = 1.0
    is_on = False

    def delay_s(self) -> float:
        return self.DELAY_S * self.is_on


async def finished(worker: WorkerLink, epoch: int, *paths: str) -> list[str]:
    """Give the worker steps and return which have ended by its answer."""
    items = [
        WorkItem(path=path, attempt=1, bundle="b", kind="step", code="w/double", key=path, input=1) for path in paths
    ]
    scopes = (Scope(run_id="run", workspace="default"),)
    request = msgspec.msgpack.encode(Exchange(epoch=epoch, scopes=scopes, items=tuple(items)))
    reply = msgspec.msgpack.decode(await worker.exchange(request), type=Reports)
    return [report.path for report in reply.reports if isinstance(report, Finished)]


def test_a_runtime_that_was_replaced_takes_no_answer_from_the_newer_one() -> None:
    """31. Seed 1481905: a report was lost that no network loses, and its run waited until the next restart."""

    async def main() -> list[list[str]]:
        faults = Repeating()
        app = App(workflows=[Workflow("w", input=int).then(double)])
        spawner = FakeSpawner({"b": app}, MemoryStorage(), clock=lambda: 0.0, faults=faults)
        worker = await spawner.spawn(WorkerSpec(pool="steps", bundle="b", number=0))
        await worker.attach(3)
        seen = [await finished(worker, 3, "first")]
        faults.is_on = True
        seen.append(await finished(worker, 3, "second"))
        faults.is_on = False
        await worker.attach(2)
        seen.append(await finished(worker, 3))
        await worker.stop()
        return seen

    assert run_simulated(main()) == [["first"], ["first"], ["second"]]


def test_the_news_of_a_death_comes_behind_what_was_on_its_way() -> None:
    """30. What left the worker before it died arrives, and those that talk to it wait till they know."""

    async def main() -> list[object]:
        faults = Slow()
        app = App(workflows=[Workflow("w", input=int).then(double)])
        spawner = FakeSpawner({"b": app}, MemoryStorage(), clock=lambda: 0.0, faults=faults)
        worker = await spawner.spawn(WorkerSpec(pool="steps", bundle="b", number=0))
        await worker.attach(1)
        clock = asyncio.get_running_loop().time
        faults.is_on = True
        reply = asyncio.create_task(finished(worker, 1, "first"))
        await asyncio.sleep(3 * Slow.DELAY_S / 2)
        dying = asyncio.create_task(spawner.workers[0].die(5.0))
        seen: list[object] = [await reply, spawner.living, list(await spawner.adopt()) == [worker], clock()]
        for talk in (finished(worker, 1, "second"), worker.attach(2)):
            with pytest.raises(WorkerLost):
                await talk
            seen.append(clock())
        await dying
        return [*seen, await spawner.adopt()]

    assert run_simulated(main()) == [["first"], [], True, 2.0, 6.5, 7.5, []]
