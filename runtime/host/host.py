"""The host: one runtime in one process. The Ray actor wraps it; tests drive it as it is.

`open` takes the store and the workers over and brings every open run back; `handle` answers one request. While it
recovers, requests wait; when the store fails, it starts over from what is durable.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import assert_never

from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.errors import ConfigError, Fenced, GreenroomError, RuntimeUnavailable, StorageError
from greenroom.runtime.contracts.plan import LimitPlan
from greenroom.runtime.contracts.ports import Clock, Ids, Spawner
from greenroom.runtime.contracts.records import Table
from greenroom.runtime.contracts.requests import Request
from greenroom.runtime.contracts.schedule_requests import (
    ChangeSchedule,
    CreateSchedule,
    DeleteSchedule,
    GetSchedule,
    ListSchedules,
    PauseSchedule,
    ResumeSchedule,
    RunSchedule,
    ScheduleHistory,
)
from greenroom.runtime.contracts.storage import Storage
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.state import Check
from greenroom.runtime.host.catalog import Catalog
from greenroom.runtime.host.declared import DeclaredSchedules
from greenroom.runtime.host.deletion import RunDeletion
from greenroom.runtime.host.engine import Engine
from greenroom.runtime.host.forking import Forking
from greenroom.runtime.host.intake import Intake
from greenroom.runtime.host.ledger import Ledger
from greenroom.runtime.host.load import Load
from greenroom.runtime.host.own_tasks import OwnTasks
from greenroom.runtime.host.ownership import Ownership
from greenroom.runtime.host.pools import Pools
from greenroom.runtime.host.reading import Reading
from greenroom.runtime.host.recovery import recover
from greenroom.runtime.host.refusal import refusal_for
from greenroom.runtime.host.retention import Retention
from greenroom.runtime.host.schedule_desk import ScheduleDesk
from greenroom.runtime.host.schedules import Schedules
from greenroom.runtime.host.secret_keys import SecretKeys
from greenroom.runtime.host.starting import Starter
from greenroom.runtime.host.status import status_of
from greenroom.runtime.host.steering import Steering
from greenroom.runtime.host.threads import Threads
from greenroom.runtime.host.upkeep import Upkeep
from greenroom.runtime.host.versions import Versions

OPEN_WAIT_S = 30.0
"""How long a request waits for a runtime that is coming up."""

REOPEN_S = 0.5
MAX_REOPEN_S = 10.0

log = logging.getLogger("greenroom.host")

OpenStorage = Callable[[], Awaitable[Storage]]


class Host:
    """One runtime.

    Args:
        open_storage: Opens the store; called again when the store failed.
        spawner: Makes and finds workers.
        clock: Time.
        ids: Fresh ids.
        check: Checks JSON Schemas.
        pool_sizes: Workers per pool, `default` for those not named.
        models: Providers by name, for agents.
        max_threads: Synchronous bodies at once, per worker.
        secret_keys: Keys of the request context that are never stored.
        retention_s: How long finished runs, and rows of other tables, are kept; for ever where nothing is said. Rows
            of other tables than runs are the store's to let go of: `open_storage` tells it.
        limits: Limits by name; they hold whatever an app says.
        weights: Shares of workspaces; 1 for those not named.
        max_running: Most runs in motion before new ones are refused; `max_running_of` for single workspaces.
    """

    def __init__(
        self,
        *,
        open_storage: OpenStorage,
        spawner: Spawner,
        clock: Clock,
        ids: Ids,
        check: Check,
        pool_sizes: dict[str, int] | None = None,
        models: dict[str, Json] | None = None,
        max_threads: int = 16,
        secret_keys: frozenset[str] = frozenset(),
        retention_s: dict[Table, float] | None = None,
        limits: dict[str, LimitPlan] | None = None,
        weights: dict[str, float] | None = None,
        max_running: int = 10_000,
        max_running_of: dict[str, int] | None = None,
    ) -> None:
        self._open_storage = open_storage
        self._spawner = spawner
        self._clock = clock
        self._ids = ids
        self._check = check
        self._pool_sizes = pool_sizes or {"default": 2}
        self._models = models or {}
        self._max_threads = max_threads
        self._secret_keys = secret_keys
        self._retention_s = retention_s or {}
        self._limits = limits or {}
        self._weights = weights or {}
        self._max_running = max_running
        self._max_running_of = max_running_of or {}
        self._own = OwnTasks()
        self._engine: Engine | None = None
        self._newest: Engine | None = None  # also while it recovers
        self._ready = asyncio.Event()
        self._refusal: GreenroomError | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._is_closed = False
        self.started_at = clock.now()
        self.recoveries = 0

    def start(self) -> None:
        """Begin to open the store in the background; requests wait for it."""
        self._keeper = asyncio.create_task(self._keep(), name="keeper")

    async def _keep(self) -> None:
        """Open, and open again whenever the store fails; stop for good when another runtime took over."""
        wait_s = REOPEN_S
        is_again = False
        while not self._is_closed:
            try:
                await self._open()
            except Exception as error:  # noqa: BLE001 - whoever asks is told, and it may be gone the next time
                self._refusal = refusal_for(error)
                self._ready.set()
                if isinstance(error, ConfigError | Fenced):
                    return
                await self._clock.sleep_until(self._clock.now() + wait_s)
                wait_s = min(MAX_REOPEN_S, wait_s * 2)
                continue
            wait_s = REOPEN_S
            self.recoveries += is_again
            is_again = True
            self._refusal = None
            self._ready.set()
            assert self._engine is not None  # noqa: S101 - _open made it
            engine = self._engine
            await engine.on_failure.wait()
            self._ready.clear()
            await self._shut(engine, stop_workers=False)
            if isinstance(engine.failure, Fenced):
                self._refusal = engine.failure
                self._ready.set()
                return

    async def _open(self) -> None:
        storage = await self._open_storage()
        pools = Pools(
            self._spawner,
            self._clock,
            sizes=self._pool_sizes,
            models=self._models,
            max_threads=self._max_threads,
            confirm=lambda: engine.confirm(),  # noqa: PLW0108 - the engine is made of these pools
            weights=self._weights,
        )
        engine = Engine(
            storage,
            pools,
            clock=self._clock,
            ids=self._ids,
            check=self._check,
            incarnation=secrets.token_hex(4),
            secrets=SecretKeys(self._secret_keys),
            load=Load(self._max_running, self._max_running_of),
            limits=self._limits,
            weights=self._weights,
        )
        self._newest = engine
        catalog = Catalog(engine)
        try:
            await catalog.load()
            intake = Intake(engine)
            living = await pools.open(storage.health().epoch, intake.reported, intake.lost)
            await recover(engine, living)
        except BaseException as error:
            await engine.close()
            await pools.close(stop_workers=False)
            await storage.close()
            if isinstance(error, RuntimeUnavailable) and engine.failure is not None:
                raise engine.failure from error
            raise
        starter = Starter(engine, catalog)
        schedules = Schedules(engine, starter)
        catalog.beside = DeclaredSchedules(engine, schedules).changes
        engine.wheel.start()
        engine.admitting.start(self._clock.now() if engine.bundles else None)
        self._engine = engine
        self._ownership = Ownership(storage, self._clock)
        self._catalog = catalog
        self._starter = starter
        self._schedule_desk = ScheduleDesk(engine, schedules, starter)
        self._steering = Steering(engine, catalog, starter)
        self._forking = Forking(engine, catalog)
        self._versions = Versions(engine, catalog)
        self._versions.start()
        self._reading = Reading(engine)
        self._ledger = Ledger(engine)
        self._threads = Threads(engine)
        self._deletion = RunDeletion(engine)
        self._upkeep = Upkeep(storage)
        self._retention = Retention(
            engine,
            self._deletion,
            runs_s=self._retention_s.get(Table.RUNS),
            forgets_ledger=Table.LEDGER in self._retention_s,
        )
        self._retention.start()

    async def _shut(self, engine: Engine, *, stop_workers: bool) -> None:
        await engine.close()
        await self._retention.stop()
        await self._versions.stop()
        await self._own.stop()
        await engine.wheel.stop()
        await engine.admitting.stop()
        await engine.fetching.stop()
        await engine.pools.close(stop_workers=stop_workers)
        try:
            await engine.storage.close()
        except StorageError as error:
            log.warning("the store could not be closed cleanly: %s", error)

    async def close(self, *, stop_workers: bool = True) -> None:
        """Flush, let go of the store, and end the workers."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._newest is not None:
            await self._newest.close()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._engine is not None:
            await self._shut(self._engine, stop_workers=stop_workers)
        self._refusal = RuntimeUnavailable("this runtime has been shut down")
        self._ready.set()

    async def handle(self, request: Request) -> Json:
        """Answer one request.

        What it changes is changed to the end when its caller goes away meanwhile: an append that is durable and not
        acted upon would leave a run standing until the next recovery.

        Raises:
            GreenroomError: Whatever the request led to.
        """
        if not self._ready.is_set():
            if isinstance(request, requests.Status):
                return {"state": "recovering", "recoveries": self.recoveries}
            try:
                async with asyncio.timeout(OPEN_WAIT_S):
                    await self._ready.wait()
            except TimeoutError:
                message = "the runtime is still recovering; try again in a moment"
                raise RuntimeUnavailable(message, {"retry_after_s": 2.0}) from None
        if self._refusal is not None:
            raise self._refusal
        await self._confirm()
        match request:
            case requests.Wait() | requests.Poll() | requests.Close():
                return await self._dispatch(request)
            case _:
                return await self._own.run(self._dispatch(request))

    async def _confirm(self) -> None:
        """Make sure that this runtime was not replaced without knowing it.

        Raises:
            Fenced: It was, and it stops.
        """
        engine = self._running()
        try:
            await self._ownership.confirm()
        except Fenced as error:
            engine.fail(error)
            raise

    async def _dispatch(self, request: Request) -> Json:  # noqa: C901, PLR0911, PLR0912 - one arm for each request
        match request:
            case requests.Start():
                return await self._starter.start(request)
            case requests.Get():
                return await self._reading.get(request)
            case requests.ReadValue():
                return await self._reading.read_value(request)
            case requests.Wait():
                return await self._reading.wait(request)
            case requests.Poll():
                return await self._reading.poll(request)
            case requests.ListRuns():
                return await self._reading.list_runs(request)
            case requests.Resume():
                return await self._steering.resume(request)
            case requests.Settle():
                return await self._steering.settle(request)
            case requests.Signal():
                return await self._steering.signal(request)
            case requests.Cancel():
                return await self._steering.cancel(request)
            case requests.Advance():
                return await self._steering.advance(request)
            case requests.ForkRun():
                return await self._forking.fork(request)
            case requests.Rerun():
                return await self._forking.rerun(request)
            case requests.Drain():
                return await self._versions.drain(request)
            case requests.Migrate():
                return await self._versions.migrate(request)
            case requests.Register():
                return await self._catalog.register(request)
            case requests.Describe():
                return self._catalog.describe()
            case requests.Balance():
                return await self._ledger.balance(request)
            case requests.LedgerEntries():
                return await self._ledger.entries(request)
            case requests.Grant():
                return await self._ledger.grant(request)
            case requests.ListThreads():
                return await self._threads.list_threads(request)
            case requests.GetThread():
                return await self._threads.get(request)
            case requests.PutThread():
                return await self._threads.put(request)
            case requests.Delete():
                return await self._delete(request)
            case (
                CreateSchedule()
                | ChangeSchedule()
                | GetSchedule()
                | ListSchedules()
                | PauseSchedule()
                | ResumeSchedule()
                | RunSchedule()
                | DeleteSchedule()
                | ScheduleHistory()
            ):
                return await self._schedule_desk.answer(request)
            case requests.Compact():
                return await self._upkeep.compact()
            case requests.Purge():
                return await self._upkeep.purge()
            case requests.Verify():
                return await self._upkeep.verify()
            case requests.Status():
                return self.status()
            case requests.Flush():
                await self._running().storage.flush()
                return {}
            case requests.Close():
                await self.close(stop_workers=request.stop_workers)
                return {}
            case _:
                assert_never(request)

    async def _delete(self, request: requests.Delete) -> dict[str, Json]:
        match request.scope:
            case "run":
                await self._deletion.delete_run(request)
            case "thread":
                await self._threads.delete(request)
            case "workspace":
                await self._deletion.delete_workspace(request)
        return {"scope": request.scope, "id": request.id}

    def _running(self) -> Engine:
        assert self._engine is not None  # noqa: S101 - requests wait until it is there
        return self._engine

    def status(self) -> dict[str, Json]:
        """Return how the runtime is."""
        return {
            "state": "running",
            "started_at": self.started_at,
            "recoveries": self.recoveries,
            "bundle": self._catalog.newest,
            "stopped_workers": list(self._versions.stopped),
            **status_of(self._running()),
        }
