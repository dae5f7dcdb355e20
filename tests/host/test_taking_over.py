"""What a new runtime learns from the workers it takes over, where two have an attempt of one step."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from greenroom.runtime.contracts.entries import Succeeded
from greenroom.runtime.contracts.errors import Fenced
from greenroom.runtime.contracts.ports import WorkerLink, WorkerSpec
from greenroom.runtime.contracts.work import Attached, AttemptId, Exchange, Finished, Report, Scope, WorkItem
from greenroom.runtime.host.pools import Pools
from tests.host.harness import FakeClock, calm

PLACE = ("run", "slow")


def attempt(number: int) -> AttemptId:
    return AttemptId(run_id=PLACE[0], path=PLACE[1], attempt=number)


class StandingWorker:
    """A worker that has something in hand, and notes what it is told to stop."""

    pool, bundle = "steps", "b"

    def __init__(self, name: str, *, running: tuple[AttemptId, ...] = (), reports: tuple[Report, ...] = ()) -> None:
        self.name = name
        self.given: list[int] = []
        self.stopped: list[AttemptId] = []
        self._attached = Attached(running=running, number=len(reports), reports=reports)

    async def attach(self, epoch: int) -> bytes:
        return msgspec.msgpack.encode(self._attached)

    async def exchange(self, payload: bytes) -> bytes:
        said = msgspec.msgpack.decode(payload, type=Exchange)
        self.given += [item.attempt for item in said.items]
        self.stopped += said.cancels
        never: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        return await never

    async def stop(self) -> None:
        pass


class Standing:
    """Finds the workers that it is given, and starts one more."""

    def __init__(self, *workers: StandingWorker, started: StandingWorker | None = None) -> None:
        self._workers = workers
        self._started = started

    async def adopt(self) -> Sequence[WorkerLink]:
        return self._workers

    async def spawn(self, spec: WorkerSpec) -> WorkerLink:
        assert self._started is not None
        return self._started


async def ignore(reports: tuple[Report, ...]) -> None:
    pass


async def lose(attempts: list[tuple[str, str, int]]) -> None:
    pass


async def is_ours() -> None:
    pass


async def opened(*workers: StandingWorker) -> tuple[Pools, dict[tuple[str, str], int]]:
    pools = made(Standing(*workers), is_ours)
    return pools, await pools.open(1, ignore, lose)


def made(workers: Standing, confirm: Callable[[], Awaitable[None]]) -> Pools:
    return Pools(workers, FakeClock(), sizes={"default": 1}, models={}, max_threads=1, confirm=confirm)


async def test_an_older_attempt_that_still_runs_does_not_hide_that_the_newer_one_has_ended() -> None:
    """30. The last runtime died before it could stop the older one: the newer one's outcome is not taken for lost."""
    ended = Finished(run_id=PLACE[0], path=PLACE[1], attempt=2, outcome=Succeeded(output=1), started_at=0, ended_at=0)
    for workers in (
        (StandingWorker("new", reports=(ended,)), StandingWorker("old", running=(attempt(1),))),
        (StandingWorker("old", running=(attempt(1),)), StandingWorker("new", reports=(ended,))),
    ):
        pools, living = await opened(*workers)
        assert living == {PLACE: 2}
        await pools.close(stop_workers=False)


async def test_of_two_attempts_that_run_the_one_that_is_meant_is_stopped() -> None:
    """28, 32. The newer one goes on, and can be stopped later."""
    old, new = StandingWorker("old", running=(attempt(1),)), StandingWorker("new", running=(attempt(2),))
    for workers in ((old, new), (new, old)):
        old.stopped.clear()
        new.stopped.clear()
        pools, living = await opened(*workers)
        assert living == {PLACE: 2}
        pools.cancel(attempt(1))
        await calm()
        assert (old.stopped, new.stopped) == ([attempt(1)], [])
        pools.cancel(attempt(2))
        await calm()
        assert new.stopped == [attempt(2)]
        await pools.close(stop_workers=False)


async def test_a_worker_that_starts_for_a_runtime_that_was_replaced_is_given_nothing() -> None:
    """30. Seed 181205: the new runtime does not know of it, and has given what waits for it to a worker of its own."""

    async def is_gone() -> None:
        raise Fenced("another runtime has taken the store")

    scope = Scope(run_id=PLACE[0], workspace="default")
    item = WorkItem(path=PLACE[1], attempt=1, bundle="b", kind="step", code="slow", key="k")
    for confirm, given in ((is_ours, [1]), (is_gone, [])):
        worker = StandingWorker("started")
        pools = made(Standing(started=worker), confirm)
        await pools.open(1, ignore, lose)
        pools.dispatch("steps", scope, item)
        await calm()
        assert worker.given == given
        await pools.close(stop_workers=False)
