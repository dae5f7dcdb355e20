"""A whole runtime in this process: the real host, core and executor on fake workers, a store in memory, a fake clock.

It can die at any moment and come back on the same store, with its workers or without them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Self

import msgspec

from greenroom.actors.attempt import Turns
from greenroom.app import output_types
from greenroom.runtime import json_schema
from greenroom.runtime.client.link import read_answer
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.errors import RuntimeUnavailable, StorageError
from greenroom.runtime.contracts.plan import BundleSource
from greenroom.runtime.contracts.ports import Clock
from greenroom.runtime.contracts.requests import Request
from greenroom.runtime.contracts.storage import Storage
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.definitions import schema, values
from greenroom.runtime.definitions.app import App
from greenroom.runtime.host.edge import answer
from greenroom.runtime.host.host import Host
from greenroom.storage.memory import MemoryStorage
from greenroom.testing.clock import FakeClock
from greenroom.testing.fake_workers import FakeSpawner, OnDispatch
from greenroom.testing.faults import Blow, Faults
from greenroom.testing.store_life import Commits, StoreLife, Watch

QUIET_TURNS: Final = 12
"""So many turns of the event loop without anything happening are calm: longer than any chain of wake-ups."""

GRACE_S: Final = 0.002
MAX_GRACES: Final = 50
"""How long, in real time, `settle` waits for bodies that are at work: those that wait for a test never end."""

RETRY_S: Final = 0.05
"""Wait before a request is sent again to a runtime that is coming up."""

GIVE_UP_S: Final = 600.0
"""How long a request is sent again: a runtime may die many times while it comes up."""

ZOMBIE_S: Final = 5.0
"""How long a runtime goes on that was replaced and does not know it."""

_encode = msgspec.msgpack.Encoder().encode


class _Link:
    """Carries requests to the runtime that lives, and again while it is coming up, as the link over Ray does.

    And once more when the store failed meanwhile, as a caller would who reads that error.
    """

    def __init__(self, ask: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._ask = ask

    async def call(self, request: Request) -> Json:
        """Return the answer."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + GIVE_UP_S
        while True:
            try:
                return read_answer(await self._ask(_encode(request)))
            except (RuntimeUnavailable, StorageError):
                if loop.time() > give_up_at:
                    raise
            await asyncio.sleep(RETRY_S)


class CountedIds:
    """Ids that tell their order."""

    def __init__(self) -> None:
        self._count = 0

    def run_id(self) -> str:
        """Return the next id."""
        self._count += 1
        return f"run-{self._count}"

    def trace_id(self) -> str:
        """Return a trace id made from the next number."""
        self._count += 1
        return f"{self._count:032x}"


