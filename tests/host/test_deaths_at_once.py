"""Several workers die at once, and the runtime hears of one after the other."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

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
        self.is_known_dead = False
        self._waiting: list[asyncio.Future[bytes]] = []

    async def attach(self, epoch: int) -> bytes:
        if self.is_known_dead:
            raise WorkerLost(self.name)
        return msgspec.msgpack.encode(Attached())

    async def exchange(self, payload: bytes) -> bytes:
        self.given += [item.attempt for item in msgspec.msgpack.decode(payload, type=Exchange).items]
        if not self.is_dead:
            self.say()
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(reply)
        return await reply

    def say(self) -> None:
        """Answer the exchange that waits longest."""
        if self._waiting:
            self._waiting.pop(0).set_result(msgspec.msgpack.encode(Reports(number=0)))

    def tell(self) -> None:
        """Let it be known that it is dead."""
        self.is_dead = self.is_known_dead = True
        for reply in self._waiting:
            reply.set_exception(WorkerLost(self.name))

    async def stop(self) -> None:
        pass


class Found:
    """Finds workers, and starts another one when the test says."""

    def __init__(self, *workers: MortalWorker) -> None:
        self._workers = workers
        self.next: asyncio.Future[WorkerLink] = asyncio.get_running_loop().create_future()

    async def adopt(self) -> tuple[WorkerLink, ...]:
        return self._workers

    async def spawn(self, spec: WorkerSpec) -> WorkerLink:
        started, self.next = await self.next, asyncio.get_running_loop().create_future()
        return started


async def is_ours() -> None:
    pass


def give(pools: Pools, number: int) -> None:
    """Let an attempt of the step be executed."""
    item = WorkItem(path="s", attempt=number, bundle="b", kind="step", code="w/s", key="k", input=None)
    pools.dispatch("steps", Scope(run_id="run", workspace="default"), item)


async def opened(spawner: Found, *, size: int = 3, confirm: Callable[[], Awaitable[object]] = is_ours) -> Pools:
    """Return pools with the workers found, that execute again what one of them had in hand, and have been given it."""

    async def confirmed() -> None:
        await confirm()

    pools = Pools(spawner, FakeClock(), sizes={"default": size}, models={}, max_threads=1, confirm=confirmed)

    async def again(attempts: list[tuple[str, str, int]]) -> None:
        for _, _, number in attempts:
            give(pools, number + 1)

    async def ignore(reports: object) -> None:
        pass

    await pools.open(1, ignore, again)
    give(pools, 1)
    await calm()
    return pools


async def test_what_a_dead_worker_had_is_not_given_to_one_that_died_with_it() -> None:
    """30. One event is one death of a step, however many workers it takes; else three at once would fail the step."""
    workers = [MortalWorker(name) for name in "abc"]
    pools = await opened(Found(*workers))
    workers.sort(key=lambda worker: worker.given, reverse=True)
    for worker in workers:
        worker.is_dead = True
    for worker in workers:
        worker.tell()
        await calm()
    assert [worker.given for worker in workers] == [[1], [], []]
    await pools.close(stop_workers=False)


async def test_what_was_said_before_a_death_proves_no_life_after_it() -> None:
    """30. A worker's answer was under way when it died, and comes behind the news of another's death."""
    first, second = MortalWorker("a"), MortalWorker("b")
    pools = await opened(Found(first, second), size=2)
    first, second = sorted((first, second), key=lambda worker: worker.given, reverse=True)
    first.is_dead = second.is_dead = True
    first.tell()
    await calm()
    second.say()
    await calm()
    assert second.given == []
    await pools.close(stop_workers=False)


async def test_a_death_before_the_runtime_came_up_is_as_one_that_is_told() -> None:
    """30. It finds one worker dead, and has taken over another that died with it afterwards."""
    dead, other = MortalWorker("a"), MortalWorker("b")
    dead.is_known_dead = True
    other.is_dead = True
    pools = await opened(Found(other, dead), size=2)
    assert other.given == []
    await pools.close(stop_workers=False)


async def test_a_death_before_the_runtime_came_up_keeps_nothing_from_those_that_live() -> None:
    """30. A worker with nothing to report proves itself all the same."""
    dead, other = MortalWorker("a"), MortalWorker("b")
    dead.is_known_dead = True
    pools = await opened(Found(other, dead), size=2)
    assert other.given == [1]
    await pools.close(stop_workers=False)


@pytest.mark.parametrize(("is_dead", "given"), [(True, []), (False, [2])])
async def test_a_worker_that_was_starting_when_another_died_may_have_died_too(
    *, is_dead: bool, given: list[int]
) -> None:
    """30. It is taken into use behind the news of the death, and has answered before it only."""
    gate = asyncio.Event()
    first, second = MortalWorker("a"), MortalWorker("b")
    spawner = Found(first)
    pools = await opened(spawner, size=2, confirm=gate.wait)
    spawner.next.set_result(second)
    await calm()
    second.is_dead = is_dead
    first.tell()
    await calm()
    gate.set()
    await calm()
    assert second.given == given
    await pools.close(stop_workers=False)


async def test_what_a_dead_worker_had_is_given_to_one_that_answers() -> None:
    """30. Nothing waits for a new process where another worker is there."""
    workers = [MortalWorker(name) for name in "abc"]
    pools = await opened(Found(*workers))
    workers.sort(key=lambda worker: worker.given, reverse=True)
    workers[0].is_dead = workers[1].is_dead = True
    workers[0].tell()
    await calm()
    assert [worker.given for worker in workers] == [[1], [], [2]]
    await pools.close(stop_workers=False)
