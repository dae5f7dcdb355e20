"""Workers in this process: the real executor, a link that can stall and repeat itself, and a death like a process's.

The news of a death may come late, and what a worker has answered before it died may come before the news.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from greenroom.actors.attempt import Instances, Turns
from greenroom.actors.executor import Executor
from greenroom.actors.values import BlobLink
from greenroom.runtime.contracts.ports import BundleUnavailable, WorkerLink, WorkerLost, WorkerSpec
from greenroom.runtime.contracts.storage import Storage
from greenroom.runtime.contracts.work import Attached, AttemptId, Exchange, Finished, Lost, Reports, Scope, WorkItem
from greenroom.runtime.definitions.app import App
from greenroom.testing.faults import Faults

_exchange = msgspec.msgpack.Decoder(Exchange)
_attached = msgspec.msgpack.Decoder(Attached)
_reports = msgspec.msgpack.Decoder(Reports)

MAX_REMEMBERED: Final = 4
"""Replies a worker may say again."""

OnDispatch = Callable[["FakeWorker", Scope, WorkItem], None]
Hold = Callable[[], Awaitable[None]]


async def _nothing() -> None:
    """Hold nothing back."""


class StoredBlobs:
    """The store's blobs as a worker in this process reaches them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def put(self, sha256: str, data: bytes) -> None:
        """Store bytes."""
        await self._storage.put_blob(sha256, data)

    async def get(self, sha256: str) -> bytes:
        """Return bytes."""
        return await self._storage.get_blob(sha256)


class FakeWorker:
    """A worker in this process.

    Attributes:
        running: The attempts it was given and has not reported as ended, by (run, path).
    """

    def __init__(  # noqa: PLR0917 - only `FakeSpawner` makes workers
        self, name: str, spec: WorkerSpec, executor: Executor, faults: Faults, on_dispatch: OnDispatch, hold: Hold
    ) -> None:
        self.name = name
        self.pool = spec.pool
        self.bundle = spec.bundle
        self.running: dict[tuple[str, str], int] = {}
        self.pulse = 0
        self._executor = executor
        self._faults = faults
        self._on_dispatch = on_dispatch
        self._hold = hold
        self._is_dead = False
        self._told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._said: list[bytes] = []
        self._held: defaultdict[int, list[asyncio.Task[bytes]]] = defaultdict(list)
        self._talks: set[asyncio.Task[bytes]] = set()

    @property
    def is_dead(self) -> bool:
        """True when nothing of it goes on any more."""
        return self._is_dead

    @property
    def is_known_dead(self) -> bool:
        """True when also those that talk to it know."""
        return self._told.done()

    async def attach(self, epoch: int) -> bytes:
        """Take it over."""
        await asyncio.sleep(self._faults.delay_s())
        if self.is_dead:
            await asyncio.wait({self._told})
            raise WorkerLost(self.name)
        for caller in [known for known in self._held if known <= epoch]:  # what a newer one is owed stays
            del self._held[caller]
        self._said.clear()
        attached = self._executor.attach(epoch)
        running = _attached.decode(attached).running
        self.running = {(attempt.run_id, attempt.path): attempt.attempt for attempt in running}
        return attached

    async def exchange(self, payload: bytes) -> bytes:
        """Talk to it; fails when it is known that it died meanwhile."""
        if self.is_known_dead:
            raise WorkerLost(self.name)
        request = _exchange.decode(payload)
        for item in request.items:
            self._on_dispatch(self, request.scopes[item.scope], item)
        if self.is_dead:
            await asyncio.wait({self._told})
            raise WorkerLost(self.name)
        # By caller: a zombie still talks to it, and what the one is answered never comes to the other.
        held = self._held[request.epoch]
        if not held or request.items or request.cancels or request.answers:
            held.append(self._talk(payload))
            if self._said and self._faults.is_repeated():
                return self._said[0]  # what this one is answered comes as the answer to the next
        talk = held.pop(0)
        either: set[asyncio.Future[Any]] = {talk, self._told}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if talk.cancelled():
            await asyncio.wait({self._told})
        if self.is_known_dead:
            raise WorkerLost(self.name)
        return talk.result()

    def _talk(self, payload: bytes) -> asyncio.Task[bytes]:
        """Hand the payload over in a task of its own: it arrives also when its sender is gone."""
        talk = asyncio.get_running_loop().create_task(self._deliver(payload))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)
        return talk

    async def _deliver(self, payload: bytes) -> bytes:
        if delay_s := self._faults.delay_s():
            await asyncio.sleep(delay_s)
        self.pulse += 1
        request = _exchange.decode(payload)
        for item in request.items:
            self.running[request.scopes[item.scope].run_id, item.path] = item.attempt
        for stopped in request.cancels:
            self._leave(stopped)
        reply = await self._executor.exchange(payload)
        await self._hold()
        self.pulse += 1
        said = _reports.decode(reply)
        if said.is_stale:  # it took none of them
            for item in request.items:
                self._leave(AttemptId(run_id=request.scopes[item.scope].run_id, path=item.path, attempt=item.attempt))
        for report in said.reports:
            if isinstance(report, Finished | Lost):
                self._leave(AttemptId(run_id=report.run_id, path=report.path, attempt=report.attempt))
        if said.reports:
            self._said = [*self._said[1 - MAX_REMEMBERED :], reply]
        if (talk := asyncio.current_task()) is not None:
            self._talks.discard(talk)  # from here on it is under way, and its sender may die
        if delay_s := self._faults.delay_s():
            await asyncio.sleep(delay_s)
        return reply

    def _leave(self, attempt: AttemptId) -> None:
        if self.running.get((attempt.run_id, attempt.path)) == attempt.attempt:
            del self.running[attempt.run_id, attempt.path]

    async def die(self, told_after_s: float = 0.0) -> None:
        """Die like a process: nothing it was doing goes on; those that talk to it learn it some time later."""
        self.drop()
        await self._executor.close()
        if told_after_s:
            await asyncio.sleep(told_after_s)
        if not self._told.done():
            self._told.set_result(None)

    def drop(self) -> None:
        """Be dead from this moment on; `die` ends the bodies and lets it be known."""
        self._is_dead = True
        self.running.clear()
        for talk in list(self._talks):
            talk.cancel()

    async def stop(self) -> None:
        """End it."""
        await self.die()