class FakeRuntime:
    """A runtime that needs nothing but this process.

    Used as `async with FakeRuntime(app) as fake`; `fake.client` is what `greenroom.connect` gives.

    Args:
        app: The application.
        clock: Time; a `FakeClock` of its own if none is given.
        model: What answers model turns, a `ScriptedModel` for instance.
        workers: Workers of each pool.
        faults: What goes wrong.
        evicts: Throw the runtime away whenever it has carried out a commit: everything in its memory is lost, and every
            run is read from its journal again.
        on_kept: Sees what the store keeps.
        on_dispatch: Sees what workers are given.

    Attributes:
        deaths: How often the runtime died so far.
    """

    def __init__(
        self,
        app: App,
        *,
        clock: Clock | None = None,
        model: Turns | None = None,
        workers: int = 2,
        faults: Faults | None = None,
        evicts: bool = False,
        on_kept: Watch | None = None,
        on_dispatch: OnDispatch | None = None,
    ) -> None:
        self.app = app
        self.clock: Clock = clock or FakeClock()
        self.faults = faults or Faults()
        self.storage: Storage = MemoryStorage()
        self.commits = Commits(self.faults, on_kept)
        self.ids = CountedIds()
        self.deaths = 0
        self._is_closing = False
        self.spawner = FakeSpawner(
            {app.plan.id: app},
            self.storage,
            clock=self.clock.now,
            turns=model,
            faults=self.faults,
            on_dispatch=on_dispatch,
            hold=self._held,
        )
        self._pool_size = workers
        self._evicts = evicts
        self._evicted = asyncio.Event()
        self._waiting_out: tuple[tuple[str, str, int], ...] = ()
        self._tasks: set[asyncio.Task[None]] = set()
        self._life: StoreLife
        self.host: Host
        self.client = self.of_workspace("default")

    async def __aenter__(self) -> Self:
        """Start, with the app registered."""
        self._live(1)
        if isinstance(self.clock, FakeClock):
            self.clock.settlers.append(self.settle)
        request = requests.Register(
            plan=msgspec.msgpack.encode(self.app.plan), source=BundleSource(target="in-process:app")
        )
        await self.client.link.call(request)
        if self._evicts:
            self._begin(self._keep_evicting())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything."""
        if isinstance(self.clock, FakeClock):
            self.clock.settlers.remove(self.settle)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._life.end()
        await self.host.close(stop_workers=False)
        for worker in self.spawner.workers:
            await worker.die()

    def of_workspace(self, workspace: str) -> RuntimeClient:
        """Return the handle of another tenant."""
        return RuntimeClient(
            _Link(self._ask),
            self.ids,
            workspace=workspace,
            dump=values.dump,
            load=values.load,
            schema_of=lambda type_: schema.output_schema(type_) or {},
            output_type=output_types(self.app),
        )

    async def crash(self, blow: Blow | None = None) -> None:
        """Let the runtime die now, and return when there is another one on the same store."""
        self.strike(blow or Blow())
        await self._life.ended

    def strike(self, blow: Blow) -> None:
        """Let die whom the blow names; another runtime comes up by itself."""
        living = self.spawner.living
        for index in self.faults.chosen([worker.pool for worker in living], blow.workers):
            living[index].drop()
            self._begin(living[index].die(self.faults.told_after_s()))
        if not blow.hits_runtime or self._life.is_over or (self._is_closing and blow.is_graceful):
            return
        self.deaths += 1
        if blow.is_full:
            return
        if blow.fails_store:
            self._life.is_broken = True
            return
        if not blow.is_graceful:
            self._life.end(is_zombie=blow.is_zombie)
        if not self._is_closing:
            self._is_closing = blow.is_graceful
            follow = self._close if blow.is_graceful else self._replace
            self._begin(follow(self.host, self._life, blow))

    async def settle(self) -> None:
        """Return when nothing moves any more that can move by itself."""
        await self._calm()
        for _ in range(MAX_GRACES):
            if not self._busy() or self._busy() == self._waiting_out:
                break
            await asyncio.sleep(GRACE_S)  # bodies in threads, or waiting for something outside
            await self._calm()
        self._waiting_out = self._busy()

    async def _calm(self) -> None:
        """Return when nothing has happened for some turns of the event loop."""
        quiet = 0
        while quiet < QUIET_TURNS:
            before = self._pulse()
            await asyncio.sleep(0)
            quiet = quiet + 1 if self._pulse() == before else 0

    def _busy(self) -> tuple[tuple[str, str, int], ...]:
        return tuple(
            (*place, attempt) for worker in self.spawner.living for place, attempt in sorted(worker.running.items())
        )

    def _pulse(self) -> int:
        return self.commits.pulse + self.deaths + sum(worker.pulse for worker in self.spawner.workers)

    def _live(self, epoch: int) -> None:
        life, is_open = self._open(epoch), False

        async def open_storage() -> StoreLife:
            nonlocal life, is_open
            if is_open and not life.is_over:  # the runtime starts over
                before, life = life, self._open(life.epoch + 1)
                before.end(is_zombie=True)
                before.ended.set_result(None)
            is_open = True
            return life

        self.host = Host(
            open_storage=open_storage,
            spawner=self.spawner,
            clock=self.clock,
            ids=self.ids,
            check=json_schema.check,
            pool_sizes={"default": self._pool_size},
        )
        self.host.start()

    def _open(self, epoch: int) -> StoreLife:
        life = StoreLife(self.storage, epoch, self.commits, lambda blow: self._hit(life, blow))
        self._life = life
        return life

    def _hit(self, life: StoreLife, blow: Blow) -> None:
        if life is self._life:
            self.strike(blow)

    async def _close(self, host: Host, life: StoreLife, blow: Blow) -> None:
        """Close the runtime, and let another one come up."""
        await host.close(stop_workers=False)
        life.end()
        if blow.down_s:
            await asyncio.sleep(blow.down_s)
        self._is_closing = False
        self._live(life.epoch + 1)
        life.ended.set_result(None)

    async def _replace(self, host: Host, life: StoreLife, blow: Blow) -> None:
        """Let another runtime take the store over; the old one ends, or goes on a while without knowing."""
        if blow.down_s:
            await asyncio.sleep(blow.down_s)
        self._live(life.epoch + 1)
        life.ended.set_result(None)
        if blow.is_zombie:
            await asyncio.sleep(ZOMBIE_S)
        await host.close(stop_workers=False)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_evicting(self) -> None:
        while True:
            await self.commits.changed.wait()
            await self._calm()
            self.commits.changed.clear()
            if not self._life.is_over:
                await self.crash()
            self._evicted.set()
            self._evicted.clear()

    async def _held(self) -> None:
        """Keep what workers say until the commit before it has been carried out and forgotten."""
        while self._evicts and self.commits.changed.is_set():
            await self._evicted.wait()

    async def _ask(self, payload: bytes) -> bytes:
        """Answer a request; like the link over Ray, send it again when the runtime dies before it has answered.

        A caller that leaves asks again as well: it stands for another one that has the same wish.
        """
        while True:
            self.commits.pulse += 1
            if delay_s := self.faults.delay_s():
                await asyncio.sleep(delay_s)
            host, life = self.host, self._life
            reply = asyncio.ensure_future(answer(host, payload))
            try:
                either: set[asyncio.Future[Any]] = {reply, life.ended}
                if (turns := self.faults.turns_to_leave()) is not None:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    continue
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not life.is_over:
                    return reply.result()
                await life.ended
            finally:
                reply.cancel()
                await asyncio.gather(reply, return_exceptions=True)
