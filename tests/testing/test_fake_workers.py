"""The simulator's workers. What they lose and repeat is what a real link to a real worker may lose and repeat."""

import msgspec

from greenroom import App, Workflow, step
from greenroom.runtime.contracts.ports import WorkerLink, WorkerSpec
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
