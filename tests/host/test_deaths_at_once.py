"""Several workers die at once, and the runtime hears of one after the other."""

import asyncio

import msgspec

from greenroom.runtime.contracts.ports import WorkerLink, WorkerLost, WorkerSpec
from greenroom.runtime.contracts.work import Attached, Exchange, Reports, Scope, WorkItem
from greenroom.runtime.host.pools import Pools
from tests.host.harness import FakeClock, calm


class MortalWorker:
    """A worker that keeps one exchange and answers it when the next one comes; its death is told when the test says."""

    pool, bundle = "steps", "b"

    def __init__(self, name: str) -> None:
        self.name = name
        self.given: list[int] = []
        self.is_dead = False
        self._waiting: list[asyncio.Future[bytes]] = []

    async def attach(self, epoch: int) -> bytes:
        return msgspec.msgpack.encode(Attached())

    async def exchange(self, payload: bytes) -> bytes:
        self.given += [item.attempt for item in msgspec.msgpack.decode(payload, type=Exchange).items]
        if not self.is_dead:
            for older in self._waiting:
                older.set_result(msgspec.msgpack.encode(Reports(number=0)))
            self._waiting.clear()
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(reply)
        return await reply

    def tell(self) -> None:
        """Let it be known that it is dead."""
        for reply in self._waiting:
            reply.set_exception(WorkerLost(self.name))

    async def stop(self) -> None:
        pass


class Found:
    """Finds workers and starts no other."""

    def __init__(self, *workers: MortalWorker) -> None:
        self._workers = workers

    async def adopt(self) -> tuple[WorkerLink, ...]:
        return self._workers

    async def spawn(self, spec: WorkerSpec) -> WorkerLink:
        never: asyncio.Future[WorkerLink] = asyncio.get_running_loop().create_future()
        return await never


async def is_ours() -> None:
    pass


async def opened(*workers: MortalWorker) -> Pools:
    """Return a pool of these workers that executes again what one of them had in hand, after giving it attempt 1."""
    pools = Pools(Found(*workers), FakeClock(), sizes={"default": 3}, models={}, max_threads=1, confirm=is_ours)

    def give(number: int) -> None:
        item = WorkItem(path="s", attempt=number, bundle="b", kind="step", code="w/s", key="k", input=None)
        pools.dispatch("steps", Scope(run_id="run", workspace="default"), item)

    async def again(attempts: list[tuple[str, str, int]]) -> None:
        for _, _, number in attempts:
            give(number + 1)

    async def ignore(reports: object) -> None:
        pass

    await pools.open(1, ignore, again)
    await calm()
    give(1)
    await calm()
    return pools


async def test_what_a_dead_worker_had_is_not_given_to_one_that_died_with_it() -> None:
    """30. One event is one death of a step, however many workers it takes; else three at once would fail the step."""
    workers = [MortalWorker(name) for name in "abc"]
    pools = await opened(*workers)
    workers.sort(key=lambda worker: worker.given, reverse=True)
    for worker in workers:
        worker.is_dead = True
    for worker in workers:
        worker.tell()
        await calm()
    assert [worker.given for worker in workers] == [[1], [], []]
    await pools.close(stop_workers=False)


async def test_what_a_dead_worker_had_is_given_to_one_that_answers() -> None:
    """30. Nothing waits for a new process where another worker is there."""
    workers = [MortalWorker(name) for name in "abc"]
    pools = await opened(*workers)
    workers.sort(key=lambda worker: worker.given, reverse=True)
    workers[0].is_dead = workers[1].is_dead = True
    workers[0].tell()
    await calm()
    assert [worker.given for worker in workers] == [[1], [], [2]]
    await pools.close(stop_workers=False)
