"""A whole runtime in this process: the real host, core and executor, with a clock that moves when it is told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Self

import msgspec

from greenroom.actors.executor import Executor
from greenroom.app import output_types
from greenroom.runtime import json_schema
from greenroom.runtime.client.link import LocalLink
from greenroom.runtime.client.results import RunResult
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.plan import BundleSource
from greenroom.runtime.contracts.ports import WorkerLink, WorkerLost, WorkerSpec
from greenroom.runtime.contracts.records import Key, Record, Table
from greenroom.runtime.contracts.storage import CompactReport, PurgeReceipt, Query, Storage, StoreHealth, VerifyReport
from greenroom.runtime.core.state import RunState
from greenroom.runtime.definitions import schema, values
from greenroom.runtime.definitions.app import App
from greenroom.runtime.definitions.workflow import Workflow
from greenroom.runtime.host.edge import answer
from greenroom.runtime.host.host import Host
from greenroom.storage.memory import MemoryStorage

START = 1_800_000_000.0


class FakeClock:
    """Time that stands still until `advance`."""

    def __init__(self) -> None:
        self.time = START
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Return the fake time."""
        return self.time

    async def sleep_until(self, at: float) -> None:
        """Return when the fake time has come."""
        if at <= self.time:
            return
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((at, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move the time on and let everything that was due happen."""
        self.time += seconds
        for at, future in self._sleepers:
            if at <= self.time and not future.done():
                future.set_result(None)
        self._sleepers = [(at, future) for at, future in self._sleepers if not future.done()]
        await calm()


async def calm(turns: int = 200) -> None:
    """Let everything that is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)


class CountedIds:
    """Ids that tell their order."""

    def __init__(self) -> None:
        self.count = 0

    def run_id(self) -> str:
        """Return the next id."""
        self.count += 1
        return f"run-{self.count}"

    def trace_id(self) -> str:
        """Return a trace id made from the next number."""
        self.count += 1
        return f"{self.count:032x}"


class LocalWorker:
    """A worker in this process, which can be killed."""

    def __init__(self, name: str, spec: WorkerSpec, executor: Executor) -> None:
        self.name = name
        self.pool = spec.pool
        self.bundle = spec.bundle
        self.executor = executor
        self.dead = asyncio.Event()

    async def attach(self, epoch: int) -> bytes:
        """Take it over."""
        if self.dead.is_set():
            raise WorkerLost(self.name)
        return self.executor.attach(epoch)

    async def exchange(self, payload: bytes) -> bytes:
        """Talk to it; fails when it dies meanwhile."""
        if self.dead.is_set():
            raise WorkerLost(self.name)
        talk = asyncio.ensure_future(self.executor.exchange(payload))
        death = asyncio.ensure_future(self.dead.wait())
        await asyncio.wait({talk, death}, return_when=asyncio.FIRST_COMPLETED)
        death.cancel()
        if self.dead.is_set():
            talk.cancel()
            raise WorkerLost(self.name)
        return talk.result()

    def executes(self, run_id: str | None) -> bool:
        """Tell whether it has something of a run in hand; of any when no run is named."""
        return run_id is None or any(running == run_id for running, _ in self.executor._attempts)

    async def kill(self) -> None:
        """Die like a process: nothing it was doing goes on."""
        self.dead.set()
        await self.executor.close()

    async def stop(self) -> None:
        """End it."""
        await self.kill()


Turns = Callable[..., Awaitable[Any]]


class StoredBlobs:
    """The store's blobs as a worker in this process reaches them."""

    def __init__(self, harness: "Harness") -> None:
        self._harness = harness

    async def put(self, sha256: str, data: bytes) -> None:
        """Store bytes."""
        await self._harness.storage.put_blob(sha256, data)

    async def get(self, sha256: str) -> bytes:
        """Return bytes."""
        data: bytes = await self._harness.storage.get_blob(sha256)
        return data


class LocalSpawner:
    """Makes workers in this process and finds them again."""

    def __init__(self, apps: dict[str, App], turns: Any = None, blobs: StoredBlobs | None = None) -> None:
        self.apps = apps
        self.blobs = blobs
        self.turns = turns
        self.workers: list[LocalWorker] = []

    async def adopt(self) -> Sequence[WorkerLink]:
        """Return those that live."""
        return [worker for worker in self.workers if not worker.dead.is_set()]

    async def spawn(self, spec: WorkerSpec) -> WorkerLink:
        """Start one."""
        turns = self.turns if spec.pool == "agents" else None
        executor = Executor(self.apps[spec.bundle].code, bundles=(spec.bundle,), turns=turns, blobs=self.blobs)
        worker = LocalWorker(f"worker-{len(self.workers)}", spec, executor)
        self.workers.append(worker)
        return worker


class Harness:
    """A runtime that can be crashed and started again on the same store and workers."""

    def __init__(
        self,
        app: App,
        *,
        storage: Storage | None = None,
        turns: Any = None,
        workers: int = 2,
        secret_keys: frozenset[str] = frozenset(),
        retention_s: dict[Table, float] | None = None,
        **limits: Any,
    ) -> None:
        self.app = app
        self._limits = limits
        self._secret_keys = secret_keys
        self._retention_s = retention_s
        self.clock = FakeClock()
        self.ids = CountedIds()
        self.storage: Any = storage or MemoryStorage()
        self.spawner = LocalSpawner({app.plan.id: app}, turns, StoredBlobs(self))
        self._workers = workers
        self._life = _Life(self.storage, 1)
        self._dying: list[asyncio.Future[None]] = []
        self.host = self._make()
        self.client = self._client()

    def _make(self) -> Host:
        life = self._life

        async def open_storage() -> Any:
            return life

        return Host(
            open_storage=open_storage,
            spawner=self.spawner,
            clock=self.clock,
            ids=self.ids,
            check=json_schema.check,
            pool_sizes={"default": self._workers},
            secret_keys=self._secret_keys,
            retention_s=self._retention_s,
            **self._limits,
        )

    def _client(self) -> RuntimeClient:
        return self.of_workspace("default")

    def of_workspace(self, workspace: str) -> RuntimeClient:
        """Return a client of another tenant."""
        return RuntimeClient(
            LocalLink(self._ask),
            self.ids,
            workspace=workspace,
            dump=values.dump,
            load=values.load,
            schema_of=lambda type_: schema.output_schema(type_) or {},
            output_type=output_types(self.app),
        )

    async def _ask(self, payload: bytes) -> bytes:
        """Answer a request; like the link over Ray, send it again when the runtime dies before it has answered."""
        while True:
            host, death = self.host, self._life.death
            reply = asyncio.ensure_future(answer(host, payload))
            dead = asyncio.ensure_future(death.wait())
            try:
                await asyncio.wait({reply, dead}, return_when=asyncio.FIRST_COMPLETED)
                if not death.is_set():
                    return reply.result()
            finally:
                dead.cancel()
                reply.cancel()
                await asyncio.gather(reply, dead, return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Start, with the app registered."""
        self.host.start()
        await self.register(self.app)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything."""
        await self.host.close()
        await asyncio.gather(*self._dying)
        for worker in self.spawner.workers:
            await worker.kill()

    async def register(self, app: App) -> None:
        """Make an app the newest bundle."""
        self.spawner.apps[app.plan.id] = app
        request = requests.Register(plan=msgspec.msgpack.encode(app.plan), source=BundleSource(target="tests:app"))
        await self.client.link.call(request)

    async def crash(self) -> None:
        """Kill the runtime and start another on the same store; its workers live on."""
        dead = self._life
        dead.is_severed = True
        engine, keeper = self.host._engine, self.host._keeper
        assert keeper is not None
        keeper.cancel()
        if engine is not None:
            await self.host._retention.stop()
            await self.host._versions.stop()
            await engine.wheel.stop()
            await engine.admitting.stop()
            await engine.pools.close(stop_workers=False)
        await asyncio.gather(keeper, return_exceptions=True)
        self._life = _Life(self.storage, dead.epoch + 1)
        self.host = self._make()
        self.host.start()
        dead.death.set()

    def find_state(self, run_id: str) -> RunState | None:
        """Return the state of a run that is in memory."""
        entry = self.host._engine.book.find(run_id) if self.host._engine is not None else None
        return entry.state if entry is not None else None

    def strike(self, pools: Sequence[str] = ("steps",), *, only: str | None = None) -> list[LocalWorker]:
        """Let every living worker of some pools die this moment, or only those that execute a run; return them."""
        living = [
            worker
            for worker in self.spawner.workers
            if worker.pool.startswith(tuple(pools)) and not worker.dead.is_set() and worker.executes(only)
        ]
        for worker in living:
            worker.dead.set()
            self._dying.append(asyncio.ensure_future(worker.kill()))
        return living

    async def kill_workers(self, pool: str = "steps") -> None:
        """Kill every living worker of a pool at once, and wait until their bodies have left."""
        for worker in self.strike((pool,)):
            await worker.kill()


async def run_once(flow: Workflow, value: Any = None, **options: Any) -> RunResult:
    """Run a workflow on a runtime of its own and return the run when it is finished or parked."""
    async with Harness(App(workflows=[flow])) as harness:
        return await harness.client.workflow(flow.id).run(value, timeout_s=10, **options)


class _Life:
    """The store as one life of the runtime reaches it; after its death nothing it still asks is answered."""

    def __init__(self, storage: Storage, epoch: int) -> None:
        self._storage = storage
        self.epoch = epoch
        self.is_severed = False
        self.death = asyncio.Event()

    async def _alive(self) -> None:
        if self.is_severed:
            await asyncio.get_running_loop().create_future()

    async def append(self, records: Sequence[Record]) -> int:
        await self._alive()
        seq = await self._storage.append(records)
        await self._alive()
        return seq

    async def confirm(self) -> None:
        await self._alive()
        await self._storage.confirm()

    async def get(self, table: Table, key: Key) -> Record | None:
        await calm(3)  # a store takes time: others go on meanwhile
        await self._alive()
        return await self._storage.get(table, key)

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        await calm(3)
        await self._alive()
        async for page in self._storage.scan(table, query):
            yield page

    async def put_blob(self, sha256: str, data: bytes) -> None:
        await self._alive()
        await self._storage.put_blob(sha256, data)

    async def get_blob(self, sha256: str) -> bytes:
        await self._alive()
        return await self._storage.get_blob(sha256)

    async def flush(self) -> None:
        await self._alive()
        await self._storage.flush()

    async def compact(self) -> CompactReport:
        await self._alive()
        return await self._storage.compact()

    async def purge(self) -> PurgeReceipt:
        await self._alive()
        return await self._storage.purge()

    async def verify(self) -> VerifyReport:
        await self._alive()
        return await self._storage.verify()

    def health(self) -> StoreHealth:
        return msgspec.structs.replace(self._storage.health(), epoch=self.epoch)

    async def close(self) -> None:
        """Let go of it; the store itself is the harness's."""