class FakeSpawner:
    """Makes workers in this process and finds them again.

    Args:
        apps: By bundle.
        storage: Where their blobs are.
        turns: What executes model turns; None leaves agents without a model.
        clock: Time, for what workers report.
        faults: What goes wrong.
        on_dispatch: Sees what workers are given.
        hold: Awaited before a worker says anything.
    """

    def __init__(
        self,
        apps: Mapping[str, App],
        storage: Storage,
        *,
        clock: Callable[[], float],
        turns: Turns | None = None,
        faults: Faults | None = None,
        on_dispatch: OnDispatch | None = None,
        hold: Hold | None = None,
    ) -> None:
        self._apps = apps
        self._blobs: BlobLink = StoredBlobs(storage)
        self._turns = turns
        self._clock = clock
        self._faults = faults or Faults()
        self._on_dispatch: OnDispatch = on_dispatch or (lambda _worker, _scope, _item: None)
        self._hold: Hold = hold or _nothing
        self.workers: list[FakeWorker] = []

    @property
    def living(self) -> list[FakeWorker]:
        """Those that live."""
        return [worker for worker in self.workers if not worker.is_dead]

    async def adopt(self) -> Sequence[WorkerLink]:
        """Return those that live, as far as is known."""
        return [worker for worker in self.workers if not worker.is_known_dead]

    async def spawn(self, spec: WorkerSpec) -> WorkerLink:
        """Start one."""
        await asyncio.sleep(self._faults.delay_s())
        if self._faults.is_stillborn():
            raise WorkerLost(f"worker-{len(self.workers)}")
        app = self._apps.get(spec.bundle)
        if app is None:
            raise BundleUnavailable(f"there is no app for bundle {spec.bundle}")
        executor = Executor(
            app.code,
            bundles=(spec.bundle,),
            blobs=self._blobs,
            turns=self._turns if spec.pool == "agents" else None,
            instances=_instances(spec),
            clock=self._clock,
            jitter=random.Random(len(self.workers)),
        )
        worker = FakeWorker(f"worker-{len(self.workers)}", spec, executor, self._faults, self._on_dispatch, self._hold)
        self.workers.append(worker)
        return worker


def _instances(spec: WorkerSpec) -> Instances | None:
    if not spec.pool.startswith("tool-"):
        return None
    from greenroom.actors.tool_actor import ToolInstances  # noqa: PLC0415 - it brings Ray along

    return ToolInstances()
